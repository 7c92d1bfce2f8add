import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import process from "node:process"
import { setTimeout as delay } from "node:timers/promises"
import { Refusal } from "../refusal.ts"
import { type Account, asAccount } from "./account.ts"
import { describeProcess, isRunning, type ProcessIdentity, startOf } from "./processes.ts"

/** A running PostgreSQL, ours by birth or adopted. */
export type Postmaster = {
  pid: number
  port: number
  isAdopted: boolean
  /** Resolves when it is gone, for whatever reason. Does not keep this process alive. */
  exited: Promise<void>
}

export type PostmasterParts = {
  binaries: string
  data: string
  account: Account
  /** What it prints. A file and not a pipe: it outlives us. */
  logFile: string
  isThrowaway: boolean
}

const READY_WITHIN_MS = 300_000
const MAX_LOG_BYTES = 16 * 1024 * 1024

/** The PostgreSQL that already runs on the data, once it answers; null when none does. */
export async function adopt({ data, account }: PostmasterParts): Promise<Postmaster | null> {
  const self = findSurvivor(data, account)
  if (self === null) return null
  while (isRunning(self)) {
    const now = readPidFile(data)
    if (now?.status === "ready") return { pid: self.pid, port: now.port, isAdopted: true, exited: gone(self) }
    await delay(20)
  }
  return null
}

/** Ends the PostgreSQL that runs on the data, whatever state it is in; does nothing when none does. */
export async function endSurvivor(data: string, account: Account): Promise<void> {
  const self = findSurvivor(data, account)
  if (self !== null) await terminate({ pid: self.pid, exited: gone(self) })
}

function findSurvivor(data: string, account: Account): ProcessIdentity | null {
  const file = readPidFile(data)
  const start = file === null ? null : startOf(file.pid)
  if (file === null || start === null) return null
  // The file is the account's to write. What it names gets signals from us, so it must be that account's PostgreSQL.
  const seen = describeProcess(file.pid)
  return seen?.uid === account.uid && seen.command.includes(` -D ${data} `) ? { pid: file.pid, start } : null
}

/** Starts PostgreSQL on the data and waits until it takes connections. A port of 0 becomes a free one. */
export async function launch(parts: PostmasterParts, wishedPort: number): Promise<Postmaster> {
  for (let attempt = 1; ; attempt++) {
    const port = wishedPort === 0 ? await freePort() : wishedPort
    const started = await tryLaunch(parts, port)
    if (!("failure" in started)) return started
    // A port may be taken between our look and PostgreSQL's; children of a killed postmaster need a moment to leave.
    const isPassing =
      (wishedPort === 0 && started.failure.includes("Address already in use")) ||
      /shared memory block .* is still in use|another postmaster|another server might be running/.test(started.failure)
    if (!isPassing || attempt === 50) {
      throw new Refusal("not-ready", `PostgreSQL did not start; see ${parts.logFile}.`, {
        cause: new Error(started.failure),
      })
    }
    await delay(100)
  }
}

/** Fast shutdown: no new connections, running transactions roll back, a checkpoint. Then harsher. */
export async function terminate({ pid, exited }: Pick<Postmaster, "pid" | "exited">): Promise<void> {
  for (const [signal, withinMs] of [
    ["SIGINT", 60_000],
    ["SIGQUIT", 10_000],
    ["SIGKILL", 10_000],
  ] as const) {
    try {
      process.kill(pid, signal)
    } catch {
      return await exited
    }
    const late = new AbortController()
    const isGone = await Promise.race([
      exited.then(() => true),
      delay(withinMs, false, { signal: late.signal }).catch(() => false),
    ])
    late.abort()
    if (isGone) return
  }
}

async function tryLaunch(parts: PostmasterParts, port: number): Promise<Postmaster | { failure: string }> {
  const { binaries, data, account, logFile } = parts
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`)
  const log = openSync(logFile, "a", 0o600)
  const from = statSync(logFile).size
  const child = spawn(join(binaries, "postgres"), ["-D", data, ...settings(port, parts.isThrowaway)], {
    ...asAccount(account),
    // Its own session: Ctrl-C is for us, and we stop it when we are done.
    detached: true,
    stdio: ["ignore", log, log],
  })
  closeSync(log)
  let hasExited = false
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      hasExited = true
      resolve()
    }
    child.once("exit", end)
    child.once("error", end)
  })
  child.unref()
  for (const deadline = performance.now() + READY_WITHIN_MS; performance.now() < deadline && !hasExited; ) {
    const file = readPidFile(data)
    if (file?.pid === child.pid && file?.status === "ready") {
      return { pid: file.pid, port, isAdopted: false, exited }
    }
    await delay(10)
  }
  if (!hasExited) child.kill("SIGQUIT")
  return { failure: textAfter(logFile, from) }
}

/** Passed on each start and not written to the data folder, so that a newer version of ours changes them. */
function settings(port: number, isThrowaway: boolean): string[] {
  const values: Record<string, string | number> = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    timezone: "UTC",
    log_timezone: "UTC",
    // A statement that fails may hold a password.
    log_min_error_statement: "panic",
    max_connections: 200,
    ...(isThrowaway
      ? {
          fsync: "off",
          synchronous_commit: "off",
          full_page_writes: "off",
          max_wal_size: "64MB",
          shared_buffers: "32MB",
        }
      : {}),
  }
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`])
}

/** postmaster.pid: process id, data folder, start, port, socket folder, address, shared memory, status, each on a line. */
function readPidFile(data: string): { pid: number; port: number; status: string } | null {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")
    const pid = Number(lines[0])
    return Number.isSafeInteger(pid) && pid > 1 ? { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? "" } : null
  } catch {
    return null
  }
}

/** A process that is not our child tells nobody when it ends. */
async function gone(self: ProcessIdentity): Promise<void> {
  while (isRunning(self)) await delay(100, undefined, { ref: false })
}

function textAfter(path: string, from: number): string {
  const bytes = Buffer.alloc(Math.min(statSync(path).size - from, 4_096))
  const file = openSync(path, "r")
  readSync(file, bytes, 0, bytes.length, from)
  closeSync(file)
  return bytes.toString("utf8")
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
