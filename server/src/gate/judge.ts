import type { AgentPrincipal } from "#agents"
import { type Decision, question } from "#policy"
import { allows, type Standing } from "#sessions"
import type { Action } from "./action.ts"
import type { Rooms } from "./rooms.ts"

/**
 * May it? The agent must still be there for the session's purpose; its ceiling as it stands now and the session's mandate
 * as it was compiled both have to include the action; then policy is asked. What is outside the first three is denied and
 * never becomes a question for a human.
 */
export function judge(rooms: Rooms, caller: AgentPrincipal, { mandate, session }: Standing, action: Action): Decision {
  const what = `${action.operation} ${action.resource}`
  const outside = (sentence: string): Decision => ({
    verdict: "deny",
    version: rooms.policy.version()?.digest ?? null,
    policies: [],
    reasons: [sentence],
    errors: [],
  })
  const agent = rooms.agents.agent(caller.name)
  if (!agent?.purposes.includes(session.purpose)) {
    return outside(`The agent ${caller.name} may no longer serve ${session.purpose}.`)
  }
  if (!allows(agent.ceiling, action)) {
    return outside(`The ceiling of agent ${caller.name} does not include to ${what}.`)
  }
  if (!allows(mandate.details, action)) {
    return outside(`The mandate of this session, for ${session.purpose}, does not include to ${what}.`)
  }
  return rooms.policy.decide(question({ agents: [caller.name], purpose: session.purpose, action }))
}
