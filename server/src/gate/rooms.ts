import { type AgentPrincipal, type Agents, proofOf } from "#agents"
import type { Approvals } from "#approvals"
import type { Audit, Draft } from "#audit"
import type { Credentials } from "#credentials"
import { type Clock, type Epoch, type Log, Refusal, refuseSkewed } from "#kernel"
import type { Policy } from "#policy"
import type { Hop, Sessions } from "#sessions"
import type { Owed } from "./owed.ts"

/** The rooms that the gate leads a conversation between. */
export type Rooms = {
  audit: Audit
  agents: Agents
  sessions: Sessions
  policy: Policy
  approvals: Approvals
  credentials: Credentials
  owed: Owed
  epoch: Epoch
  clock: Clock
  log: Log
}

/** Who acts, as entries name it. */
export function actor(caller: AgentPrincipal): Pick<Draft, "by" | "agent"> {
  return {
    by: caller.spiffeId,
    agent: { name: caller.name, instance: caller.instance, svid: caller.serial, proof: proofOf(caller) },
  }
}

/**
 * Asked before anything is given. The caller was active when its request was identified; this asks again, of what holds now,
 * of its agent and its instance. Throws `agent-suspended`, `agent-retired`, `identity-unknown`, `clock-skewed`.
 */
export function refuseStopped({ agents, epoch }: Rooms, caller: AgentPrincipal): void {
  refuseSkewed(epoch)
  const agent = agents.agent(caller.name)
  if (agent?.id !== caller.agentId) throw new Refusal("agent-retired", `The agent ${caller.name} is retired.`)
  if (agent.state !== "active") throw new Refusal("agent-suspended", `The agent ${caller.name} is suspended.`)
  if (agents.isRevoked(caller.instance)) throw new Refusal("identity-unknown", "This instance was revoked.")
}

/**
 * The same of those that a session was handed on through: what is taken away from one of them is taken away from all beneath.
 * Throws `session-ended`.
 */
export function refuseStoppedAbove({ agents }: Rooms, chain: readonly Hop[]): void {
  const stopped = chain.find(
    ({ agent, instance }) => agents.agent(agent)?.state !== "active" || agents.isRevoked(instance),
  )
  if (stopped === undefined) return
  throw new Refusal("session-ended", `The agent ${stopped.agent}, which handed this session on, may not act any more.`)
}
