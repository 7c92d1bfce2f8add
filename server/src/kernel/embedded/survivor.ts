import { readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { setTimeout as delay } from "node:timers/promises"
import type { Account } from "./account.ts"
import { describeProcess, isRunning, type ProcessIdentity, startOf } from "./processes.ts"

/** A running PostgreSQL, ours by birth or adopted. */
export type Postmaster = {
  pid: number
  port: number
  isAdopted: boolean
  /** Resolves when it is gone, for whatever reason. Does not keep this process alive. */
  exited: Promise<void>
}

/** The PostgreSQL that already runs on the data, once it answers; null when none does. */
export async function adopt(data: string, account: Account): Promise<Postmaster | null> {
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

/** PostgreSQL's own note, a line each: process id, data folder, start, port, socket folder, address, shared memory, status. */
export function readPidFile(data: string): { pid: number; port: number; status: string } | null {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")
    const pid = Number(lines[0])
    return Number.isSafeInteger(pid) && pid > 1 ? { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? "" } : null
  } catch {
    return null
  }
}

function findSurvivor(data: string, account: Account): ProcessIdentity | null {
  const file = readPidFile(data)
  const start = file === null ? null : startOf(file.pid)
  if (file === null || start === null) return null
  // The file is the account's to write. What it names gets signals from us, so it must be that account's PostgreSQL.
  const seen = describeProcess(file.pid)
  return seen?.uid === account.uid && seen.command.includes(` -D ${data} `) ? { pid: file.pid, start } : null
}

/** A process that is not our child tells nobody when it ends. */
async function gone(self: ProcessIdentity): Promise<void> {
  while (isRunning(self)) await delay(100, undefined, { ref: false })
}
