import { concat } from "./bytes.ts"
import { LogError } from "./errors.ts"
import { tileWidth } from "./tiles.ts"

/** Largest entry in bytes: its length is a uint16 (C2SP tlog-tiles). */
export const maxEntryBytes = 65_535

/** An entry bundle: each entry after its big-endian uint16 length (C2SP tlog-tiles, "Log entries"). */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > tileWidth) throw new RangeError("a bundle has 1 to 256 entries")
  return concat(
    entries.flatMap((entry) => {
      if (entry.length > maxEntryBytes) throw new RangeError(`an entry has at most ${maxEntryBytes} bytes`)
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]
    }),
  )
}

/** Entries of a bundle, sharing its memory. Throws `malformed-entries` when a length does not fit or `width` is not met. */
export function decodeEntries(bundle: Uint8Array, width?: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  let offset = 0
  while (offset < bundle.length) {
    if (offset + 2 > bundle.length) throw new LogError("malformed-entries", "The bundle ends inside a length.")
    const start = offset + 2
    offset = start + bundle[offset]! * 256 + bundle[offset + 1]!
    if (offset > bundle.length)
      throw new LogError("malformed-entries", `The bundle ends inside entry ${entries.length}.`)
    entries.push(bundle.subarray(start, offset))
  }
  if (entries.length < 1 || entries.length > tileWidth || (width !== undefined && entries.length !== width)) {
    throw new LogError("malformed-entries", `The bundle has ${entries.length} entries, not ${width ?? "1 to 256"}.`)
  }
  return entries
}
