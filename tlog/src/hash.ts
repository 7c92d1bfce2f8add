import { hash } from "node:crypto"

/** SHA-256 of bytes: 32 bytes, synchronous. Browsers get hash.browser.ts in its place (package.json, `imports`). */
export function sha256(bytes: Uint8Array): Uint8Array {
  const digest = hash("sha256", bytes, "buffer")
  // A Buffer's slice() shares memory and a Uint8Array's does not: nobody downstream has to know which one this is.
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength)
}
