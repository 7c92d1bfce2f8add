import { encodeEntries, parseTilePath, tileWidth, widthIn } from "@safeconduct/tlog"
import { base64url, type Database, type Json, Refusal } from "#kernel"
import { type Leaf, readLeaf } from "./leaf.ts"
import { type ClosedPlace, findClosed, locate } from "./logs/closed.ts"
import { readLogNumber } from "./logs/store.ts"
import {
  countEntries,
  listEntries,
  listNewest,
  readDisclosures,
  readHead,
  readLeaves,
  type StoredEntry,
  timeAt,
} from "./store.ts"
import { forked, orForked, tileReader } from "./tree.ts"

/** Which entries: from an index on, at most 256, of one event or session where given; of another log where named. */
export type EntryQuery = { log?: number; from?: number; limit?: number; event?: string; session?: string }

/** An entry as it is read: its place, what it says, and `text`, the very bytes that were hashed. */
export type EntryView = {
  index: number
  id: string
  leaf: Leaf
  text: string
  /** Personal values by name with the salts (base64url) of their commitments; only where one entry is read. */
  disclosures?: { [name: string]: { salt: string; value: Json } }
}

/** Entries in order; `next` is where to go on, null at the end. `size` is the log's. */
export type EntryPage = { entries: EntryView[]; next: number | null; size: number }

/** A tile's bytes. A full one never changes. */
export type ServedTile = { bytes: Uint8Array; isFull: boolean }

/** Most entries of one answer, as many as in a bundle. */
export const MAX_ENTRIES = tileWidth

/** Reads a page of entries. Throws `invalid-request` for a limit out of bounds. */
export async function readEntries(database: Database, query: EntryQuery): Promise<EntryPage> {
  const { from = 0, limit = 100, event, session } = query
  if (!Number.isSafeInteger(from) || from < 0) throw new Refusal("invalid-request", "from is an index, 0 or more.")
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ENTRIES) {
    throw new Refusal("invalid-request", `limit is a number from 1 to ${MAX_ENTRIES}.`)
  }
  const isClosed = query.log !== undefined && query.log !== (await readLogNumber(database))
  const closed = isClosed ? await findClosed(database, query.log!) : null
  const { size } = closed ?? (await readHead(database))
  const rows = await listEntries(database, { from, limit, event, session }, closed?.tables)
  return { entries: rows.map(view), next: rows.length === limit ? rows.at(-1)!.index + 1 : null, size }
}

/** Which entries of a session: the newest of these events. */
export type NewestQuery = { session: string; events: readonly string[]; limit: number }

/** Reads them, newest first. */
export async function readNewest(database: Database, query: NewestQuery): Promise<EntryView[]> {
  return (await listNewest(database, query)).map(view)
}

/** How many entries of these events were written since then, to within a clock's difference between servers. */
export async function countSince(database: Database, events: readonly string[], since: Date): Promise<number> {
  // Times grow with indexes, but have no index of their own: found by halving.
  let [low, { size: high }] = [0, await readHead(database)]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const at = await timeAt(database, middle)
    if (at !== null && at < since) low = middle + 1
    else high = middle
  }
  return await countEntries(database, events, low)
}

/** Reads one entry and what of its personal values is left. Throws `not-found`. */
export async function readEntry(database: Database, entryId: string): Promise<EntryView> {
  const { entry: row } = await locate(database, entryId)
  const found = (await readDisclosures(database, entryId)).map(({ name, salt, value }) => [
    name,
    { salt: base64url(salt), value: JSON.parse(value) as Json },
  ])
  return found.length === 0 ? view(row) : { ...view(row), disclosures: Object.fromEntries(found) }
}

/** Reads a tile or bundle that the log reaches; null for any other path. Throws `log-forked` when the database lacks it. */
export async function readTile(
  database: Database,
  path: string,
  closed: ClosedPlace | null = null,
): Promise<ServedTile | null> {
  const name = parseTilePath(path)
  if (name === null) return null
  const { level, index, width } = name
  const { size } = closed ?? (await readHead(database))
  const tables = closed?.tables
  if (widthIn(size, level, index) < width) return null
  const isFull = width === tileWidth
  if (level !== "entries") return { bytes: await orForked(tileReader(database, tables)(level, index, width)), isFull }
  const leaves = await readLeaves(database, index * tileWidth, width, tables)
  if (leaves.length < width) throw forked(`entries from ${index * tileWidth} on are missing`)
  return { bytes: encodeEntries(leaves), isFull }
}

function view({ index, id, leaf }: StoredEntry): EntryView {
  return { index, id, leaf: readLeaf(leaf), text: leaf.toString("utf8") }
}
