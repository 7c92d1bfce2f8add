import { concat } from "./bytes.ts"
import { hashBytes } from "./merkle.ts"

/** Hashes in a full tile, entries in a full bundle (C2SP tlog-tiles). */
export const tileWidth = 256

/** Which tile: its level, or "entries" for a bundle; its index in that level; its width, 256 when full. */
export type TileName = { level: number | "entries"; index: number; width: number }

/** A hash tile with its content; the width is the number of hashes. */
export type Tile = { level: number; index: number; hashes: Uint8Array[] }

/** Content of a hash tile of exactly this width, as it is served: `width` hashes of 32 bytes. */
export type ReadTile = (level: number, index: number, width: number) => Promise<Uint8Array>

/** Path under the log's prefix, such as `tile/0/x001/x234/067.p/12` or `tile/entries/000` (C2SP tlog-tiles). */
export function tilePath(level: number | "entries", index: number, width = tileWidth): string {
  if (level !== "entries" && !(Number.isInteger(level) && level >= 0 && level <= 63)) throw new RangeError("tile level")
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError("tile index")
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) throw new RangeError("tile width")
  let groups = String(index % 1000).padStart(3, "0")
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups = `x${String(rest % 1000).padStart(3, "0")}/${groups}`
  }
  return `tile/${level}/${groups}${width === tileWidth ? "" : `.p/${width}`}`
}

/** Null unless the text is exactly what `tilePath` writes: no leading zeroes, no longer spelling of the same tile. */
export function parseTilePath(path: string): TileName | null {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path)
  if (match === null) return null
  const level = match[1] === "entries" ? "entries" : Number(match[1])
  const index = Number(match[2]!.replaceAll(/[x/]/g, ""))
  const width = match[3] === undefined ? tileWidth : Number(match[3])
  if (level !== "entries" && level > 63) return null
  if (!Number.isSafeInteger(index) || width < 1 || width > tileWidth) return null
  return tilePath(level, index, width) === path ? { level, index, width } : null
}

/** Width of a tile in a tree of `size` entries: 0 when the tree does not reach it, 256 when it is full. */
export function widthIn(size: number, level: number | "entries", index: number): number {
  const hashes = Math.floor(size / tileWidth ** (level === "entries" ? 0 : level))
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth))
}

/** Every hash tile of a tree of `size` entries, level by level; the last of a level may be partial. */
export function* tilesOf(size: number): Generator<TileName & { level: number }> {
  for (let level = 0; tileWidth ** level <= size; level++) {
    for (let index = 0; widthIn(size, level, index) > 0; index++) {
      yield { level, index, width: widthIn(size, level, index) }
    }
  }
}

/** Every bundle of entries of a tree of `size` entries. */
export function* bundlesOf(size: number): Generator<TileName & { level: "entries" }> {
  for (let index = 0; widthIn(size, "entries", index) > 0; index++) {
    yield { level: "entries", index, width: widthIn(size, "entries", index) }
  }
}

/** The bytes a hash tile is served as. */
export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  return concat(hashes)
}

/** Hashes of a served tile; null unless it has exactly `width` of them. */
export function decodeTile(bytes: Uint8Array, width: number): Uint8Array[] | null {
  if (bytes.length !== width * hashBytes) return null
  return Array.from({ length: width }, (_, i) => bytes.subarray(i * hashBytes, (i + 1) * hashBytes))
}
