import * as oidc from "openid-client"
import type { Json } from "#kernel"
import { type ClientParts, clientOf } from "./client.ts"
import type { Provider } from "./provider.ts"
import { refusalFor } from "./refused.ts"
import type { PendingSignIn, SignInRequest } from "./sign-in.ts"

/**
 * Sends a user to their provider: code flow with PKCE, state and nonce, pushed (RFC 9126) where the provider takes that.
 * Throws `provider-unavailable`, `provider-not-configured`, `sign-in-failed`.
 */
export async function beginSignIn(
  parts: ClientParts,
  provider: Provider,
  {
    redirectUri,
    acrValues = provider.definition.acrValues,
    maxAgeSeconds,
    prompt,
    nonce = oidc.randomNonce(),
    authorizationDetails,
  }: SignInRequest,
): Promise<{ url: string; pending: PendingSignIn }> {
  const { name, definition } = provider
  const pending: PendingSignIn = {
    provider: name,
    issuer: definition.issuer,
    redirectUri,
    state: oidc.randomState(),
    nonce,
    verifier: oidc.randomPKCECodeVerifier(),
    acrValues: [...acrValues],
    maxAgeSeconds: maxAgeSeconds ?? null,
    begunAtMs: parts.clock.nowMs(),
  }
  try {
    const config = await clientOf(parts, provider, "pushed_authorization_request_endpoint")
    const metadata = await provider.metadata()
    const parameters: Record<string, string> = {
      redirect_uri: redirectUri,
      scope: definition.scopes.join(" "),
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: "S256",
      ...(acrValues.length === 0 ? {} : { acr_values: acrValues.join(" ") }),
      ...(maxAgeSeconds === undefined ? {} : { max_age: String(maxAgeSeconds) }),
      ...(prompt === undefined ? {} : { prompt }),
    }
    const shown = authorizationDetails?.filter((each) => isShown(each, metadata.authorization_details_types_supported))
    if (shown !== undefined && shown.length > 0) parameters["authorization_details"] = JSON.stringify(shown)
    const url =
      metadata.pushed_authorization_request_endpoint === undefined
        ? oidc.buildAuthorizationUrl(config, parameters)
        : await oidc.buildAuthorizationUrlWithPAR(config, parameters)
    return { url: url.href, pending }
  } catch (error) {
    throw refusalFor(
      error,
      name,
      "sign-in-failed",
      `The provider "${name}" did not take the sign-in. Tell its operator.`,
    )
  }
}

/** A provider that does not know the type of a detail refuses the whole request (RFC 9396 §5). */
function isShown(detail: Json, known: readonly string[] = []): boolean {
  const type = typeof detail === "object" && detail !== null && !Array.isArray(detail) ? detail["type"] : undefined
  return typeof type === "string" && known.includes(type)
}
