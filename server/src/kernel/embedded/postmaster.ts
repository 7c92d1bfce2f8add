import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readSync, renameSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Refusal } from "../refusal.ts"
import { type Account, asAccount } from "./account.ts"
import { type Postmaster, readPidFile, terminate } from "./survivor.ts"

/** What a postmaster is started from. */
export type PostmasterParts = {
  binaries: string
  data: string
  account: Account
  /** What it prints. A file and not a pipe: it outlives us. */
  logFile: string
  isThrowaway: boolean
}

type Failed = { failure: string }

const READY_WITHIN_MS = 300_000
const MAX_LOG_BYTES = 16 * 1024 * 1024

/**
 * Starts PostgreSQL on the data and waits until it takes connections. A port of 0 becomes a free one. Throws `not-ready`
 * when it exits before that, or when the signal aborts; then none is left running.
 */
export async function launch(parts: PostmasterParts, wishedPort: number, signal?: AbortSignal): Promise<Postmaster> {
  for (let attempt = 1; ; attempt++) {
    const port = wishedPort === 0 ? await freePort() : wishedPort
    const started = await tryLaunch(parts, port, signal)
    if (!("failure" in started)) return started
    // A port may be taken between our look and PostgreSQL's; children of a killed postmaster need a moment to leave.
    const isPortTaken = started.failure.includes("Address already in use")
    const isPassing =
      (wishedPort === 0 && isPortTaken) ||
      /shared memory block .* is still in use|lock file "postmaster.pid" already exists/.test(started.failure)
    if (!isPassing || attempt === 50 || signal?.aborted) {
      const reason = isPortTaken ? `Port ${port} is taken` : "PostgreSQL did not start"
      throw new Refusal("not-ready", `${reason}; see ${parts.logFile}.`, { cause: new Error(started.failure) })
    }
    await delay(100)
  }
}

async function tryLaunch(parts: PostmasterParts, port: number, signal?: AbortSignal): Promise<Postmaster | Failed> {
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
  for (
    const deadline = performance.now() + READY_WITHIN_MS;
    performance.now() < deadline && !hasExited && !signal?.aborted;
  ) {
    const file = readPidFile(data)
    if (file?.pid === child.pid && file?.status === "ready") {
      return { pid: file.pid, port, isAdopted: false, exited }
    }
    await delay(10)
  }
  if (!hasExited) await terminate({ pid: child.pid!, exited })
  return { failure: textAfter(logFile, from) }
}

/** Passed on each start and not written to the data folder, so that a newer version of ours changes them. */
export function settings(port: number, isThrowaway: boolean): string[] {
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
          // Whoever runs on this must be told, by the database itself, that nothing here is meant to last.
          "safeconduct.commits_may_be_lost": "on",
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
