import { same } from "./bytes.ts"
import { appendLeaves, type Edge, emptyEdge, partialTiles, rootOf } from "./edge.ts"
import { LogError } from "./errors.ts"
import { leafHash } from "./merkle.ts"
import { type LogReader, readEntries, tilesFrom } from "./reader.ts"
import { attempt, type Problem } from "./report.ts"
import { bundlesOf, decodeTile, encodeTile, type Tile, tilePath, tileWidth } from "./tiles.ts"

/** An entry whose hash is not the one that its tile holds: one of the two was changed. */
export type Difference = { index: number; entry: Uint8Array; tile: Uint8Array }

/** What a walk found. `root` is null when it had to stop before the end, `rootAtMark` when it never got there. */
export type Walk = {
  root: Uint8Array | null
  rootAtMark: Uint8Array | null
  differences: Difference[]
  problems: Problem[]
}

/** Where to walk, and the size whose root is wanted on the way. */
export type Route = { reader: LogReader; size: number; mark: number; onProgress: (done: number) => void }

/**
 * Reads every entry once and rebuilds the tree from their bytes; compares each hash tile with it. A bundle that cannot be
 * read is stood in for by its tile, so that the rest can still be judged; without either the walk ends.
 */
export async function walk({ reader, size, mark, onProgress }: Route): Promise<Walk> {
  let edge = emptyEdge()
  const found: Walk = { root: null, rootAtMark: null, differences: [], problems: [] }
  const pass = (to: Edge) => {
    edge = to
    if (edge.size === mark) found.rootAtMark = rootOf(edge)
  }

  pass(edge)
  for (const { index, width } of bundlesOf(size)) {
    const { leaves, hashes, problems } = await readBundle(reader, index, width)
    found.problems.push(...problems)
    if (leaves !== null && hashes !== null) found.differences.push(...compare(leaves, hashes, edge.size))
    const known = leaves ?? hashes
    if (known === null) return found
    const untilMark = Math.min(Math.max(mark - edge.size, 0), width)
    for (const part of [known.slice(0, untilMark), known.slice(untilMark)]) {
      const { edge: grown, tiles } = appendLeaves(edge, part)
      pass(grown)
      found.problems.push(...(await checkTiles(reader, tiles, found.differences)))
    }
    onProgress(edge.size)
  }
  found.problems.push(...(await checkTiles(reader, partialTiles(edge), found.differences)))
  return { ...found, root: rootOf(edge) }
}

/** Hashes of a bundle's entries, and the hashes its tile holds; null and a problem for what cannot be read. */
async function readBundle(reader: LogReader, bundle: number, width: number) {
  const [entries, tile] = await Promise.all([
    attempt(() => readEntries(reader, bundle, width)),
    attempt(() => tilesFrom(reader)(0, bundle, width)),
  ])
  const index = bundle * tileWidth
  const problems: Problem[] = []
  if (entries instanceof LogError) {
    const code = entries.code === "missing-tile" ? "entries-missing" : "entries-malformed"
    problems.push({ code, message: entries.message, index })
  }
  if (tile instanceof LogError) problems.push(tileProblem(tile, index))
  return {
    leaves: entries instanceof LogError ? null : entries.map(leafHash),
    hashes: tile instanceof LogError ? null : decodeTile(tile, width),
    problems,
  }
}

function compare(leaves: Uint8Array[], hashes: Uint8Array[], from: number): Difference[] {
  return leaves.flatMap((entry, offset) => {
    const tile = hashes[offset]!
    return same(entry, tile) ? [] : [{ index: from + offset, entry, tile }]
  })
}

/** Compares the tiles above the lowest level; one over an entry that differs already cannot agree and is passed over. */
async function checkTiles(reader: LogReader, tiles: Tile[], differences: Difference[]): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const { level, index, hashes } of tiles) {
    const span = tileWidth ** (level + 1)
    const from = index * span
    if (level === 0 || differences.some((entry) => entry.index >= from && entry.index < from + span)) continue
    const bytes = await attempt(() => tilesFrom(reader)(level, index, hashes.length))
    if (bytes instanceof LogError) problems.push(tileProblem(bytes, from))
    else if (!same(bytes, encodeTile(hashes))) {
      const path = tilePath(level, index, hashes.length)
      problems.push({ code: "tile-changed", message: `${path} is not the hash of the entries below it.`, index: from })
    }
  }
  return problems
}

function tileProblem({ code, message }: LogError, index: number): Problem {
  return { code: code === "missing-tile" ? "tile-missing" : "tile-changed", message, index }
}
