import { AsyncLocalStorage } from "node:async_hooks"
import type { Database, Transaction } from "./database.ts"
import { Refusal } from "./refusal.ts"
import { countBatch } from "./telemetry.ts"

/** One statement for many units. Answers in the order of the questions. */
export type Statement<Question, Answer> = (
  tx: Transaction,
  questions: readonly Question[],
) => Promise<readonly Answer[]>

/** What a unit asks of a statement that it shares. */
export type Shared = { statement: Statement<never, unknown>; question: unknown }

/**
 * One durable unit: what a caller changes, and what is recorded of it, in one transaction. Both functions may run again
 * (with fewer beside it, when the batch that held it failed), so `work` does nothing but SQL.
 */
export type Unit<Item, Result> = {
  /** Asked once for all units of a transaction that share the statement, in their order, before any unit's own work. */
  shared?: Shared
  /** `answer` is to the unit's own question of `shared`. */
  work?: (tx: Transaction, answer?: unknown) => Promise<Result>
  items: (result: Result) => Item[]
}

/** What a commit gives back: the work's result, a receipt for each item, and the epoch that held at the commit. */
export type Committed<Receipt, Result> = { result: Result; receipts: Receipt[]; epoch: number }

/**
 * Group commit without a timer: whatever queued while the last transaction committed goes into the next, so that a lone
 * caller waits for one commit and a crowd shares it. A refused unit does not take its neighbours with it.
 */
export interface Batch<Item, Receipt> {
  /** Resolves after the commit. Throws `overloaded` at once when the queue is full, `store-unavailable` when unreachable. */
  commit<Result>(unit: Unit<Item, Result>): Promise<Committed<Receipt, Result>>
  /** Units waiting now. */
  readonly queued: number
}

/** A receipt for each item, and the epoch that was read under the same lock. */
export type Appended<Receipt> = { receipts: Receipt[]; epoch: number }

/** What a batch is made of; at most 512 units in a transaction and 8,192 waiting, unless told. */
export type BatchParts<Item, Receipt> = {
  database: Database
  /**
   * Comes first in a transaction with work. Units stand in a batch as they came, and so do the rows that they lock: two
   * servers without one lock before all others would wait for each other.
   */
  lock?: (tx: Transaction) => Promise<void>
  /** Appends all items in order. */
  append: (tx: Transaction, items: Item[]) => Promise<Appended<Receipt>>
  /** The same in a transaction of its own, when no unit has work: one round trip. Null: nothing was done, `append` has to. */
  appendAlone?: (database: Database, items: Item[]) => Promise<Appended<Receipt> | null>
  maxUnits?: number | undefined
  maxQueued?: number
}

type Waiting<Item, Receipt> = {
  unit: Unit<Item, unknown>
  resolve: (value: Committed<Receipt, unknown>) => void
  reject: (error: unknown) => void
  /** Calls a function where the unit came from: what it does belongs to that trace. */
  within: ReturnType<typeof AsyncLocalStorage.snapshot>
}

/** Starts a batch over the database. */
export function createBatch<Item, Receipt>(parts: BatchParts<Item, Receipt>): Batch<Item, Receipt> {
  const maxUnits = parts.maxUnits ?? 512
  const maxQueued = parts.maxQueued ?? 8_192
  let queue: Waiting<Item, Receipt>[] = []
  let isRunning = false

  const run = async (waiting: Waiting<Item, Receipt>[]): Promise<void> => {
    try {
      // As its first unit: whoever woke the queue may have been answered long ago.
      const committed = await waiting[0]!.within(() => attempt(parts, waiting))
      countBatch(waiting.length)
      waiting.forEach((each, at) => {
        each.resolve(committed[at]!)
      })
    } catch (error) {
      if (waiting.length === 1) return waiting[0]!.reject(error)
      // One of them is to blame; an unreachable database refuses them all at once.
      if (error instanceof Refusal && error.code === "store-unavailable") {
        for (const each of waiting) each.reject(error)
        return
      }
      // By halves: each by itself would cost a crowd a commit for everybody, and one caller could make that of every batch.
      const middle = Math.ceil(waiting.length / 2)
      await run(waiting.slice(0, middle))
      await run(waiting.slice(middle))
    }
  }

  const drain = async () => {
    isRunning = true
    while (queue.length > 0) {
      const next = queue.slice(0, maxUnits)
      queue = queue.slice(maxUnits)
      await run(next)
    }
    isRunning = false
  }

  return {
    commit<Result>(unit: Unit<Item, Result>): Promise<Committed<Receipt, Result>> {
      if (queue.length >= maxQueued) {
        return Promise.reject(new Refusal("overloaded", "Too many requests are waiting to be recorded. Try again."))
      }
      return new Promise<Committed<Receipt, Result>>((resolve, reject) => {
        const within = AsyncLocalStorage.snapshot()
        queue.push({ unit, resolve, reject, within } as unknown as Waiting<Item, Receipt>)
        if (!isRunning) void drain()
      })
    },
    get queued() {
      return queue.length
    },
  }
}

async function attempt<Item, Receipt>(
  parts: BatchParts<Item, Receipt>,
  waiting: Waiting<Item, Receipt>[],
): Promise<Committed<Receipt, unknown>[]> {
  return (await attemptAlone(parts, waiting)) ?? (await attemptTogether(parts, waiting))
}

/** Null when there is work to be done in the same transaction. */
async function attemptAlone<Item, Receipt>(
  { database, appendAlone }: BatchParts<Item, Receipt>,
  waiting: Waiting<Item, Receipt>[],
): Promise<Committed<Receipt, unknown>[] | null> {
  if (appendAlone === undefined || waiting.some(({ unit }) => unit.work !== undefined)) return null
  const lists = waiting.map(({ unit }) => unit.items(undefined))
  const appended = await appendAlone(database, lists.flat())
  return appended && shared(lists, [], appended)
}

async function attemptTogether<Item, Receipt>(
  { database, lock, append }: BatchParts<Item, Receipt>,
  waiting: Waiting<Item, Receipt>[],
): Promise<Committed<Receipt, unknown>[]> {
  return await database.transaction(async (tx) => {
    await lock?.(tx)
    const answers = await askShared(tx, waiting)
    const results: unknown[] = []
    for (const { unit } of waiting) results.push(await unit.work?.(tx, answers.get(unit)))
    const lists = waiting.map(({ unit }, at) => unit.items(results[at]))
    return shared(lists, results, await append(tx, lists.flat()))
  })
}

/** The answer to each unit that asked. */
async function askShared<Item, Receipt>(
  tx: Transaction,
  waiting: Waiting<Item, Receipt>[],
): Promise<Map<Unit<Item, unknown>, unknown>> {
  const answers = new Map<Unit<Item, unknown>, unknown>()
  const asking = Map.groupBy(
    waiting.map(({ unit }) => unit).filter((unit) => unit.shared !== undefined),
    (unit) => unit.shared!.statement,
  )
  for (const [statement, units] of asking) {
    const questions = units.map(({ shared }) => shared!.question)
    const answered = await (statement as Statement<unknown, unknown>)(tx, questions)
    for (const [at, unit] of units.entries()) answers.set(unit, answered[at])
  }
  return answers
}

/** To each unit its own. */
function shared<Item, Receipt>(
  lists: Item[][],
  results: unknown[],
  { receipts, epoch }: Appended<Receipt>,
): Committed<Receipt, unknown>[] {
  let from = 0
  return lists.map((items, at) => {
    const own = receipts.slice(from, from + items.length)
    from += items.length
    return { result: results[at], receipts: own, epoch }
  })
}
