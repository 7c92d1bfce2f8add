import { z } from "zod"
import type { Json } from "#kernel"
import type { Role } from "./claims.ts"
/** A sign-in that a browser was sent away with. Small JSON, kept by whoever began it where only that browser's session leads; used once. */
export const pendingSignIn = z.strictObject({
  provider: z.string(),
  /** The provider that the answer must come from (RFC 9700 §4.4). */
  issuer: z.string(),
  redirectUri: z.string(),
  state: z.string(),
  nonce: z.string(),
  /** PKCE (RFC 7636): secret until the code is redeemed. */
  verifier: z.string(),
  acrValues: z.array(z.string()),
  maxAgeSeconds: z.number().nullable(),
  begunAtMs: z.number(),
})

/** The same, parsed. */
export type PendingSignIn = z.infer<typeof pendingSignIn>

/** What a sign-in is begun with. */
export type SignInRequest = {
  provider: string
  /** Registered at the provider; names the provider in its path, so that no two share one (RFC 9700 §4.4.2.1). */
  redirectUri: string
  /** Instead of those of the configuration. */
  acrValues?: readonly string[]
  /** 0: the user proves anew who they are. */
  maxAgeSeconds?: number
  /** For a provider that does not know `max_age`. */
  prompt?: "login"
  /** What the ID token is to sign over; random where it is left out. */
  nonce?: string
  /** Asked of the provider's own consent where it can show such details (RFC 9396); else left out. */
  authorizationDetails?: readonly Json[]
}

/** Who signed in. */
export type SignedIn = {
  provider: string
  iss: string
  sub: string
  claims: { [name: string]: string[] }
  /** An operator's, by the configuration that is in force now. */
  roles: Role[]
  /** What they came from: values of the claim with roles that the configuration knows. */
  roleValues: string[]
  /** The session at the provider, for back-channel logout. */
  sid: string | null
  authTimeMs: number | null
  /** End of the second in which the ID token was issued: what was ended before that was another login. */
  issuedAtMs: number
  acr: string | null
  amr: string[]
  /** What the provider's own consent granted (RFC 9396 §7); null where it says nothing. */
  authorizationDetails: Json[] | null
  /** SHA-256 of the ID token, base64url: evidence. The token is not kept. */
  idTokenDigest: string
}
