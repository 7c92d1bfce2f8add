import type { Database, Transaction } from "./database.ts"
import type { Log } from "./log.ts"

/** NOTIFY channel of the epoch; a hint only, the poll is what counts. */
const CHANNEL = "safeconduct_epoch"

/**
 * Takes something away: every decision made before this transaction commits is thrown away and taken again. Called in
 * the transaction that suspends an agent, ends a session or changes the policy in force.
 */
export async function bumpEpoch(tx: Transaction): Promise<void> {
  await tx.query("update kernel.epoch set epoch = epoch + 1")
  await tx.query("select pg_notify($1, '')", [CHANNEL])
}

/** The epoch that this server's memory reflects, kept at most 250 ms behind the database. */
export interface Epoch extends AsyncDisposable {
  /** The epoch that every `onChange` listener has finished taking in. Decisions are made under this one. */
  readonly current: number
  /** Reads the database now, and tells the listeners when it moved. */
  refresh(): Promise<number>
  /** Called, and awaited, before `current` moves. */
  onChange(listener: (epoch: number) => Promise<void> | void): void
  /** Milliseconds since the last successful read. */
  ageMs(): number
}

/** The database that is watched, at the least every 250 ms unless told. */
export type EpochParts = { database: Database; log: Log; pollMs?: number }

/** Starts watching the epoch. */
export async function watchEpoch({ database, log, pollMs = 250 }: EpochParts): Promise<Epoch> {
  const listeners: ((epoch: number) => Promise<void> | void)[] = []
  let current = await read(database)
  let readAt = performance.now()
  let running: Promise<number> | undefined
  let isClosed = false

  const refreshOnce = async () => {
    const seen = await read(database)
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
    ageMs: () => performance.now() - readAt,
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await listening[Symbol.asyncDispose]()
      await running?.catch(() => undefined)
    },
  }
}

async function read(database: Database): Promise<number> {
  const [row] = await database.query<{ epoch: number }>("select epoch from kernel.epoch")
  return row!.epoch
}
