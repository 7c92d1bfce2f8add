import { type Approval, approvalOver, type Person, sayOf, unknownApproval, wasRefusedTogether } from "#approvals"
import type { Rooms } from "../rooms.ts"
import { isOfOtherPolicies } from "./consult.ts"

/** The request, which waits for this person, for a session that goes on and under these policies. Throws `approval-unknown`, `approval-over`. */
export async function waitingFor(rooms: Rooms, person: Person, id: string): Promise<Approval> {
  const found = await rooms.approvals.find(id)
  if (found === null || sayOf(found, person).length === 0) throw unknownApproval()
  if (!found.isOpen) throw approvalOver(found)
  const reason = await whyOver(rooms, found)
  if (reason === null) return found
  const { result } = await rooms.audit.commit(rooms.approvals.withdraw({ ids: [id] }, reason, "server"))
  throw approvalOver(result[0] ?? found)
}

/** One that they may report the agent for: that waits for them, or was refused together with many of its kind. Throws the same. */
export async function reportableBy(rooms: Rooms, person: Person, id: string): Promise<Approval> {
  const found = await rooms.approvals.find(id)
  const isTheirs = found !== null && sayOf(found, person).length > 0
  if (!isTheirs || !wasRefusedTogether(found)) return await waitingFor(rooms, person, id)
  if (rooms.agents.agent(found.agent)?.state !== "active") throw approvalOver(found)
  return found
}

/** Why nothing could be done with an approval: the session is over, its agent may not act, other policies ask. Null when it could. */
async function whyOver(rooms: Rooms, approval: Approval): Promise<string | null> {
  const { session, agent, instance } = approval
  if (rooms.agents.agent(agent)?.state !== "active" || rooms.agents.isRevoked(instance)) return "session-ended"
  if ((await rooms.sessions.look(session)) === null) return "session-ended"
  if (!isOfOtherPolicies(rooms, approval)) return null
  // It may be this server that has the policies of before.
  await rooms.epoch.refresh()
  return isOfOtherPolicies(rooms, approval) ? "policies-changed" : null
}
