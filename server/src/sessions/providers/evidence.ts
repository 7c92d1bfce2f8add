import { createPublicKey, type JsonWebKey } from "node:crypto"
import { z } from "zod"
import { base64url, type Json, Refusal } from "#kernel"
import { checkCode } from "./ciba/check-code.ts"
import { algorithms } from "./profiles.ts"
import type { ProviderProof } from "./proof.ts"
import { isSignedWith } from "./signed.ts"
import { audienceOf, optionalText, readToken, requireTimes } from "./token.ts"

/**
 * How a provider's word is about what was agreed to: the ID token signs over the challenge (`nonce`), or the person read its
 * check code where they agreed (`code`), which the provider's ID token says nothing of: that is for our log to say.
 */
export type BoundBy = "nonce" | "code"

const evidenceSchema = z.strictObject({
  v: z.literal("safeconduct/provider-proof/1"),
  provider: z.string(),
  issuer: z.string(),
  clientId: z.string(),
  subjectClaim: z.enum(["sub", "oid"]),
  subject: z.string(),
  boundBy: z.enum(["nonce", "code"]),
  /** The challenge, or its check code. */
  bound: z.string(),
  idToken: z.string(),
  algorithm: z.enum(algorithms),
  /** The provider's public key, as it was published when this was judged (RFC 7517). */
  key: z.record(z.string(), z.json()),
})

/** What is kept of a proof: personal, for it names the user, and with nothing secret in it. */
export function providerEvidence(
  proof: ProviderProof,
  boundBy: BoundBy,
  challenge: Uint8Array,
): { [name: string]: Json } {
  const { provider, issuer, clientId, subjectClaim, subject, idToken, algorithm, key } = proof
  const bound = boundBy === "nonce" ? base64url(challenge) : checkCode(challenge)
  const of = { provider, issuer, clientId, subjectClaim, subject, boundBy, bound }
  return { v: "safeconduct/provider-proof/1", ...of, idToken, algorithm, key: { ...key } as { [name: string]: Json } }
}

/** What evidence says, once it is verified. */
export type ProvenByProvider = {
  issuer: string
  subject: string
  boundBy: BoundBy
  issuedAtMs: number
  authTimeMs: number | null
  acr: string | null
}

/**
 * Verifies evidence again, with nothing but itself and what was agreed to, however long it is ago: the ID token is signed by the
 * key beside it, from that issuer to that client, about that subject, and bound to the challenge. That the key was the
 * provider's is what the log's entry says, made when it was. Throws `not-verified`.
 */
export function verifyProviderEvidence(evidence: Json, challenge: Uint8Array): ProvenByProvider {
  const parsed = evidenceSchema.safeParse(evidence)
  if (!parsed.success) throw notVerified("it is no provider's proof")
  const { issuer, clientId, subjectClaim, subject, boundBy, bound, idToken, algorithm, key } = parsed.data
  if (bound !== (boundBy === "nonce" ? base64url(challenge) : checkCode(challenge)))
    throw notVerified("it is of something else")
  try {
    const jws = readToken(idToken)
    const { header, payload } = jws
    const publicKey = createPublicKey({ key: key as JsonWebKey, format: "jwk" })
    if (header["alg"] !== algorithm || !isSignedWith(jws, algorithm, publicKey))
      throw new Error("the signature is not by its key")
    if (payload["iss"] !== issuer || !audienceOf(payload).includes(clientId))
      throw new Error("it is from or for another one")
    if (payload[subjectClaim] !== subject) throw new Error("it is about somebody else")
    if (boundBy === "nonce" && payload["nonce"] !== bound) throw new Error("the ID token signs over something else")
    const { iat, auth_time: authTime } = payload
    // As long ago as it says: what has expired since was good then.
    const { issuedAtMs } = requireTimes(payload, typeof iat === "number" ? iat * 1000 : Number.NaN)
    const acr = optionalText(payload["acr"], "acr")
    return {
      issuer,
      subject,
      boundBy,
      issuedAtMs,
      authTimeMs: typeof authTime === "number" ? authTime * 1000 : null,
      acr,
    }
  } catch (cause) {
    throw notVerified(cause instanceof Error ? cause.message : "it cannot be read", cause)
  }
}

function notVerified(why: string, cause?: unknown): Refusal {
  return new Refusal("not-verified", `The provider's proof does not verify: ${why}.`, { cause })
}
