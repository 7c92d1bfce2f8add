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
export function judge(
  rooms: Rooms,
  caller: Pick<AgentPrincipal, "name">,
  standing: Standing,
  action: Action,
): Decision {
  const { mandate, session, ancestors } = standing
  const what = `${action.operation} ${action.resource}`
  const outside = (sentence: string): Decision => ({
    verdict: "deny",
    version: rooms.policy.version()?.digest ?? null,
    policies: [],
    reasons: [sentence],
    errors: [],
  })
  for (const { session: above, mandate: bound } of ancestors) {
    const handing = rooms.agents.agent(above.agent)
    if (handing?.state !== "active" || rooms.agents.isRevoked(above.instance)) {
      return outside(`The agent ${above.agent}, which handed this session on, may not act any more.`)
    }
    if (!handing.purposes.includes(above.purpose)) {
      return outside(`The agent ${above.agent} may no longer serve ${above.purpose}.`)
    }
    if (!allows(handing.ceiling, action)) {
      return outside(`The ceiling of agent ${above.agent}, which handed this session on, does not include to ${what}.`)
    }
    if (!allows(bound.details, action)) {
      return outside(`The mandate that this session was handed on from does not include to ${what}.`)
    }
  }
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
  const agents = [...ancestors.map(({ session: above }) => above.agent), caller.name]
  const requestText = mandate.requestText?.kind ?? "none"
  return rooms.policy.decide(question({ agents, user: mandate.user, purpose: session.purpose, action, requestText }))
}
