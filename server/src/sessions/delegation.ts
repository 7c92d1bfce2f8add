import type { Id } from "#kernel"
import type { ActionDetail } from "./action-details.ts"
import type { User } from "./user.ts"

/**
 * The user's own words, and why they count as theirs: shown on our consent page in this flow, signed by a registered
 * application whose key is not the agent's, or signed by the user with a passkey. An agent can write none of them.
 */
export type RequestText = { kind: "consent" | "application" | "passkey"; text: string }

/** Values of the parameters that a purpose declares; as trusted as a request text, and come the same ways. */
export type Parameters = { [name: string]: string | number | boolean }

/** How a delegation is known to be the user's: a recorded consent to a text of ours, or a token that their provider issued. */
export type DelegatedBy =
  | { kind: "consent"; consent: Id<"consent">; textDigest: string }
  | { kind: "provider"; claim: string; tokenDigest: string }

/** What a user handed to an agent, by whatever way in: the one thing that a session for a user is made of. */
export type Delegation = {
  user: User
  /** Name of the registered application that invoked the agent; null when none is known. */
  application: string | null
  /** What the user granted; empty grants nothing. */
  details: ActionDetail[]
  requestText: RequestText | null
  parameters: Parameters
  by: DelegatedBy
  /** The `sid` of the session at the provider (OpenID Connect Back-Channel Logout §2.1), when it named one. */
  providerSession: string | null
}
