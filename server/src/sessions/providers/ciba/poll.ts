import * as oidc from "openid-client"
import type { Secret } from "#kernel"
import { type ClientParts, clientOf } from "../client.ts"
import { type ProviderProof, proofFrom } from "../proof.ts"
import type { Provider } from "../provider.ts"
import { isUnreachable } from "../refused.ts"
import { cibaOf, wordOf } from "./ask.ts"
import type { Asked } from "./hint.ts"

/** What has to be kept of an asking to go on with it, on any server. */
export type PendingAsking = {
  provider: string
  /** The provider's when it was asked: another one's answer is not looked at. */
  issuer: string
  authReqId: Secret
  user: Omit<Asked, "claims">
  /** By the database's clock. */
  askedAtMs: number
}

/** What the provider says now. */
export type Polled =
  /** `isTooFast`: five seconds more between two questions, from now on (CIBA Core §11). */
  | { state: "pending"; isTooFast: boolean; retryAfterSeconds: number | null }
  | { state: "approved"; proof: ProviderProof }
  | { state: "denied" }
  | { state: "expired" }
  /** It will not answer this any more, or with nothing that can be believed. */
  | { state: "failed"; error: string }
  /** Nothing came back; the same may be asked again. */
  | { state: "unavailable"; retryAfterSeconds: number | null }

const GRANT = "urn:openid:params:grant-type:ciba"
const AUTH_REQ_ID = "urn:openid:params:jwt:claim:auth_req_id"
const MAX_RETRY_SECONDS = 300

/**
 * Asks once what came of it. Nothing is kept in between, so whichever server is there goes on. An answer is the user's yes when
 * the provider signed an ID token for us about this very user, after they were asked. Throws `provider-not-configured`.
 */
export async function pollAtProvider(parts: ClientParts, provider: Provider, pending: PendingAsking): Promise<Polled> {
  const { part } = cibaOf(provider)
  if (pending.issuer !== provider.definition.issuer) return { state: "failed", error: "another-provider" }
  let tokens: oidc.TokenEndpointResponse
  try {
    const client = await clientOf(parts, provider, "token_endpoint")
    tokens = await oidc.genericGrantRequest(client, GRANT, { auth_req_id: pending.authReqId.reveal() })
  } catch (error) {
    return polledFrom(error)
  }
  try {
    const proof = await proofFrom(provider, tokens.id_token ?? "", {
      user: pending.user,
      acrValues: part.acrValues,
      notBeforeMs: pending.askedAtMs,
      nowMs: parts.clock.nowMs(),
      ...(part.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: part.maxAgeSeconds }),
    })
    const named = proof.payload[AUTH_REQ_ID]
    if (named !== undefined && named !== pending.authReqId.reveal()) throw new Error("it is about another request")
    return { state: "approved", proof }
  } catch (error) {
    // The provider has given its one answer: where its keys cannot be had now, that answer is lost.
    return { state: "failed", error: isUnreachable(error) ? "keys-unavailable" : "id-token-invalid" }
  }
}

function polledFrom(error: unknown): Polled {
  if (error instanceof oidc.ResponseBodyError) {
    const retryAfterSeconds = retryAfter(error.response)
    if (error.status === 429 || error.status >= 500) return { state: "unavailable", retryAfterSeconds }
    switch (error.error) {
      case "authorization_pending":
        return { state: "pending", isTooFast: false, retryAfterSeconds }
      case "slow_down":
        return { state: "pending", isTooFast: true, retryAfterSeconds }
      case "access_denied":
        return { state: "denied" }
      case "expired_token":
        return { state: "expired" }
      default:
        return { state: "failed", error: wordOf(error.error) }
    }
  }
  if (error instanceof oidc.WWWAuthenticateChallengeError) return { state: "failed", error: "invalid_client" }
  const response = error instanceof Error && error.cause instanceof Response ? error.cause : null
  if (response !== null && (response.status === 429 || response.status >= 500)) {
    return { state: "unavailable", retryAfterSeconds: retryAfter(response) }
  }
  if (isUnreachable(error)) return { state: "unavailable", retryAfterSeconds: null }
  return { state: "failed", error: "answer-invalid" }
}

/** RFC 9110 §10.2.3, in seconds; a date is no more than a wish to us. */
function retryAfter({ headers }: Response): number | null {
  const said = headers.get("retry-after") ?? ""
  return /^[0-9]{1,9}$/.test(said) ? Math.min(Number(said), MAX_RETRY_SECONDS) : null
}
