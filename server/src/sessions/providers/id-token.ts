import type { Jws } from "../jws.ts"
import type { Provider } from "./provider.ts"
import { type Payload, typeOf } from "./token.ts"

/** OpenID Connect Back-Channel Logout §2.4: no ID token has it. */
export const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

/**
 * Refuses what is no ID token of that provider but something else that it signed: ID tokens have no type of their own, so an
 * access token, a logout token or a token for a refresh is known by its type, or by what its profile says of it (RFC 8725 §3.11).
 */
export function requireIdToken({ profile }: Provider, jws: Jws): void {
  const type = typeOf(jws)
  if (type !== undefined && type !== "jwt") throw new Error("typ is another token's")
  const { payload } = jws
  if ("events" in payload) throw new Error("a logout token is no ID token")
  if ("act" in payload) throw new Error("an ID token that somebody else acts by is not taken")
  // No maker's ID tokens have scopes; an access token without a type of its own does.
  const isScoped = "scope" in payload || "scp" in payload
  if (isScoped || (profile.untyped !== null && hasAll(payload, profile.untyped.claims))) {
    throw new Error("an access token is no ID token")
  }
  if (!hasAll(payload, profile.idTokenClaims)) throw new Error("it does not say that it is an ID token")
}

/** True when all those claims are there, with the value where only one will do. */
export function hasAll(payload: Payload, claims: { [name: string]: string | null }): boolean {
  return Object.entries(claims).every(([name, value]) =>
    value === null ? payload[name] !== undefined : payload[name] === value,
  )
}
