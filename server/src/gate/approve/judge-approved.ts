import type { AgentPrincipal } from "#agents"
import type { Approval } from "#approvals"
import { type Ask, isAtLeast } from "#policy"
import type { Standing } from "#sessions"
import type { Action } from "../action.ts"
import { type Judged, judge, refused } from "../judge.ts"
import type { Known } from "../known.ts"
import type { Rooms } from "../rooms.ts"

/** Why an approval is good for nothing once more is asked than those who gave it were asked. */
export const MORE_IS_ASKED = "Others have to approve this by now, or more strongly. Ask for the action anew."

/**
 * May it, with the approval at hand? Policies know only that there is one. What a session has seen, or a look-up finds, may call for
 * somebody else's since it was given, so what is asked now has to be what was asked then: nothing that is denied passes by it.
 */
export function judgeApproved(
  rooms: Rooms,
  caller: Pick<AgentPrincipal, "name">,
  standing: Standing,
  action: Action,
  { known, approval }: { known: Omit<Known, "approved">; approval: Approval | null },
): Judged {
  const without = judge(rooms, caller, standing, action, { ...known, approved: false })
  if (approval === null || without.verdict !== "ask") return without
  if (!without.asks.every((ask) => isCovered(approval, ask))) return refused(rooms, MORE_IS_ASKED)
  return judge(rooms, caller, standing, action, { ...known, approved: true })
}

function isCovered({ requirements }: Approval, { of, rung }: Ask): boolean {
  return requirements.some((each) => each.of === of && isAtLeast(each.rung, rung))
}
