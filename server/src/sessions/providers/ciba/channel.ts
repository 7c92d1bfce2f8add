import { Refusal, type Secret } from "#kernel"
import type { Provider } from "../provider.ts"
import { refusalFor } from "../refused.ts"
import { readToken, requireTimes, signedBy, textOf } from "../token.ts"
import { cibaOf, placed } from "./ask.ts"

/** What a provider that has no way of its own to its users has us ask one of them. */
export type ChannelRequest = { provider: string; bearer: Secret; bindingMessage: string }

/** Whom it means: the user as the provider knows them, in a request of ours. */
export type ChannelSubject = { subject: string; expiresAtMs: number }

/** What Keycloak takes (AuthenticationChannelResponse): they agreed, they did not, or nobody asks any more. */
export type ChannelStatus = "SUCCEED" | "UNAUTHORIZED" | "CANCELLED"

/**
 * Judges the bearer that a provider has us answer with: signed by the provider's own key, by it and for it alone, issued to us, about
 * one of its users. Keycloak, HttpAuthenticationChannelProvider. Throws `token-invalid`, `provider-unavailable`,
 * `provider-not-configured`.
 */
export async function verifyChannel(
  provider: Provider,
  { bearer }: ChannelRequest,
  nowMs: number,
): Promise<ChannelSubject> {
  requireChannel(provider)
  const { issuer, clientId } = provider.definition
  try {
    const { payload } = await signedBy(provider, readToken(bearer.reveal()))
    if (payload["iss"] !== issuer || payload["aud"] !== issuer) throw new Error("it is from or for another one")
    if (payload["azp"] !== clientId) throw new Error("it was issued for another client")
    if (payload["typ"] !== "Bearer") throw new Error("it is another token")
    // It says when it ends, and not when it was made.
    const { expiresAtMs } = requireTimes({ iat: nowMs / 1000, ...payload }, nowMs)
    return { subject: textOf(payload["sub"], "sub"), expiresAtMs }
  } catch (error) {
    throw refusalFor(error, provider.name, "token-invalid", "This is no bearer of that provider's channel.")
  }
}

/** Tells the provider what the person said. Throws `provider-unavailable`; then it may be told again. */
export async function answerChannel(provider: Provider, bearer: Secret, status: ChannelStatus): Promise<void> {
  requireChannel(provider)
  const { backchannel_authentication_endpoint: endpoint } = await placed(provider)
  const headers = {
    authorization: `Bearer ${bearer.reveal()}`,
    "content-type": "application/json",
    accept: "application/json",
  }
  try {
    const body = JSON.stringify({ status })
    const { status: code } = await provider.fetch(`${endpoint}/callback`, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
    })
    // 403: it has an answer already, or asks no more; its token endpoint says which.
    if (code < 300 || code === 403) return
    throw new Error(`the answer has status ${code}`)
  } catch (cause) {
    const message = `The provider "${provider.name}" could not be told. It is tried again.`
    throw new Refusal("provider-unavailable", message, { cause })
  }
}

function requireChannel(provider: Provider): void {
  if (cibaOf(provider).part.channel !== undefined) return
  throw new Refusal("provider-not-configured", `The provider "${provider.name}" does not have us ask its users.`)
}
