import { createPublicKey, type KeyObject, verify } from "node:crypto"
import { base64url, fromBase64url, isEcdsaSignature, Refusal } from "#kernel"

/** What passkeys sign with here: the algorithms that authenticators have in common (WebAuthn Level 3 §5.8.5). */
export type PasskeyAlgorithm = "Ed25519" | "ES256" | "RS256"

/** A passkey's public key. */
export type PasskeyKey = { algorithm: PasskeyAlgorithm; key: KeyObject }

/** IANA "COSE Algorithms", the identifiers of those. */
export const coseAlgorithms: Readonly<Record<PasskeyAlgorithm, number>> = { Ed25519: -8, ES256: -7, RS256: -257 }

/** Labels of RFC 9052 §7.1 and RFC 9053 §7. */
const [KTY, ALG, CRV, X, Y, N, E] = [1, 3, -1, -2, -3, -1, -2] as const
const [OKP, EC2, RSA] = [1, 2, 3] as const

/** Shorter moduli may be factored by the time that somebody looks at an old approval (NIST SP 800-57 part 1 §5.6). */
const LEAST_MODULUS_BYTES = 256

/**
 * Reads a COSE_Key as authenticators write it: canonical CBOR with `alg`, and nothing but what its kind needs (WebAuthn Level 3
 * §6.5.1.1). Throws `not-verified` for any other bytes.
 */
export function readPasskeyKey(bytes: Uint8Array): PasskeyKey {
  const map = readMap(Buffer.from(bytes))
  const [kty, alg] = [map.get(KTY), map.get(ALG)]
  if (kty === OKP && alg === coseAlgorithms.Ed25519 && map.size === 4 && map.get(CRV) === 6) {
    const x = bytesOf(map, X, 32)
    refuseSmallOrder(fromBase64url(x))
    return { algorithm: "Ed25519", key: publicKey({ kty: "OKP", crv: "Ed25519", x }) }
  }
  if (kty === EC2 && alg === coseAlgorithms.ES256 && map.size === 5 && map.get(CRV) === 1) {
    return {
      algorithm: "ES256",
      key: publicKey({ kty: "EC", crv: "P-256", x: bytesOf(map, X, 32), y: bytesOf(map, Y, 32) }),
    }
  }
  if (kty === RSA && alg === coseAlgorithms.RS256 && map.size === 4) return { algorithm: "RS256", key: readRsa(map) }
  throw refused("its kind or its algorithm is none that passkeys have here")
}

/** Whether the signature is by that key over the message (WebAuthn Level 3 §6.5.5). */
export function isSignedBy({ algorithm, key }: PasskeyKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (algorithm === "ES256") return isEcdsaSignature({ key, message, signature, form: "der" })
  return verify(algorithm === "RS256" ? "sha256" : null, message, key, signature)
}

const FIELD = 2n ** 255n - 19n
const OF_ORDER_EIGHT = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
/** Of the eight points whose order divides the cofactor (RFC 8032 §5.1), the second coordinates. */
const SMALL = [0n, 1n, FIELD - 1n, OF_ORDER_EIGHT, FIELD - OF_ORDER_EIGHT]

/**
 * The platform's cryptography verifies by such a point one signature over every message, and anybody can make it: whoever has it
 * let in could deny what they signed. A point that is not written in the one way of RFC 8032 §5.1.2 is none either.
 */
function refuseSmallOrder(point: Buffer): void {
  const written = BigInt(`0x${Buffer.from(point).reverse().toString("hex")}`)
  const y = BigInt.asUintN(255, written)
  if (y >= FIELD || SMALL.includes(y)) throw refused("its point is not one that signatures can be verified by")
}

function readRsa(map: CoseMap): KeyObject {
  const [modulus, exponent] = [map.get(N), map.get(E)]
  if (!Buffer.isBuffer(modulus) || !Buffer.isBuffer(exponent)) throw refused("a number of it is missing")
  const isShort = modulus.length < LEAST_MODULUS_BYTES || modulus[0] === 0 || exponent[0] === 0
  if (isShort || exponent.length > 8 || (exponent.at(-1) ?? 0) % 2 === 0 || exponent.equals(Buffer.of(1))) {
    throw refused("its modulus or its exponent is not one that is safe")
  }
  return publicKey({ kty: "RSA", n: base64url(modulus), e: base64url(exponent) })
}

function publicKey(jwk: { [name: string]: string }): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: "jwk" })
  } catch (cause) {
    throw refused("its numbers are no public key", cause)
  }
}

function bytesOf(map: CoseMap, label: number, length: number): string {
  const value = map.get(label)
  if (!Buffer.isBuffer(value) || value.length !== length) throw refused(`a coordinate is not of ${length} bytes`)
  return base64url(value)
}

type CoseMap = ReadonlyMap<number, number | Buffer>

/**
 * The whole of the bytes as one map of small numbers to numbers and byte strings, in the one form that CTAP 2.1 §8 allows: shortest
 * heads, definite lengths, keys in order. Two texts of one key would let a byte change unnoticed.
 */
function readMap(bytes: Buffer): CoseMap {
  const at = { bytes, offset: 0 }
  const { major, value: count } = readHead(at)
  if (major !== 5 || count > 8) throw refused("it is not a small map")
  const map = new Map<number, number | Buffer>()
  let before: Buffer = Buffer.alloc(0)
  for (let nth = 0; nth < count; nth++) {
    const start = at.offset
    const label = readNumber(at)
    const written = bytes.subarray(start, at.offset)
    if (nth > 0 && !isAfter(written, before)) throw refused("its members are not in order")
    before = written
    map.set(label, readValue(at))
  }
  if (at.offset !== bytes.length) throw refused("something comes after it")
  return map
}

type Cursor = { bytes: Buffer; offset: number }

function readNumber(at: Cursor): number {
  const value = readValue(at)
  if (typeof value !== "number") throw refused("a label of it is not a number")
  return value
}

function readValue(at: Cursor): number | Buffer {
  const { major, value } = readHead(at)
  if (major === 0) return value
  if (major === 1) return -1 - value
  if (major !== 2) throw refused("a value of it is neither a number nor bytes")
  const end = at.offset + value
  if (end > at.bytes.length) throw refused("it breaks off")
  const found = at.bytes.subarray(at.offset, end)
  at.offset = end
  return found
}

/** RFC 8949 §3: three bits of kind and five of value, or how many bytes of value follow. Four and eight are not needed. */
function readHead(at: Cursor): { major: number; value: number } {
  const first = at.bytes[at.offset++]
  if (first === undefined) throw refused("it breaks off")
  const [major, additional] = [first >> 5, first & 31]
  if (additional < 24) return { major, value: additional }
  const length = additional === 24 ? 1 : additional === 25 ? 2 : 0
  if (length === 0 || at.offset + length > at.bytes.length) throw refused("it is not canonical CBOR")
  const value = at.bytes.readUIntBE(at.offset, length)
  at.offset += length
  if (value < (length === 1 ? 24 : 256)) throw refused("it is not canonical CBOR")
  return { major, value }
}

/** CTAP 2.1 §8: the shorter first, then byte by byte. Equal ones are never in order, so none comes twice. */
function isAfter(label: Buffer, before: Buffer): boolean {
  return label.length === before.length ? Buffer.compare(label, before) > 0 : label.length > before.length
}

function refused(why: string, cause?: unknown): Refusal {
  return new Refusal("not-verified", `This is not the public key of a passkey: ${why}.`, { cause })
}
