import { appendLeaves, type Edge, emptyEdge, encodeTile, leafHash, rootOf } from "@safeconduct/tlog"
import { type Database, equal, type Queryable, type Transaction } from "#kernel"
import type { Recorded } from "./change.ts"
import { MISSING } from "./intents.ts"
import type { Written } from "./leaf.ts"
import {
  append,
  deleteIntents,
  insertDisclosures,
  lockHead,
  readEpoch,
  type StoredTile,
  type TreeHead,
} from "./store.ts"
import { forked, readEdge } from "./tree.ts"

/** What an append gives back: a receipt for each entry, and the epoch that held under the head's lock. */
export type Appended = { receipts: Recorded[]; epoch: number }

/** Appends entries and keeps the tree's edge between transactions. One per server. */
export interface Appender {
  /** Locks the head before whatever else the transaction locks. */
  lock(tx: Transaction): Promise<void>
  /** Numbers, hashes and inserts, under the head's lock. Throws `log-forked` when the database is not what it was. */
  append(tx: Transaction, entries: Written[]): Promise<Appended>
  /**
   * The same as a transaction of its own, in one statement: for entries that come with nothing else. Null, and nothing is
   * written, when they do, or when the head is not where this server left it.
   */
  appendAlone(database: Database, entries: Written[]): Promise<Appended | null>
  /** Told after the commit: these are durable, and a log without them was cut. */
  confirm(recorded: readonly Recorded[]): void
}

/**
 * Starts from the edge of the log as it was found. Every server may append: the head row says whether the edge kept here
 * is still the log's, or another server was at work (or our own transaction was rolled back) and it must be read anew.
 */
export function createAppender(found: Edge): Appender {
  /** Seen under a head, hence committed. */
  let seen = tipOf(found, rootOf(found))
  /** Made by our last append, committed or not. */
  let made = seen
  /** Entries known to be durable. */
  let durable = found.size
  const locked = new WeakMap<Transaction, TreeHead>()

  const tipAt = async (tx: Transaction, head: TreeHead): Promise<Tip> => {
    if (head.size < durable) throw forked(`it had ${durable} entries, and now it has ${head.size}`)
    if (head.size === seen.head.size && !isAt(seen, head)) {
      throw forked(`its ${head.size} entries are not the ones it had`)
    }
    if (isAt(made, head)) seen = made
    else if (!isAt(seen, head)) seen = { edge: await readEdge(tx, head), head }
    durable = head.size
    return seen
  }
  /** Null when the head is not at the tip. */
  const appendAt = async (database: Queryable, tip: Tip, entries: Written[]): Promise<Appended | null> => {
    const hashes = entries.map(({ leaf }) => leafHash(leaf))
    const { edge, root, tiles } = appendLeaves(tip.edge, hashes)
    // Before the answer: one that is lost may be of a commit, and the next head says which.
    made = tipOf(edge, root)
    const epoch = await append(database, { from: tip.head, to: made.head, entries, tiles: tiles.map(stored) })
    if (epoch === null) return null
    return { receipts: entries.map(({ id, at }, nth) => ({ id, index: tip.head.size + nth, at })), epoch }
  }

  return {
    async lock(tx) {
      locked.set(tx, await lockHead(tx))
    },
    async append(tx, entries) {
      const tip = await tipAt(tx, locked.get(tx) ?? (await lockHead(tx)))
      if (entries.length === 0) return { receipts: [], epoch: await readEpoch(tx) }
      const appended = await appendAt(tx, tip, entries)
      if (appended === null) throw new Error("the head moved while it was locked")
      await insertRest(tx, entries)
      return appended
    },
    async appendAlone(database, entries) {
      if (entries.length === 0 || entries.some(hasRest)) return null
      // The log was longer since: at what we made it would be found only where it was cut back to that, and append() says so.
      if (made.head.size < durable) return null
      const appended = await appendAt(database, made, entries)
      if (appended !== null) seen = made
      return appended
    },
    confirm(recorded) {
      durable = Math.max(durable, (recorded.at(-1)?.index ?? -1) + 1)
    },
  }
}

/** An edge with the head that it belongs to. */
type Tip = { edge: Edge; head: TreeHead }

function tipOf(edge: Edge, root: Uint8Array): Tip {
  return { edge, head: { size: edge.size, root: Buffer.from(root) } }
}

/** An entry with rows of its own beside it. */
function hasRest({ disclosures, of }: Written): boolean {
  return disclosures.length > 0 || of !== null
}

async function insertRest(tx: Transaction, entries: Written[]): Promise<void> {
  const disclosing = entries.filter(({ disclosures }) => disclosures.length > 0)
  const finished = entries.flatMap(({ event, of }) => (event === MISSING ? [] : (of ?? [])))
  if (disclosing.length > 0) await insertDisclosures(tx, disclosing)
  if (finished.length > 0) await deleteIntents(tx, finished)
}

function isAt(tip: Tip, head: TreeHead): boolean {
  return tip.head.size === head.size && equal(tip.head.root, head.root)
}

function stored({ level, index, hashes }: { level: number; index: number; hashes: Uint8Array[] }): StoredTile {
  return { level, index, hashes: encodeTile(hashes), root: appendLeaves(emptyEdge(), hashes).root }
}
