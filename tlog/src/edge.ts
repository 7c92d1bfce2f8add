import { LogError } from "./errors.ts"
import { assertCount, emptyRoot, hashBytes, nodeHash, perfectRoot } from "./merkle.ts"
import { decodeTile, type ReadTile, type Tile, tileWidth, widthIn } from "./tiles.ts"

/**
 * The right edge of a tree: all a server needs in memory to append. At most 53 hashes and, per level, 255 of a tile not yet
 * full. A value: appending makes a new one, so that a rolled back transaction leaves the old one true.
 */
export type Edge = {
  size: number
  /** Roots of the perfect subtrees, left to right: one for each one bit of `size`, highest first. */
  hashes: readonly Uint8Array[]
  /** Per tile level, the hashes of its partial tile; empty where the level ends on a full one. */
  tiles: readonly (readonly Uint8Array[])[]
}

/** What an append made: the new edge, its root, and the tiles that became full (immutable from now on). */
export type Appended = { edge: Edge; root: Uint8Array; tiles: Tile[] }

/** The edge of the tree without entries. */
export function emptyEdge(): Edge {
  return { size: 0, hashes: [], tiles: [] }
}

/** Appends leaf hashes in order. About one hash per leaf; the old edge stays as it is. */
export function appendLeaves(edge: Edge, leafHashes: Iterable<Uint8Array>): Appended {
  const hashes = [...edge.hashes]
  const partial = edge.tiles.map((tile) => [...tile])
  const tiles: Tile[] = []
  let size = edge.size

  const put = (level: number, hash: Uint8Array) => {
    partial[level] ??= []
    partial[level].push(hash)
    if (partial[level].length < tileWidth) return
    tiles.push({ level, index: Math.floor(size / tileWidth ** (level + 1)), hashes: partial[level] })
    partial[level] = []
  }

  for (const leaf of leafHashes) {
    if (leaf.length !== hashBytes) throw new TypeError("a leaf hash has 32 bytes")
    put(0, leaf)
    let hash = leaf
    let height = 0
    for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
      hash = nodeHash(hashes.pop()!, hash)
      height += 1
      // Eight levels of the tree are one of tiles: this is the root of a tile that just became full.
      if (height % 8 === 0) put(height / 8, hash)
    }
    hashes.push(hash)
    size += 1
    assertCount(size, "size")
  }
  const grown = { size, hashes, tiles: partial }
  return { edge: grown, root: rootOf(grown), tiles }
}

/** Root of the tree the edge belongs to. */
export function rootOf(edge: Edge): Uint8Array {
  const [last, ...others] = edge.hashes.toReversed()
  if (last === undefined) return emptyRoot()
  return others.reduce((right, left) => nodeHash(left, right), last)
}

/** The tiles that are not full at this size: to be served as `….p/<width>` for a checkpoint of it. */
export function partialTiles(edge: Edge): Tile[] {
  return edge.tiles.flatMap((hashes, level) =>
    hashes.length === 0
      ? []
      : [{ level, index: Math.floor(edge.size / tileWidth ** (level + 1)), hashes: [...hashes] }],
  )
}

/** The edge of a stored tree. Compare `rootOf` with a root one trusts. Throws `malformed-tile` and what the reader throws. */
export async function loadEdge(readTile: ReadTile, size: number): Promise<Edge> {
  assertCount(size, "size")
  const tiles: Uint8Array[][] = []
  for (let level = 0; tileWidth ** level <= size; level++) {
    const index = Math.floor(size / tileWidth ** (level + 1))
    const width = widthIn(size, level, index)
    const hashes = width === 0 ? [] : decodeTile(await readTile(level, index, width), width)
    if (hashes === null) throw new LogError("malformed-tile", `Tile ${level}/${index} does not have ${width} hashes.`)
    tiles.push(hashes)
  }
  return { size, hashes: tiles.toReversed().flatMap(perfectSubtrees), tiles }
}

/** Roots of the perfect subtrees of a partial tile, left to right, largest first. */
function perfectSubtrees(tile: readonly Uint8Array[]): Uint8Array[] {
  const roots: Uint8Array[] = []
  let from = 0
  for (let count = tileWidth / 2; count >= 1; count /= 2) {
    if (from + count > tile.length) continue
    roots.push(perfectRoot(tile.slice(from, from + count)))
    from += count
  }
  return roots
}
