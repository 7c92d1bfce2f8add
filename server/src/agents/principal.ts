import type { Id } from "#kernel"
import type { ActionDetails } from "./details.ts"

/** What an operator may be; rights stand in roles.ts. */
export type OperatorRole = "admin" | "operator" | "auditor" | "approver"

/** An agent that proved its key on this connection and is active. */
export type AgentPrincipal = {
  kind: "agent"
  spiffeId: string
  name: string
  agentId: string
  instance: string
  /** Certificate serial, lower-case hexadecimal. */
  serial: string
  /** x5t#S256 (RFC 8705 §3.1). */
  thumbprint: string
  notAfterMs: number
}

/** An operator that proved its key on this connection and is active. */
export type OperatorPrincipal = {
  kind: "operator"
  spiffeId: string
  name: string
  operatorId: string
  instance: string
  serial: string
  thumbprint: string
  notAfterMs: number
  roles: OperatorRole[]
}

/** Who is acting. */
export type Principal = AgentPrincipal | OperatorPrincipal

/** active → suspended → active; both → retired, which is the end. */
export type AgentState = "active" | "suspended" | "retired"

/** What the configuration says of an agent. */
export type AgentDefinition = {
  owner: string
  description: string
  purposes: string[]
  /** The most that any session of the agent may allow. */
  ceiling: ActionDetails[]
}

/** The agents of a configuration, by name. */
export type AgentsPart = { [name: string]: AgentDefinition }

/** A registered agent. */
export type Agent = AgentDefinition & { id: Id<"agent">; name: string; state: AgentState }

/** A named operator. */
export type Operator = { id: Id<"operator">; name: string; roles: OperatorRole[]; state: "active" | "retired" }
