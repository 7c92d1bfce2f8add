import { createPublicKey, type JsonWebKey } from "node:crypto"
import { z } from "zod"
import { fromBase64url, type Json } from "#kernel"
import { isSignedWith, readCompact, signatureAlgorithms } from "#sessions"
import { refused } from "./entries.ts"

const text = z.string().min(1).max(500)

const proof = z.object({
  issuer: text,
  clientId: text,
  subjectClaim: z.enum(["sub", "oid"]),
  subject: text,
  idToken: z.string().max(32_768),
  algorithm: z.enum(signatureAlgorithms),
  key: z.record(z.string(), z.string()),
})

/**
 * Verifies a provider's signed word that somebody proved who they are, with the key that was recorded beside it: that this key is
 * the provider's is our own word, given when it was published. `nonce` is what was signed over, 32 bytes; null for nothing of
 * ours. Throws `not-verified`.
 */
export function verifyIdToken(evidence: Json): { iss: string; sub: string; nonce: Buffer | null } {
  const { data: given } = proof.safeParse(evidence)
  if (given === undefined) throw refused("the provider's word is not whole")
  const { issuer: iss, clientId, subjectClaim, subject: sub } = given
  const payload = payloadOf(given)
  const { aud, nonce } = payload
  if (payload["iss"] !== iss || payload[subjectClaim] !== sub) throw refused("the provider's word is of somebody else")
  if (![aud].flat().includes(clientId)) throw refused("the provider's word is for somebody else")
  return { iss, sub, nonce: typeof nonce === "string" ? challengeOf(nonce) : null }
}

function payloadOf({ idToken, algorithm, key }: z.infer<typeof proof>): { readonly [name: string]: Json } {
  try {
    const jws = readCompact(idToken)
    if (jws.header["alg"] !== algorithm) throw new Error("another algorithm")
    const publicKey = createPublicKey({ key: key as JsonWebKey, format: "jwk" })
    if (isSignedWith(jws, algorithm, publicKey)) return jws.payload as { [name: string]: Json }
    throw new Error("another key")
  } catch (cause) {
    throw refused("the provider's signature does not verify", cause)
  }
}

/** Null for a nonce that is none of a statement's. */
function challengeOf(nonce: string): Buffer | null {
  try {
    const bytes = fromBase64url(nonce)
    return bytes.length === 32 ? bytes : null
  } catch {
    return null
  }
}
