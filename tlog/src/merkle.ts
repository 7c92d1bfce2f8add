import { sha256 } from "#hash"

/** Bytes in a hash of the tree. */
export const hashBytes = 32

/** Hash of an entry: SHA-256(0x00 ‖ entry), RFC 6962 §2.1. */
export function leafHash(entry: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + entry.length)
  message.set(entry, 1)
  return sha256(message)
}

const pair = new Uint8Array(1 + 2 * hashBytes)
pair[0] = 0x01

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== hashBytes || right.length !== hashBytes) throw new TypeError("a node has two 32-byte children")
  pair.set(left, 1)
  pair.set(right, 1 + hashBytes)
  return sha256(pair)
}

/** Root of the tree without entries: SHA-256 of nothing, RFC 6962 §2.1. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0))
}

/** Root over a power of two of hashes, in order. */
export function perfectRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i]!, row[2 * i + 1]!))
  }
  return row[0]!
}

/** Largest power of two smaller than `count` (> 1): where RFC 6962 §2.1 splits a range. */
export function splitPoint(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

/** Throws unless the number can be a size or an index here: a safe integer, 0 or more. */
export function assertCount(count: number, what: string): void {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`${what} is not a whole number from 0 to 2^53-1`)
}
