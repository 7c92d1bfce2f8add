import { appendLeaves, type Edge, emptyEdge, encodeTile, leafHash, rootOf } from "@safeconduct/tlog"
import { equal, type Transaction } from "#kernel"
import type { Recorded } from "./change.ts"
import { MISSING } from "./intents.ts"
import type { Written } from "./leaf.ts"
import {
  deleteIntents,
  insertDisclosures,
  insertEntries,
  insertIntents,
  insertTiles,
  lockHead,
  readEpoch,
  type StoredTile,
  type TreeHead,
} from "./store.ts"
import { forked, readEdge } from "./tree.ts"

/** Appends entries within a transaction and keeps the tree's edge between transactions. One per server. */
export interface Appender {
  /** Numbers, hashes and inserts, under the head's lock. Throws `log-forked` when the database is not what it was. */
  append(tx: Transaction, entries: Written[]): Promise<{ receipts: Recorded[]; epoch: number }>
  /** Told after the commit: these are durable, and a log without them was cut. */
  confirm(recorded: readonly Recorded[]): void
}

/**
 * Starts from the edge of the log as it was found. Every server may append: the head row says whether the edge kept here
 * is still the log's, or another server was at work (or our own transaction was rolled back) and it must be read anew.
 */
export function createAppender(found: Edge): Appender {
  /** Seen under a head, hence committed. */
  let seen = found
  /** Made by our last append, committed or not. */
  let made = found
  /** Entries known to be durable. */
  let durable = found.size

  const edgeOf = async (tx: Transaction, head: TreeHead): Promise<Edge> => {
    if (head.size < durable) throw forked(`it had ${durable} entries, and now it has ${head.size}`)
    if (head.size === seen.size && !isAt(seen, head)) throw forked(`its ${head.size} entries are not the ones it had`)
    seen = isAt(made, head) ? made : isAt(seen, head) ? seen : await readEdge(tx, head)
    durable = seen.size
    return seen
  }

  return {
    async append(tx, entries) {
      const head = await lockHead(tx)
      const edge = await edgeOf(tx, head)
      if (entries.length === 0) return { receipts: [], epoch: await readEpoch(tx) }

      const {
        edge: next,
        root,
        tiles,
      } = appendLeaves(
        edge,
        entries.map(({ leaf }) => leafHash(leaf)),
      )
      if (tiles.length > 0) await insertTiles(tx, tiles.map(stored))
      const epoch = await insertEntries(tx, head.size, entries, { size: next.size, root })
      await insertRest(tx, entries)
      made = next
      return { receipts: entries.map(({ id, at }, nth) => ({ id, index: head.size + nth, at })), epoch }
    },
    confirm(recorded) {
      durable = Math.max(durable, (recorded.at(-1)?.index ?? -1) + 1)
    },
  }
}

async function insertRest(tx: Transaction, entries: Written[]): Promise<void> {
  const intents = entries.filter(({ deadlineSeconds }) => deadlineSeconds !== null)
  const disclosing = entries.filter(({ disclosures }) => disclosures.length > 0)
  const finished = entries.flatMap(({ event, of }) => (event === MISSING ? [] : (of ?? [])))
  if (intents.length > 0) await insertIntents(tx, intents)
  if (disclosing.length > 0) await insertDisclosures(tx, disclosing)
  if (finished.length > 0) await deleteIntents(tx, finished)
}

function isAt(edge: Edge, head: TreeHead): boolean {
  return edge.size === head.size && equal(rootOf(edge), head.root)
}

function stored({ level, index, hashes }: { level: number; index: number; hashes: Uint8Array[] }): StoredTile {
  return { level, index, hashes: encodeTile(hashes), root: appendLeaves(emptyEdge(), hashes).root }
}
