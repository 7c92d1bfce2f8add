import type { Id } from "#kernel"
import type { ActionDetails, OneActionDetail } from "./details.ts"

/** What an operator may be; rights stand in roles.ts. */
export type OperatorRole = "admin" | "operator" | "auditor" | "approver"

/**
 * What a caller proved its enrolled key with, as access tokens are bound to it (RFC 7800 §3.1): the certificate of the
 * connection (RFC 8705 §3.1), or the key itself by a DPoP proof (RFC 9449 §6.1). Never both.
 */
export type Confirmation = { "x5t#S256": string } | { jkt: string }

/** A key that signed a DPoP proof: its RFC 7638 thumbprint, and the SHA-256 of its SubjectPublicKeyInfo. Both base64url. */
export type ProvenKey = { jkt: string; keyThumbprint: string }

/** An agent that proved its key on this connection, or with this request, and is active. */
export type AgentPrincipal = {
  kind: "agent"
  spiffeId: string
  name: string
  agentId: string
  instance: string
  /** Serial of its SVID, lower-case hexadecimal: the one of the connection, or the newest of the key that this server knows. */
  serial: string
  confirmation: Confirmation
  /** End of that SVID. */
  notAfterMs: number
  /** The only session that this request may touch: that of the access token presented with it. Absent without such a token. */
  onlySession?: string
  /** The approval that the presented token is: the request may be for nothing but the action that it was given for. */
  onlyApproval?: string
}

/** An operator that proved its key on this connection and is active. */
export type OperatorPrincipal = {
  kind: "operator"
  spiffeId: string
  name: string
  operatorId: string
  instance: string
  serial: string
  confirmation: Confirmation
  notAfterMs: number
  roles: OperatorRole[]
}

/** Who is acting. */
export type Principal = AgentPrincipal | OperatorPrincipal

/** How a caller proved its key, in the word that entries have for it. */
export function proofOf({ confirmation }: Pick<AgentPrincipal, "confirmation">): "mtls" | "dpop" {
  return "jkt" in confirmation ? "dpop" : "mtls"
}

/** active → suspended → active; both → retired, which is the end. */
export type AgentState = "active" | "suspended" | "retired"

/** How an agent asks people by OpenID CIBA, and is told of what became of it (CIBA Core §4). */
export type Backchannel = {
  /** `poll`: it asks the token endpoint. `ping`: it is told when to. */
  delivery: "poll" | "ping"
  /** Where it is told; there for `ping` alone. */
  notificationEndpoint?: string | undefined
  /** Where that is: on the Internet, in a private network, or on this machine. */
  network: "public" | "private" | "loopback"
  /** Whether its requests have to be signed by its enrolled key (CIBA Core §7.1.1). */
  signed: "required" | "optional"
  /** The one action that a request is about which names none; without it, each request has to name its own. */
  defaultAuthorizationDetails?: OneActionDetail[] | undefined
}

/** What the configuration says of an agent. */
export type AgentDefinition = {
  owner: string
  description: string
  purposes: string[]
  /** The most that any session of the agent may allow. */
  ceiling: ActionDetails[]
  /** Where a user may come back to with a code of the agent's; compared as text. */
  redirectUris: string[]
  /** How it asks people by OpenID CIBA; absent for an agent that may not. */
  backchannel?: Backchannel | undefined
}

/** The agents of a configuration, by name. */
export type AgentsPart = { [name: string]: AgentDefinition }

/** A registered agent. */
export type Agent = AgentDefinition & { id: Id<"agent">; name: string; state: AgentState }

/** A named operator. */
export type Operator = {
  id: Id<"operator">
  name: string
  /** None where each sign-in has its own. */
  roles: OperatorRole[]
  state: "active" | "retired"
  /** Who signs in as this operator; null for one that joins with tokens. */
  user: Id<"user"> | null
}
