import type { KeyObject } from "node:crypto"
import type { Json } from "#kernel"
import { type Jws, readCompact } from "../jws.ts"
import type { Algorithm } from "./profiles.ts"
import type { Provider } from "./provider.ts"
import { isSignedWith } from "./signed.ts"

/** What a token says, after its signature was found to be its provider's. */
export type Payload = { readonly [name: string]: Json }

/** Clocks of providers differ from ours by no more, seconds. */
export const SKEW_SECONDS = 60

/** Bytes of a token; one with many groups has some ten thousand. */
export const MAX_TOKEN_BYTES = 32_768

/** Takes a token apart. Nothing of it is believed yet. Throws an Error. */
export function readToken(text: string): Jws {
  if (text.length > MAX_TOKEN_BYTES) throw new Error("the token is too long")
  return readCompact(text)
}

/**
 * What the token says, when its provider signed it with an algorithm that is configured for it, and by which key. Keys come from
 * the provider's own set: `jku`, `x5u`, `x5c` and `jwk` of the header are not looked at (RFC 8725 §3.10). Throws an Error, or
 * Unreachable.
 */
export async function signedBy(
  provider: Provider,
  { header, payload, input, signature }: Jws,
): Promise<{ payload: Payload; algorithm: Algorithm; key: KeyObject }> {
  const algorithm = provider.algorithms.find((each) => each === header["alg"])
  if (algorithm === undefined) throw new Error("its algorithm is not one of this provider's")
  const key = await provider.key(algorithm, header["kid"])
  if (key === null) throw new Error("the provider has no such key")
  if (!isSignedWith({ header, payload, input, signature }, algorithm, key)) {
    throw new Error("the signature is not by its key")
  }
  return { payload, algorithm, key }
}

/** The `typ` of a header without the part that may be left out, in small letters (RFC 7515 §4.1.9, RFC 8725 §3.11). */
export function typeOf({ header }: Jws): string | undefined {
  const { typ } = header
  if (typ === undefined) return undefined
  if (typeof typ !== "string") throw new Error("typ is no text")
  return typ.toLowerCase().replace(/^application\//, "")
}

/** The last second of the year 9999: what comes after it no database need know. */
const LAST_SECOND = 253_402_300_799

/** Refuses what has expired, is not valid yet, or was made in the future. `exp` and `iat` must be there, and be times. */
export function requireTimes(payload: Payload, nowMs: number): { expiresAtMs: number; issuedAtMs: number } {
  const now = nowMs / 1000
  const { exp, iat, nbf } = payload
  if (typeof exp !== "number" || typeof iat !== "number") throw new Error("exp or iat is missing")
  if (!(iat >= 0 && exp <= LAST_SECOND)) throw new Error("exp or iat is no time")
  if (exp + SKEW_SECONDS <= now) throw new Error("it has expired")
  if (iat - SKEW_SECONDS > now) throw new Error("it was made in the future")
  if (nbf !== undefined && (typeof nbf !== "number" || nbf - SKEW_SECONDS > now)) throw new Error("it is not valid yet")
  return { expiresAtMs: exp * 1000, issuedAtMs: iat * 1000 }
}

/** Every audience. Throws for none, and for what is no text. */
export function audienceOf({ aud }: Payload): string[] {
  const list = typeof aud === "string" ? [aud] : aud
  if (!Array.isArray(list) || list.length === 0) throw new Error("aud is missing")
  return list.map((each) => textOf(each, "aud"))
}

/** A text that is there, and can be kept and shown as it is. */
export function textOf(value: Json | undefined, name: string): string {
  if (typeof value !== "string" || value === "" || value.length > 500) throw new Error(`${name} is no text`)
  // RFC 6749 appendix A has none of them in any value; PostgreSQL keeps no NUL.
  if (/\p{Cc}|\p{Cs}/u.test(value)) throw new Error(`${name} has characters that nobody can write`)
  return value
}

/** A text, or null where there is nothing. */
export function optionalText(value: Json | undefined, name: string): string | null {
  return value === undefined || value === null ? null : textOf(value, name)
}
