import * as oidc from "openid-client"
import type { Clock } from "#kernel"
import { type ClientParts, clientOf } from "./client.ts"
import type { Provider } from "./provider.ts"
import type { PendingSignIn } from "./sign-in.ts"

/** How long a user may take at the provider. */
const PATIENCE_MS = 15 * 60_000

/**
 * Redeems the code that a browser came back with: the answer must be to this very request and from its provider. The library judges
 * what the ID token says; that this provider signed it is for the caller to judge. Throws an Error.
 */
export async function redeemCode(
  parts: ClientParts,
  provider: Provider,
  { pending, url }: { pending: PendingSignIn; url: URL },
): Promise<{ client: oidc.Configuration; tokens: oidc.TokenEndpointResponse; idToken: string }> {
  requireSame(parts.clock, provider, pending, url)
  const client = await clientOf(parts, provider, "token_endpoint")
  const tokens = await oidc.authorizationCodeGrant(client, url, {
    expectedState: pending.state,
    expectedNonce: pending.nonce,
    pkceCodeVerifier: pending.verifier,
    idTokenExpected: true,
    ...(pending.maxAgeSeconds === null ? {} : { maxAge: pending.maxAgeSeconds }),
  })
  return { client, tokens, idToken: tokens.id_token ?? "" }
}

/** The answer is to this sign-in, at this provider as it is configured now, and not late. */
function requireSame(clock: Clock, { definition }: Provider, pending: PendingSignIn, url: URL): void {
  if (pending.issuer !== definition.issuer) throw new Error("another provider's sign-in")
  const place = new URL(url)
  place.search = ""
  place.hash = ""
  if (place.href !== pending.redirectUri) throw new Error("the answer came to another place")
  if (Math.abs(clock.nowMs() - pending.begunAtMs) > PATIENCE_MS) throw new Error("the sign-in was begun too long ago")
}
