import { LogError } from "./errors.ts"
import { assertCount, nodeHash, perfectRoot, splitPoint } from "./merkle.ts"
import { decodeTile, type ReadTile, tileWidth, widthIn } from "./tiles.ts"

type Range = { from: number; to: number }

/**
 * Hashes that lead from entry `index` to the root of the tree of `size` entries, leaf's sibling first (RFC 6962 §2.1.1).
 * Reads at most two tiles per level. Throws `out-of-range`, `malformed-tile`, and what the reader throws.
 */
export async function inclusionProof(readTile: ReadTile, index: number, size: number): Promise<Uint8Array[]> {
  assertCount(index, "index")
  assertCount(size, "size")
  if (index >= size) throw new LogError("out-of-range", `A log of ${size} entries has no entry ${index}.`)
  const ranges: Range[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + splitPoint(to - from)
    ranges.push(index < middle ? { from: middle, to } : { from, to: middle })
    if (index < middle) to = middle
    else from = middle
  }
  return hashAll(readTile, size, ranges.reverse())
}

/**
 * Hashes that show the tree of `newSize` entries to begin with the tree of `oldSize` (RFC 6962 §2.1.2). Empty when the
 * sizes are equal or the old tree was. Throws like `inclusionProof`.
 */
export async function consistencyProof(readTile: ReadTile, oldSize: number, newSize: number): Promise<Uint8Array[]> {
  assertCount(oldSize, "old size")
  assertCount(newSize, "new size")
  if (oldSize > newSize) throw new LogError("out-of-range", `A log of ${newSize} entries never had ${oldSize}.`)
  if (oldSize === 0) return []
  const ranges: Range[] = []
  let from = 0
  let to = newSize
  while (to !== oldSize) {
    const middle = from + splitPoint(to - from)
    ranges.push(oldSize <= middle ? { from: middle, to } : { from, to: middle })
    if (oldSize <= middle) to = middle
    else from = middle
  }
  // The old tree itself is left out while it is a whole left subtree of the new one: the verifier knows its root.
  if (from > 0) ranges.push({ from, to })
  return hashAll(readTile, newSize, ranges.reverse())
}

/** Hash of each range, in order; a tile that several of them need is read once. */
function hashAll(readTile: ReadTile, size: number, ranges: Range[]): Promise<Uint8Array[]> {
  const seen = new Map<string, Promise<Uint8Array[]>>()
  const tile = (level: number, index: number) => {
    const key = `${level}/${index}`
    const known = seen.get(key) ?? readHashes(readTile, level, index, widthIn(size, level, index))
    seen.set(key, known)
    return known
  }
  const hashOf = async ({ from, to }: Range): Promise<Uint8Array> => {
    const count = to - from
    const height = Math.log2(count)
    if (!Number.isInteger(height)) {
      const middle = from + splitPoint(count)
      return nodeHash(...(await Promise.all([hashOf({ from, to: middle }), hashOf({ from: middle, to })])))
    }
    const level = Math.floor(height / 8)
    const first = from / tileWidth ** level
    const hashes = await tile(level, Math.floor(first / tileWidth))
    return perfectRoot(hashes.slice(first % tileWidth, (first % tileWidth) + 2 ** (height % 8)))
  }
  return Promise.all(ranges.map(hashOf))
}

async function readHashes(readTile: ReadTile, level: number, index: number, width: number): Promise<Uint8Array[]> {
  const hashes = decodeTile(await readTile(level, index, width), width)
  if (hashes === null) throw new LogError("malformed-tile", `Tile ${level}/${index} does not have ${width} hashes.`)
  return hashes
}
