import { z } from "zod"
import { type Clock, type Database, Refusal } from "#kernel"
import type { Proof } from "./dpop.ts"
import { isSignedBy, readJws } from "./jws.ts"
import { spendAssertion } from "./store.ts"

/** RFC 7523 §2.2 */
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/** A client assertion that was signed by the key of the DPoP proof that came with it, and not used up yet. */
export type Assertion = {
  /** The SPIFFE ID that it says. */ client: string
  jti: string
  expiresAtMs: number
  proof: Proof
}

/** What the token endpoint's form has of it. */
export const assertionForm = z.object({
  client_assertion_type: z.literal(ASSERTION_TYPE),
  client_assertion: z.string().max(4_096),
})

/** Longest life of an assertion, seconds. */
const MAX_LIFE_SECONDS = 300
/** How far ahead of ours the clock may be that an assertion was made by, seconds. */
const MAX_AHEAD_SECONDS = 60

/**
 * Types under which an assertion comes: explicit (draft-ietf-oauth-rfc7523bis), or as RFC 7523 left it. A DPoP proof, the
 * only other thing that the enrolled key signs, has one of its own.
 */
export const assertionTypes = [undefined, "JWT", "client-authentication+jwt"] as const

/** What an assertion says. */
export const assertionClaims = z.object({
  iss: z.string(),
  sub: z.string(),
  // draft-ietf-oauth-rfc7523bis: the issuer alone, as one text. Whoever is made to name another server too, by a server
  // that lies about who it is, would hand it a key to this one.
  aud: z.string(),
  jti: z.string().min(8).max(128),
  iat: z.number(),
  exp: z.number(),
})

/**
 * Reads the client assertion of a token request (OpenID Connect Core §9, private_key_jwt), signed by the same key as the
 * DPoP proof: an assertion that is seen on its way is worth nothing to whoever has no such key. Throws
 * `client-assertion-invalid`.
 */
export function readAssertion(
  { issuer, clock }: { issuer: string; clock: Clock },
  form: unknown,
  proof: Proof,
): Assertion {
  const parsed = assertionForm.safeParse(form)
  if (!parsed.success) {
    const how = `client_assertion_type=${ASSERTION_TYPE}`
    throw new Refusal("client-assertion-invalid", `Authenticate here with client_assertion and ${how}.`)
  }
  try {
    const jws = readJws(parsed.data.client_assertion)
    const { typ, kid } = jws.header
    if (!assertionTypes.some((each) => each === typ)) throw new Error("typ is another one's")
    if (kid !== proof.jkt) throw new Error("kid is not the thumbprint of the key that signed the DPoP proof")
    const { iss, sub, aud, jti, iat, exp } = assertionClaims.parse(jws.payload)
    if (aud !== issuer) throw new Error("aud is not our issuer")
    if (iss !== sub) throw new Error("iss and sub differ")
    requireTimes(clock.nowMs() / 1000, iat, exp)
    if (!isSignedBy(jws, proof.key)) throw new Error("the signature is not by the key that signed the DPoP proof")
    return { client: sub, jti, expiresAtMs: exp * 1000, proof }
  } catch (cause) {
    const what =
      "Sign it with the enrolled key; iss and sub are the SPIFFE ID, aud the issuer alone, exp within 5 minutes."
    throw new Refusal("client-assertion-invalid", `The client assertion is not valid. ${what}`, { cause })
  }
}

/** Refuses what has expired, was made in the future, or lives longer than five minutes. Throws an Error. */
export function requireTimes(nowSeconds: number, iat: number, exp: number): void {
  if (exp <= nowSeconds) throw new Error("it has expired")
  if (iat > nowSeconds + MAX_AHEAD_SECONDS) throw new Error("it was made in the future")
  const isLong = exp - iat > MAX_LIFE_SECONDS || exp - nowSeconds > MAX_LIFE_SECONDS + MAX_AHEAD_SECONDS
  if (exp <= iat || isLong) throw new Error("it lives longer than five minutes")
}

/**
 * Uses an assertion up, for every server; of many at once one succeeds. Throws `client-assertion-invalid`.
 * A crash after this leaves an assertion that is spent for nothing; the client makes another.
 */
export async function useAssertion(database: Database, { jti, expiresAtMs, proof }: Assertion): Promise<void> {
  if (await spendAssertion(database, { jkt: proof.jkt, jti, expiresAtMs })) return
  throw new Refusal(
    "client-assertion-invalid",
    "This client assertion was used before. Make a new one for each request.",
  )
}
