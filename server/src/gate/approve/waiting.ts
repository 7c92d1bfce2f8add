import { type Approval, approvalOver, type Person, sayOf, unknownApproval, wasRefusedTogether } from "#approvals"
import type { Rooms } from "../rooms.ts"

/** The request, which waits for this person, for a session that goes on. Throws `approval-unknown`, `approval-over`. */
export async function waitingFor(rooms: Rooms, person: Person, id: string): Promise<Approval> {
  const found = await rooms.approvals.find(id)
  if (found === null || sayOf(found, person).length === 0) throw unknownApproval()
  if (!found.isOpen) throw approvalOver(found)
  if (await isStillAsked(rooms, found)) return found
  const { result } = await rooms.audit.commit(rooms.approvals.withdraw({ ids: [id] }, "session-ended", "server"))
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

/** False when the session is over, or its agent may not act any more. */
async function isStillAsked(rooms: Rooms, { session, agent, instance }: Approval): Promise<boolean> {
  if (rooms.agents.agent(agent)?.state !== "active" || rooms.agents.isRevoked(instance)) return false
  return (await rooms.sessions.look(session)) !== null
}
