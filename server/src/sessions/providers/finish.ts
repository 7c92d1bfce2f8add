import * as oidc from "openid-client"
import { base64url, type Json, sha256 } from "#kernel"
import { lacksClaims, mapClaims, mapRoles, roleValues } from "./claims.ts"
import type { ClientParts } from "./client.ts"
import { requireIdToken } from "./id-token.ts"
import type { Provider } from "./provider.ts"
import { redeemCode } from "./redeem.ts"
import { refusalFor } from "./refused.ts"
import type { PendingSignIn, SignedIn } from "./sign-in.ts"
import { optionalText, type Payload, readToken, signedBy, textOf } from "./token.ts"

/**
 * Who came back. The answer must be for this sign-in and from its provider, and the ID token must be signed by it, for us, for
 * this nonce. Whoever calls this sees to it that `pending` is used once, and by the browser that it was made for. Throws
 * `sign-in-failed`, `provider-unavailable`, `provider-not-configured`.
 */
export async function finishSignIn(
  parts: ClientParts,
  provider: Provider,
  { pending, url }: { pending: PendingSignIn; url: URL },
): Promise<SignedIn> {
  const { name, definition, profile } = provider
  try {
    const { client, tokens, idToken } = await redeemCode(parts, provider, { pending, url })
    // The library judged what the ID token says; whose it is, is judged as for every other token of a provider.
    const jws = readToken(idToken)
    requireIdToken(provider, jws)
    const { payload: said } = await signedBy(provider, jws)
    const acr = optionalText(said["acr"], "acr")
    requireAcr(definition, pending, acr)
    const all = await withUserinfo(client, provider, { said, accessToken: tokens.access_token })
    const { auth_time: authTime, amr, iat: issuedAt } = said
    if (typeof issuedAt !== "number") throw new Error("the ID token does not say when it was issued")
    const values = roleValues(definition, all)
    const granted = tokens.authorization_details as Json | undefined
    return {
      provider: name,
      iss: definition.issuer,
      sub: textOf(said[profile.subject], profile.subject),
      claims: mapClaims(definition, all),
      roles: mapRoles(definition, values),
      roleValues: values,
      sid: optionalText(said["sid"], "sid"),
      authTimeMs: typeof authTime === "number" ? authTime * 1000 : null,
      issuedAtMs: issuedAt * 1000 + 999,
      acr,
      amr: Array.isArray(amr) ? amr.filter((each) => typeof each === "string") : [],
      authorizationDetails: Array.isArray(granted) ? granted : null,
      idTokenDigest: base64url(sha256(idToken)),
    }
  } catch (error) {
    throw refusalFor(error, name, "sign-in-failed", `The sign-in at "${name}" did not succeed. Begin it anew.`)
  }
}

/**
 * Missing is not met: a provider may pass over what it was asked for (OpenID Connect Core §3.1.2.1). What is demanded by now is
 * demanded of a sign-in that was begun before, too.
 */
function requireAcr({ acrValues, roles }: Provider["definition"], pending: PendingSignIn, acr: string | null): void {
  const isOneOf = (values: readonly string[]) => values.length === 0 || (acr !== null && values.includes(acr))
  const now = acrValues.length === 0 ? [] : [...acrValues, ...(roles?.acrValues ?? [])]
  if (!isOneOf(now) || !isOneOf(pending.acrValues)) throw new Error("acr is not met")
}

/** What the ID token says, and where a mapped claim is not in it, what UserInfo adds (OpenID Connect Core §5.3). */
async function withUserinfo(
  client: oidc.Configuration,
  provider: Provider,
  { said, accessToken }: { said: Payload; accessToken: string },
): Promise<Payload> {
  const { userinfo_endpoint: place } = await provider.metadata()
  if (place === undefined || !lacksClaims(provider.definition, said)) return said
  // §5.3.2: the same subject, or the access token is another one's.
  const more = (await oidc.fetchUserInfo(client, accessToken, textOf(said["sub"], "sub"))) as Payload
  return { ...more, ...said }
}
