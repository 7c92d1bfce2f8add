import {
  consistencyProof,
  type Edge,
  encodeTile,
  LogError,
  leafHash,
  loadEdge,
  type ReadTile,
  rootOf,
  tileWidth,
} from "@safeconduct/tlog"
import { equal, type Queryable, Refusal } from "#kernel"
import {
  currentTables,
  type LogTables,
  readFullTile,
  readHead,
  readLeaves,
  readTileRoots,
  type TreeHead,
} from "./store.ts"

/**
 * Reads tiles as the log's tables have them now. A partial tile of the lowest level is hashed from the leaves themselves,
 * so that a leaf changed there shows. Rejects with tlog's `missing-tile`.
 */
export function tileReader(database: Queryable, tables: LogTables = currentTables): ReadTile {
  const read = async (level: number, index: number, width: number) => {
    if (width === tileWidth) return await readFullTile(database, level, index, tables)
    const first = index * tileWidth
    const hashes =
      level === 0
        ? (await readLeaves(database, first, width, tables)).map(leafHash)
        : await readTileRoots(database, level - 1, [first, first + width], tables)
    return hashes.length === width ? encodeTile(hashes) : null
  }
  return async (level, index, width) => {
    const hashes = await read(level, index, width)
    if (hashes === null) throw new LogError("missing-tile", `The database lacks tile ${level}/${index} of ${width}.`)
    return hashes
  }
}

/** The edge of the tree under a head. Throws `log-forked` when entries and tiles do not add up to it. */
export async function readEdge(database: Queryable, head: TreeHead): Promise<Edge> {
  const edge = await orForked(loadEdge(tileReader(database), head.size))
  if (!equal(rootOf(edge), head.root)) throw forked(`its ${head.size} entries do not have the root of its head`)
  return edge
}

/** A tree that somebody wants signed: what it claims, and the proof that it grew out of a smaller one. */
export type Tree = {
  /** The tree as it stands now. Throws `log-forked` when it is inconsistent in itself. */
  head(): Promise<TreeHead>
  /** RFC 6962 §2.1.2 proof from one size to a larger one. Throws `log-forked` when there is none. */
  consistency(from: number, to: number): Promise<Uint8Array[]>
}

/** The tree in the database. */
export function treeIn(database: Queryable): Tree {
  return {
    async head() {
      const head = await readHead(database)
      await readEdge(database, head)
      return head
    },
    consistency: (from, to) => orForked(consistencyProof(tileReader(database), from, to)),
  }
}

/** The log in the database is not the one that was signed. `how` completes "The log was altered: …". */
export function forked(how: string, cause?: unknown): Refusal {
  const what = `The log was altered: ${how}. Nothing is granted until an operator has looked, and begun the next log`
  return new Refusal("log-forked", `${what} ("safeconduct audit rotate" on a server's host).`, { cause })
}

/** What tlog cannot read is not a log any more; an unreachable database stays what it is. */
export async function orForked<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof LogError) throw forked("parts of it are missing or malformed", error)
    throw error
  }
}
