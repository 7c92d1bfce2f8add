import { joined, sha256, utf8 } from "./bytes.ts"

/** Root of a Merkle tree over these texts, in their order (RFC 9162 §2.1.1): what is signed for all of them together. */
export async function rootOf(texts: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  if (texts.length === 0) throw new TypeError("nothing is signed")
  return await rootOver(await Promise.all(texts.map((text) => sha256(joined(Uint8Array.of(0), utf8(text))))))
}

async function rootOver(leaves: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
  if (leaves.length === 1) return leaves[0]!
  let half = 1
  while (half * 2 < leaves.length) half *= 2
  const [left, right] = await Promise.all([rootOver(leaves.slice(0, half)), rootOver(leaves.slice(half))])
  return await sha256(joined(Uint8Array.of(1), left, right))
}
