import { Refusal } from "#kernel"
import { LOGOUT_EVENT } from "./id-token.ts"
import type { Provider } from "./provider.ts"
import { refusalFor } from "./refused.ts"
import { audienceOf, optionalText, readToken, SKEW_SECONDS, signedBy, textOf, typeOf } from "./token.ts"

/** What a provider says has ended: a session there, or every session of a user. At least one of the two is named. */
export type ProviderLogout = {
  provider: string
  iss: string
  sub: string | null
  sid: string | null
  issuedAtMs: number
  /** Good once; remembered until then. */
  jti: string
  expiresAtMs: number
}

/** A logout token is sent at once; an older one is a replay. */
const MAX_AGE_SECONDS = 300

/**
 * Judges a logout token (OpenID Connect Back-Channel Logout §2.6). Whoever calls this uses `jti` up, and ends what is named.
 * Throws `logout-token-invalid`, `provider-unavailable`.
 */
export async function verifyLogoutToken(provider: Provider, token: string, nowMs: number): Promise<ProviderLogout> {
  const { name, definition, profile } = provider
  try {
    const jws = readToken(token)
    // §2.4: typed where the provider does it; others are told apart by their event.
    if (![undefined, "jwt", "logout+jwt"].includes(typeOf(jws))) throw new Error("typ is another token's")
    const { payload: said } = await signedBy(provider, jws)
    if (said["iss"] !== definition.issuer) throw new Error("iss is another one's")
    if (audienceOf(said).some((each) => each !== definition.clientId)) throw new Error("aud is not us alone")
    if ("nonce" in said) throw new Error("an ID token is no logout token")
    const { events, iat, exp } = said
    const event = typeof events === "object" && events !== null && !Array.isArray(events) ? events[LOGOUT_EVENT] : null
    if (typeof event !== "object" || event === null || Array.isArray(event)) throw new Error("no event of a logout")
    const now = nowMs / 1000
    if (typeof iat !== "number" || Math.abs(now - iat) > MAX_AGE_SECONDS) throw new Error("it is old, or of the future")
    // §2.4 demands exp; providers that were built on earlier drafts leave it out, and iat bounds it as well.
    if (exp !== undefined && (typeof exp !== "number" || exp + SKEW_SECONDS <= now)) throw new Error("it has expired")
    // Where another claim says who a user is, a subject names nobody we know.
    const sub = profile.subject === "sub" ? optionalText(said["sub"], "sub") : null
    const sid = optionalText(said["sid"], "sid")
    if (sub === null && sid === null) throw new Error("neither sub nor sid")
    const jti = textOf(said["jti"], "jti")
    const expiresAtMs = (iat + 2 * MAX_AGE_SECONDS) * 1000
    return { provider: name, iss: definition.issuer, sub, sid, jti, issuedAtMs: iat * 1000, expiresAtMs }
  } catch (error) {
    throw refusalFor(error, name, "logout-token-invalid", "The logout token is not one that this provider issued now.")
  }
}

/** What a logout that a user began here is sent with. */
export type LogoutRequest = {
  provider: string
  /** Registered at the provider. */
  redirectUri?: string
  state?: string
  /** Only where it is at hand: none is kept. */
  idToken?: string
}

/** Where the user's browser goes to end the session at the provider (RP-Initiated Logout §2); null where there is no such place. */
export async function logoutUrl(provider: Provider, request: LogoutRequest): Promise<string | null> {
  const { name, definition, profile } = provider
  try {
    const { end_session_endpoint: discovered } = await provider.metadata()
    const place = discovered ?? (profile.logout === null ? null : new URL(profile.logout.path, definition.issuer).href)
    if (place === null || (profile.needsIdTokenToLogOut && request.idToken === undefined)) return null
    const url = new URL(place)
    const add = (parameter: string, value: string | undefined) => {
      if (value !== undefined) url.searchParams.set(parameter, value)
    }
    add("client_id", definition.clientId)
    add("id_token_hint", request.idToken)
    const way = discovered === undefined ? profile.logout?.redirectParameter : undefined
    add(way ?? "post_logout_redirect_uri", request.redirectUri)
    add("state", request.state)
    return url.href
  } catch (error) {
    throw refusalFor(error, name, "provider-unavailable", `The provider "${name}" cannot be asked at the moment.`)
  }
}

/** For a name that no provider has. It may stand in a link, and is told on a page: only what can be a name is repeated. */
export function unknownProvider(name: string): Refusal {
  const which = /^[a-z][a-z0-9-]{0,62}$/.test(name) ? `"${name}"` : "of that name"
  return new Refusal("provider-unknown", `There is no provider ${which}.`)
}
