import type { Id } from "#kernel"
import type { ActionDetail } from "../action-details.ts"
import type { Parameters, RequestText } from "../delegation.ts"
import type { User } from "../user.ts"

/** What a client asks a user for, checked as far as it can be without the user. */
export type Asked = {
  /** The registration that asks, and is the only one that gets anything. */
  agent: { id: string; name: string; spiffeId: string }
  /** The instance that pushed the request over mutual TLS or with a proof; null where a browser brought it unpushed. */
  instance: string | null
  /** RFC 9449 §10: thumbprint of the key that the code is bound to. */
  jkt: string | null
  /** Where the user comes back to; null where there is no code to bring, only a consent to give. */
  redirectUri: string | null
  /** The client's own, brought back as it is. */
  state: string | null
  /** PKCE S256 (RFC 7636 §4.2); null only without a redirect URI. */
  challenge: string | null
  purpose: string
  /** Whose statement came with it; null where the agent asks by itself. */
  application: string | null
  /** Whose request it is, where the application's statement says so: no other user is asked. */
  statedUser?: { iss: string; sub: string } | null
  /** Asks for no more than these; null for whatever purpose and ceiling allow. */
  details: ActionDetail[] | null
  /** `consent`: the agent's words, which only the user's own yes to this very page makes the user's. */
  requestText: RequestText | null
  parameters: Parameters
  /** True when an application signed the parameters. */
  hasSignedParameters: boolean
  /** Where the user signs in; null while that is still to be chosen. */
  provider: string | null
  prompt: "login" | "consent" | "none" | null
  maxAgeSeconds: number | null
}

/** What the user gave, or had given before. */
export type Granted = {
  consent: Id<"consent">
  textDigest: string
  details: ActionDetail[]
  hardEndSeconds: number
}

/** Where a request stands. Past its time it is nowhere: it is not found. */
export type RequestState = "pushed" | "begun" | "signed-in" | "allowed" | "redeemed" | "denied"

/** A request with all that became of it. */
export type AuthorizationRequest = {
  id: Id<"request">
  state: RequestState
  asked: Asked
  user: User | null
  providerSession: string | null
  granted: Granted | null
  session: Id<"session"> | null
}

/** What a user allowed an agent for a purpose. */
export type Consent = {
  id: Id<"consent">
  user: Id<"user">
  agent: string
  agentId: string
  purpose: string
  application: string | null
  details: ActionDetail[]
  /** What could have been granted: not less than that. */
  asked: ActionDetail[]
  hardEndSeconds: number
  /** Canonical JSON of a ConsentText: what was shown. */
  text: string
  textDigest: string
  givenAt: Date
  /** False when a newer one stands in its place, or it was revoked. */
  isRemembered: boolean
}
