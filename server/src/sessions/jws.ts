import type { KeyObject } from "node:crypto"
import { fromBase64url, isEcdsaSignature, type Json, parseJson } from "#kernel"

/** A compact JWS (RFC 7515 §3.1) that was taken apart. Nothing of it is believed before `isSignedBy()` says so. */
export type Jws = {
  header: { readonly [name: string]: Json }
  payload: { readonly [name: string]: Json }
  /** What the signature is over (RFC 7515 §5.1). */
  input: string
  signature: Buffer
}

/** ECDSA over P-256: two numbers of 32 bytes (RFC 7518 §3.4). */
const SIGNATURE_BYTES = 64

/**
 * Takes a compact JWS apart, strictly: canonical base64url, JSON without doubled names, no critical extension (RFC 7515
 * §4.1.11). Which algorithm it may be signed with is the caller's to say. Throws an Error that says what is wrong; for the
 * log, not for the caller.
 */
export function readCompact(text: string): Jws {
  const [header, payload, signature, more] = text.split(".")
  if (signature === undefined || more !== undefined) throw new Error("a compact JWS has three parts")
  const jws = {
    header: readObject(header!),
    payload: readObject(payload!),
    input: `${header}.${payload}`,
    signature: fromBase64url(signature),
  }
  if ("crit" in jws.header) throw new Error("no critical extension is understood here")
  return jws
}

/** The same for what our own keys and those of agents sign: ES256 and no other algorithm. */
export function readJws(text: string): Jws {
  const jws = readCompact(text)
  // RFC 8725 §3.1: one algorithm, ours to say; what the header says can only be the same.
  if (jws.header["alg"] !== "ES256") throw new Error("alg is not ES256")
  if (jws.signature.length !== SIGNATURE_BYTES) throw new Error("an ES256 signature has 64 bytes")
  return jws
}

/** True when that EC P-256 key signed it. */
export function isSignedBy({ input, signature }: Jws, key: KeyObject): boolean {
  return isEcdsaSignature({ key, message: Buffer.from(input), signature, form: "jose" })
}

/**
 * The payload of a JWS of exactly that type (RFC 8725 §3.11), by the key that it names. Throws an Error that says what is wrong;
 * issuer, times and whatever else the payload says are the caller's to judge.
 */
export function verifiedPayload(text: string, type: string, keyOf: (kid: string) => KeyObject | null): Jws["payload"] {
  const jws = readJws(text)
  const { typ, kid } = jws.header
  if (typ !== type) throw new Error(`typ is not ${type}`)
  const key = typeof kid === "string" ? keyOf(kid) : null
  if (key === null) throw new Error("no such key")
  if (!isSignedBy(jws, key)) throw new Error("the signature is not by its key")
  return jws.payload
}

function readObject(part: string): { readonly [name: string]: Json } {
  const value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(fromBase64url(part)))
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not a JSON object")
  return value
}
