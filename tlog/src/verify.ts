import { same } from "./bytes.ts"
import { emptyRoot, hashBytes, nodeHash } from "./merkle.ts"

/** A claim that the tree of `size` entries with this root holds this leaf hash at `index`. */
export type Inclusion = {
  leaf: Uint8Array
  index: number
  size: number
  root: Uint8Array
  proof: readonly Uint8Array[]
}

/** A claim that the newer tree begins with the older one. */
export type Consistency = {
  oldSize: number
  oldRoot: Uint8Array
  newSize: number
  newRoot: Uint8Array
  proof: readonly Uint8Array[]
}

/** Whether the proof leads from the leaf to the root (RFC 9162 §2.1.3.2). False for anything malformed. */
export function verifyInclusion({ leaf, index, size, root, proof }: Inclusion): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false
  if (![leaf, root, ...proof].every(isHash)) return false
  let position = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(position) || position === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(position) && position !== 0) [position, last] = [half(position), half(last)]
    } else {
      hash = nodeHash(hash, sibling)
    }
    ;[position, last] = [half(position), half(last)]
  }
  return last === 0 && same(hash, root)
}

/** Whether the proof shows the newer tree to begin with the older one (RFC 9162 §2.1.4.2). False for anything malformed. */
export function verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof }: Consistency): boolean {
  if (!isCount(oldSize) || !isCount(newSize) || oldSize > newSize) return false
  if (![oldRoot, newRoot, ...proof].every(isHash)) return false
  if (oldSize === newSize) return proof.length === 0 && same(oldRoot, newRoot)
  if (oldSize === 0) return proof.length === 0 && same(oldRoot, emptyRoot())
  if (proof.length === 0) return false

  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof]
  let position = oldSize - 1
  let last = newSize - 1
  while (isOdd(position)) [position, last] = [half(position), half(last)]
  let oldHash = path[0]!
  let newHash = path[0]!
  for (const sibling of path.slice(1)) {
    if (last === 0) return false
    if (isOdd(position) || position === last) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (!isOdd(position) && position !== 0) [position, last] = [half(position), half(last)]
    } else {
      newHash = nodeHash(newHash, sibling)
    }
    ;[position, last] = [half(position), half(last)]
  }
  return last === 0 && same(oldHash, oldRoot) && same(newHash, newRoot)
}

// Sizes go up to 2^53: arithmetic here, because bit operators would cut them to 32 bits.
const half = (n: number) => Math.floor(n / 2)
const isOdd = (n: number) => n % 2 === 1
const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0
const isHash = (hash: Uint8Array) => hash.length === hashBytes

function isPowerOfTwo(n: number): boolean {
  let rest = n
  while (rest % 2 === 0) rest /= 2
  return rest === 1
}
