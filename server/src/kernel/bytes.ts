import { createHash, hash, randomBytes, randomFillSync, timingSafeEqual } from "node:crypto"

/** SHA-256 of bytes, or of a string's UTF-8 bytes: 32 bytes. */
export function sha256(input: Uint8Array | string): Buffer {
  return hash("sha256", input, "buffer")
}

/** base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url")
}

/** Bytes of an unpadded base64url text; throws on any other character or a non-canonical ending. */
export function fromBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url")
  if (bytes.toString("base64url") !== text) throw new TypeError("not canonical base64url")
  return bytes
}

/** Cryptographically random bytes. */
export function random(byteCount: number): Buffer {
  return randomBytes(byteCount)
}

/** Drawn in advance: a draw costs as much for 16 bytes as for thousands, and each decision needs five. */
const pool = Buffer.alloc(4_096)
let used = pool.length

/** Random bytes for what is not secret (ids, salts) and is made often. No byte is handed out twice, and none is kept. */
export function randomOften(byteCount: number): Buffer {
  if (byteCount > pool.length) return random(byteCount)
  if (used + byteCount > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = Buffer.from(pool.subarray(used, used + byteCount))
  pool.fill(0, used, used + byteCount)
  used += byteCount
  return bytes
}

/** Compares in constant time; false for different lengths. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}

/** Lower-case hexadecimal SHA-256 of several parts, for names of files and keys; never a signature. */
export function fingerprint(...parts: (Uint8Array | string)[]): string {
  const digest = createHash("sha256")
  for (const part of parts) digest.update(part)
  return digest.digest("hex")
}
