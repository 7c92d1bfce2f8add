import type { KeyObject } from "node:crypto"
import { z } from "zod"
import { type Clock, type Json, Refusal } from "#kernel"
import { isSignedBy, readJws } from "../jws.ts"

/** What a signed request asks, and what it is used up by. */
export type RequestObject = {
  /** Its parameters, by name; a value is whatever JSON had. */
  parameters: { readonly [name: string]: Json }
  jti: string
  expiresAtMs: number
}

/** Whose request it has to be: the client's SPIFFE ID, and the key that it enrolled. */
export type RequestSigner = { client: string; key: KeyObject }

const MAX_LENGTH = 32_768
/** FAPI-CIBA §5.2.2: from nbf to exp at the most, and how long ago nbf may be, seconds. */
const MAX_LIFE_SECONDS = 3_600
/** How far ahead of ours the clock may be that a request was made by, seconds. */
const MAX_AHEAD_SECONDS = 60
/** RFC 9101 §10.8. An assertion, a proof and a statement have types of their own, and are no request. */
const TYPES = [undefined, "jwt", "oauth-authz-req+jwt"]

const claimsSchema = z.looseObject({
  iss: z.string(),
  // One text: whoever is made to name another server too would hand it this request.
  aud: z.string(),
  jti: z.string().min(8).max(128),
  iat: z.number(),
  nbf: z.number(),
  exp: z.number(),
})
const OF_THE_JWT = ["iss", "aud", "jti", "iat", "nbf", "exp"]
/** What would make it another thing, or lead elsewhere. A client assertion has `sub`, a request never (RFC 9101 §10.8). */
const NOT_WITHIN = ["sub", "request", "request_uri", "client_assertion", "client_assertion_type"]

/**
 * Reads a signed authentication request (CIBA Core §7.1.1) by exactly that key: ES256, whatever the header says of keys. It still
 * has to be used up. Throws `invalid-request`.
 */
export function readRequestObject(
  { issuer, clock }: { issuer: string; clock: Clock },
  text: string,
  { client, key }: RequestSigner,
): RequestObject {
  try {
    if (text.length > MAX_LENGTH) throw new Error("it is too long")
    const jws = readJws(text)
    if (!TYPES.some((each) => each === typeOf(jws.header["typ"]))) throw new Error("typ is another one's")
    if (!isSignedBy(jws, key)) throw new Error("the signature is not by the client's enrolled key")
    const claims = claimsSchema.parse(jws.payload)
    if (claims.iss !== client) throw new Error("iss is not the client")
    if (claims.aud !== issuer) throw new Error("aud is not our issuer")
    requireTimes(clock.nowMs() / 1000, claims)
    const within = NOT_WITHIN.find((name) => Object.hasOwn(jws.payload, name))
    if (within !== undefined) throw new Error(`${within} has no place in it`)
    const parameters = Object.entries(jws.payload).filter(([name]) => !OF_THE_JWT.includes(name))
    return { parameters: Object.fromEntries(parameters), jti: claims.jti, expiresAtMs: claims.exp * 1000 }
  } catch (cause) {
    const what =
      "ES256 by the enrolled key, iss the client, aud the issuer alone, exp, iat, nbf, jti, an hour at the most"
    throw new Refusal("invalid-request", `The signed request is not valid: ${what}.`, { cause })
  }
}

/** RFC 7515 §4.1.9: a media type, whose case does not matter (RFC 2045 §5.1), and whose `application/` may be left out. */
function typeOf(typ: Json | undefined): Json | undefined {
  return typeof typ === "string" ? typ.toLowerCase().replace(/^application\/(?=[^/]+$)/, "") : typ
}

function requireTimes(nowSeconds: number, { iat, nbf, exp }: z.infer<typeof claimsSchema>): void {
  if (exp <= nowSeconds) throw new Error("it has expired")
  if (nbf > nowSeconds + MAX_AHEAD_SECONDS) throw new Error("it is not valid yet")
  if (iat > nowSeconds + MAX_AHEAD_SECONDS) throw new Error("it was made in the future")
  if (nbf < nowSeconds - MAX_LIFE_SECONDS) throw new Error("nbf is more than an hour ago")
  if (exp <= nbf || exp - nbf > MAX_LIFE_SECONDS) throw new Error("it lives longer than an hour")
}
