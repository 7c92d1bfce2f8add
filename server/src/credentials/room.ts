import { setTimeout as sleep } from "node:timers/promises"
import type { Audit } from "#audit"
import { type Clock, type Database, type Keyring, type Log, type Owing, refusalCode } from "#kernel"
import type { Desks } from "./desks.ts"
import type { EngineKind } from "./engine.ts"
import type { Memory } from "./memory.ts"
import type { ResourcesPart } from "./part.ts"
import type { Revocations } from "./revoke.ts"
import type { Watch } from "./watch.ts"

/** What the files of this room share. Nobody outside sees it. */
export type Room = {
  database: Database
  audit: Audit
  keyring: Keyring
  clock: Clock
  log: Log
  kinds: readonly EngineKind[]
  deployment: string
  /** Resources in force, as of the epoch that was taken in. */
  resources: ResourcesPart
  desks: Desks
  memory: Memory
  watch: Watch
  revocations: Revocations
  /** Issues under way on this server, by lease: a revocation waits for the one it would otherwise miss. */
  issuing: Map<string, Promise<unknown>>
  /** Takes in writing, durably, what our database cannot be told. */
  journal: (owing: Owing) => Promise<unknown>
  /** Aborted when the room closes. */
  closing: AbortSignal
}

/** The promise's value, or undefined when it takes longer or nothing can be recorded now: taking away does not wait. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const stop = new AbortController()
  const late = sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined)
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    if (cannotRecord(error)) return undefined
    throw error
  } finally {
    stop.abort()
    promise.catch(() => undefined)
  }
}

/** Our database cannot be reached, or its log was altered: what is given has to wait for it, what is taken away has not. */
export function cannotRecord(error: unknown): boolean {
  return ["store-unavailable", "log-forked"].includes(refusalCode(error) ?? "")
}

/** Waits without keeping the process alive; throws an AbortError when the room closes. */
export async function pause(room: Pick<Room, "closing">, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal: room.closing, ref: false })
}

/** Repeats the work, with a pause after each run, until the room closes. A failure is logged and the next run comes. */
export async function everyFew(room: Room, ms: number, what: string, work: () => Promise<unknown>): Promise<void> {
  while (!room.closing.aborted) {
    try {
      await work()
    } catch (error) {
      if (!room.closing.aborted) room.log.warn(`${what} failed`, { error })
    }
    await pause(room, ms).catch(() => undefined)
  }
}
