import type { AgentPrincipal } from "#agents"
import { covering, narrower, noEvidence, type Standing, verifiedEarlier, verify } from "#sessions"
import type { Action } from "./action.ts"
import { type Judged, judge } from "./judge.ts"
import { fitsAlone, knownOf } from "./known.ts"
import type { Rooms } from "./rooms.ts"

/**
 * May what was allowed in this session go on? Arguments are kept nowhere; those that the mandates bind were verified when it
 * began, and mandates do not change. A ceiling may have changed since: either the mandate is within it whatever the arguments,
 * or it does not include what has none. Takes of no limit;
 * one of nothing at all allows nothing.
 */
export function judgeAgain(
  rooms: Rooms,
  caller: Pick<AgentPrincipal, "name">,
  standing: Standing,
  asked: Omit<Action, "arguments">,
): Judged {
  const action = { ...asked, arguments: {} }
  const hops = [...standing.ancestors, standing]
  return judge(rooms, caller, standing, action, knownOf(standing), ({ session, kind, details }) => {
    const { mandate } = hops.find((hop) => hop.session.id === session)!
    if (kind === "mandate") return verifiedEarlier(details, action)
    const held = covering(mandate.details, action).map((detail) => {
      return { ...detail, actions: [`${action.type}:${action.operation}`], locations: [action.resource] }
    })
    return narrower(held, details) ? verifiedEarlier(held, action) : verify(details, action, noEvidence, fitsAlone)
  })
}
