import { Refusal } from "#kernel"
import type { Decision } from "#policy"
import type { Beneath } from "#sessions"
import type { Action } from "./action.ts"
import { judge } from "./judge.ts"
import { type Rooms, refuseStoppedAbove } from "./rooms.ts"

/** To hand on is an action like any other: the agent that gets it is what it happens to, its purpose is what happens. */
export function handingOn({ agent, purpose }: { agent: string; purpose: string }): Action {
  return { type: "delegate", resource: agent, operation: purpose, arguments: {} }
}

/** Throws what the decision is no with, its reasons in words. */
export function requireAllowed({ verdict, reasons }: Pick<Decision, "verdict" | "reasons">): void {
  if (verdict === "allow") return
  const code = verdict === "ask" ? "approval-required" : "denied-by-policy"
  throw new Refusal(code, reasons.join(" "), { detail: { reasons } })
}

/**
 * Asked again of what holds now, when an offer is taken up: whoever handed it on, and everybody above, must be there still and
 * be allowed to. Throws `session-ended`, `denied-by-policy`, `approval-required`.
 */
export function requireHandedOn(rooms: Rooms, { offer, parent }: Beneath): void {
  const { session } = parent
  const { id, agent, instance, chain } = session
  refuseStoppedAbove(rooms, [...chain, { session: id, agent, instance }])
  requireAllowed(judge(rooms, { name: agent }, parent, handingOn(offer)))
}

/** The same of the session as it stands by now: what its chain has seen since then counts too. */
export async function isHandedOnStill(rooms: Rooms, { offer, parent }: Beneath): Promise<boolean> {
  const now = await rooms.sessions.look(parent.session.id)
  if (now === null) return false
  try {
    requireHandedOn(rooms, { offer, parent: now })
    return true
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}
