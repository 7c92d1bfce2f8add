import type { JsonWebKey } from "node:crypto"
import type { Json } from "#kernel"
import { requireIdToken } from "./id-token.ts"
import type { Algorithm } from "./profiles.ts"
import type { Provider } from "./provider.ts"
import {
  audienceOf,
  optionalText,
  type Payload,
  readToken,
  requireTimes,
  SKEW_SECONDS,
  signedBy,
  textOf,
} from "./token.ts"

/**
 * A provider's signed word that this user proved who they are, with the public key that shows it: whoever keeps it can judge it
 * years later, when the provider has other keys.
 */
export type ProviderProof = {
  provider: string
  issuer: string
  clientId: string
  /** The claim that says who the user is there. */
  subjectClaim: "sub" | "oid"
  subject: string
  idToken: string
  algorithm: Algorithm
  key: JsonWebKey
  acr: string | null
  authTimeMs: number | null
  issuedAtMs: number
  amr: string[]
  /** What the ID token says: for whoever judges it now; not to be kept beside it. */
  payload: Payload
}

/** What is kept of it: what shows it to whoever has no database. Personal, for it names the user; nothing in it is secret. */
export function providerEvidence(proof: ProviderProof): { [name: string]: Json } {
  const { provider, issuer, clientId, subjectClaim, subject, idToken, algorithm, key } = proof
  return {
    provider,
    issuer,
    clientId,
    subjectClaim,
    subject,
    idToken,
    algorithm,
    key: { ...key } as { [name: string]: Json },
  }
}

/** What the ID token has to say beside who it is from and for. */
export type Demanded = {
  user: { iss: string; sub: string }
  /** One of them, where there are any; missing is not met (OpenID Connect Core §3.1.2.1). */
  acrValues: readonly string[]
  /** It was issued after this. */
  notBeforeMs: number
  nowMs: number
  /** The provider saw the user within so many seconds; missing is not met. */
  maxAgeSeconds?: number
  /** What it signs over. */
  nonce?: string
}

/** Judges an ID token in whole. Throws an Error that says what is wrong, for the log; or Unreachable. */
export async function proofFrom(provider: Provider, idToken: string, demanded: Demanded): Promise<ProviderProof> {
  const { name, definition, profile } = provider
  const { issuer, clientId } = definition
  const { user, nowMs } = demanded
  const jws = readToken(idToken)
  requireIdToken(provider, jws)
  const { payload, algorithm, key } = await signedBy(provider, jws)
  if (payload["iss"] !== issuer || user.iss !== issuer) throw new Error("iss is another provider")
  const audience = audienceOf(payload)
  // OpenID Connect Core §3.1.3.7: where others may take it too, it has to be we who asked.
  if (!audience.includes(clientId) || (audience.length > 1 && payload["azp"] !== clientId))
    throw new Error("aud is not us")
  if (payload["azp"] !== undefined && payload["azp"] !== clientId) throw new Error("azp is not us")
  const { issuedAtMs } = requireTimes(payload, nowMs)
  if (issuedAtMs + SKEW_MS < demanded.notBeforeMs) throw new Error("it was issued before it was asked for")
  const subject = textOf(payload[profile.subject], profile.subject)
  if (subject !== user.sub) throw new Error("it is about somebody else")
  if (demanded.nonce !== undefined && payload["nonce"] !== demanded.nonce) throw new Error("nonce is not ours")
  const acr = optionalText(payload["acr"], "acr")
  const { acrValues, maxAgeSeconds } = demanded
  if (acrValues.length > 0 && (acr === null || !acrValues.includes(acr))) throw new Error("acr is not met")
  const authTimeMs = authTimeOf(payload, nowMs)
  if (maxAgeSeconds !== undefined && (authTimeMs === null || authTimeMs + maxAgeSeconds * 1000 + SKEW_MS < nowMs)) {
    throw new Error("auth_time is missing or too long ago")
  }
  const amr = Array.isArray(payload["amr"]) ? payload["amr"].filter((each) => typeof each === "string") : []
  const of = { provider: name, issuer, clientId, subjectClaim: profile.subject, subject }
  const signed = { idToken, algorithm, key: key.export({ format: "jwk" }) }
  return { ...of, ...signed, acr, authTimeMs, issuedAtMs, amr, payload }
}

const SKEW_MS = SKEW_SECONDS * 1000

function authTimeOf({ auth_time: said }: Payload, nowMs: number): number | null {
  if (said === undefined || said === null) return null
  if (typeof said !== "number" || !(said >= 0) || said * 1000 > nowMs + SKEW_MS) throw new Error("auth_time is no time")
  return said * 1000
}
