import { base64url } from "#kernel"
import { beginSignIn } from "./begin.ts"
import type { ClientParts } from "./client.ts"
import { type ProviderProof, proofFrom } from "./proof.ts"
import type { Provider } from "./provider.ts"
import { redeemCode } from "./redeem.ts"
import { refusalFor } from "./refused.ts"
import type { PendingSignIn } from "./sign-in.ts"
import { SKEW_SECONDS } from "./token.ts"

/** A fresh sign-in by which a user decides something. */
export type StepUpRequest = {
  provider: string
  redirectUri: string
  /** What they decide: the provider's ID token signs over it as its nonce. */
  challenge: Uint8Array
}

/** Whoever came back must be this user. */
export type SteppingUp = { pending: PendingSignIn; url: URL; user: { iss: string; sub: string }; challenge: Uint8Array }

/**
 * Sends the user to prove anew who they are (OpenID Connect Core §3.1.2.1, `max_age=0`), and to sign over the challenge by the way:
 * an ID token carries the nonce that it was asked for. Throws as beginSignIn().
 */
export async function beginStepUp(
  parts: ClientParts,
  provider: Provider,
  { redirectUri, challenge, ...of }: StepUpRequest,
): Promise<{ url: string; pending: PendingSignIn }> {
  const { stepUp, acrValues } = provider.definition
  return await beginSignIn(parts, provider, {
    provider: of.provider,
    redirectUri,
    acrValues: stepUp?.acrValues ?? acrValues,
    maxAgeSeconds: 0,
    nonce: base64url(challenge),
    ...(stepUp?.prompt === undefined ? {} : { prompt: stepUp.prompt }),
  })
}

/**
 * The provider's signed word that this very user proved who they are after they were sent, over this very challenge. What is asked
 * of them by the configuration of now counts as well as what they were sent with. Single use of `pending`, and that it is this browser's, is the
 * caller's to see to. Throws `sign-in-failed`, `provider-unavailable`, `provider-not-configured`.
 */
export async function finishStepUp(
  parts: ClientParts,
  provider: Provider,
  { pending, url, user, challenge }: SteppingUp,
): Promise<ProviderProof> {
  const { name, definition } = provider
  try {
    const { idToken } = await redeemCode(parts, provider, { pending, url })
    const proof = await proofFrom(provider, idToken, {
      user,
      acrValues: definition.stepUp?.acrValues ?? definition.acrValues,
      notBeforeMs: pending.begunAtMs,
      nowMs: parts.clock.nowMs(),
      nonce: base64url(challenge),
    })
    if (pending.acrValues.length > 0 && !pending.acrValues.includes(proof.acr ?? "")) throw new Error("acr is not met")
    // Not by the age that was asked for alone, which an older sign-in of a minute ago would meet.
    const isFresh = proof.authTimeMs !== null && proof.authTimeMs + SKEW_SECONDS * 1000 >= pending.begunAtMs
    if (!isFresh) throw new Error("auth_time is missing or before this was begun")
    return proof
  } catch (error) {
    throw refusalFor(error, name, "sign-in-failed", `You did not prove anew at "${name}" who you are. Begin again.`)
  }
}
