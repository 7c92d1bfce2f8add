import { type Clock, systemClock } from "./clock.ts"
import type { Database, Transaction } from "./database.ts"
import type { Log } from "./log.ts"
import { Refusal } from "./refusal.ts"

/** NOTIFY channel of the epoch; a hint only, the poll is what counts. */
const CHANNEL = "safeconduct_epoch"
/** Farthest that this machine's clock may be from the database's while anything is given. */
const MAX_SKEW_MS = 2_000

/**
 * Takes something away: every decision made before this transaction commits is thrown away and taken again. Called in
 * the transaction that suspends an agent, ends a session or changes the policy in force.
 */
export async function bumpEpoch(tx: Transaction): Promise<void> {
  await tx.query("update kernel.epoch set epoch = epoch + 1")
  await tx.query("select pg_notify($1, '')", [CHANNEL])
}

/** Tells every server that keys changed. Called in the transaction that makes one, retires one, or seals with another. */
export async function bumpKeys(tx: Transaction): Promise<void> {
  await tx.query("update kernel.epoch set keys = keys + 1")
  await bumpEpoch(tx)
}

/** The epoch that this server's memory reflects, kept at most 250 ms behind the database. */
export interface Epoch extends AsyncDisposable {
  /** The epoch that every `onChange` listener has finished taking in. Decisions are made under this one. */
  readonly current: number
  /** Reads the database now, and tells the listeners when it moved. */
  refresh(): Promise<number>
  /** Called, and awaited, before `current` moves. */
  onChange(listener: (epoch: number) => Promise<void> | void): void
  /** The same for when keys changed; before those of onChange. */
  onKeysChange(listener: () => Promise<void> | void): void
  /** Milliseconds since the last successful read. */
  ageMs(): number
  /** Milliseconds that this machine's clock is ahead of the database's, negative when behind; what a reading's way took is left out. */
  skewMs(): number
}

/** For whatever gives: a clock that is off makes what is short-lived live too long. Throws `clock-skewed`. */
export function refuseSkewed(epoch: Pick<Epoch, "skewMs">): void {
  const skewMs = epoch.skewMs()
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return
  throw new Refusal("clock-skewed", `${describeSkew(skewMs)} Nothing is given until it is right; ending still works.`)
}

/** What is wrong with the clock and what to do, or null while it is well. */
export function skewProblem(epoch: Pick<Epoch, "skewMs">): string | null {
  const skewMs = epoch.skewMs()
  return Math.abs(skewMs) <= MAX_SKEW_MS ? null : `${describeSkew(skewMs)} Nothing is given meanwhile.`
}

function describeSkew(skewMs: number): string {
  const off = `${(Math.abs(skewMs) / 1_000).toFixed(1)} s ${skewMs > 0 ? "ahead of" : "behind"}`
  return `The server's clock is ${off} the database's: let both follow NTP.`
}

/** The database that is watched, at the least every 250 ms unless told, and the clock that is compared with its own. */
export type EpochParts = { database: Database; log: Log; pollMs?: number; clock?: Clock }

/** Starts watching the epoch. */
export async function watchEpoch({ database, log, pollMs = 250, clock = systemClock }: EpochParts): Promise<Epoch> {
  const listeners: ((epoch: number) => Promise<void> | void)[] = []
  const keysListeners: (() => Promise<void> | void)[] = []
  let reading = await read(database)
  let current = reading.epoch
  let keys = reading.keys
  let readAt = performance.now()
  let running: Promise<number> | undefined
  let isClosed = false

  const refreshOnce = async () => {
    reading = await read(database)
    const seen = reading.epoch
    const seenKeys = reading.keys
    if (seenKeys !== keys) {
      for (const listener of keysListeners) await listener()
      keys = seenKeys
    }
    if (seen !== current) {
      for (const listener of listeners) await listener(seen)
      current = seen
    }
    readAt = performance.now()
    return current
  }
  /** Joins a read that has not begun its answer only by starting another after it: the caller must see its own bump. */
  const refresh = async () => {
    await running?.catch(() => undefined)
    running ??= refreshOnce().finally(() => {
      running = undefined
    })
    return await running
  }
  const tick = async () => {
    await refresh().catch((error: unknown) => log.warn("epoch cannot be read", { error }))
    if (!isClosed) timer = setTimeout(tick, pollMs)
  }
  let timer = setTimeout(tick, pollMs)
  const listening = await database.listen(CHANNEL, () => void refresh().catch(() => undefined))

  return {
    get current() {
      return current
    },
    refresh,
    onChange: (listener) => void listeners.push(listener),
    onKeysChange: (listener) => void keysListeners.push(listener),
    ageMs: () => performance.now() - readAt,
    skewMs() {
      // By the monotonic clock since the reading, so that a clock that is set shows at once and not with the next reading.
      const atMostMs = reading.databaseMs + performance.now() - reading.sentAt
      const atLeastMs = reading.databaseMs + performance.now() - reading.receivedAt
      const nowMs = clock.nowMs()
      return Math.max(0, nowMs - atMostMs) + Math.min(0, nowMs - atLeastMs)
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await listening[Symbol.asyncDispose]()
      await running?.catch(() => undefined)
    },
  }
}

/** The database's time lies between `sentAt` and `receivedAt`, which are performance.now(). */
type Reading = { epoch: number; keys: number; databaseMs: number; sentAt: number; receivedAt: number }

async function read(database: Database): Promise<Reading> {
  const sentAt = performance.now()
  const [row] = await database.query<{ epoch: number; keys: number; ms: number }>(
    "select epoch, keys, (extract(epoch from clock_timestamp()) * 1000)::float8 as ms from kernel.epoch",
  )
  return { epoch: row!.epoch, keys: row!.keys, databaseMs: row!.ms, sentAt, receivedAt: performance.now() }
}
