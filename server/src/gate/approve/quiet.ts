import type { Approval, Requirement } from "#approvals"
import type { Id } from "#kernel"
import type { Rooms } from "../rooms.ts"

/**
 * Until when too few of those whom a request takes can be disturbed, by the quiet hours that they set; null when enough can. Who was
 * never here set none. Only a hint to whoever waits: people may look all the same, and what cannot be read is no reason to wait.
 */
export async function quietUntil(rooms: Rooms, approval: Approval): Promise<Date | null> {
  if (approval.state !== "requested") return null
  try {
    const ends = await Promise.all(approval.requirements.map((each) => enoughFrom(rooms, approval, each)))
    const last = Math.max(...ends)
    return last === 0 ? null : new Date(last)
  } catch (error) {
    rooms.log.warn("quiet hours could not be read", { approval: approval.id, error })
    return null
  }
}

/** When as many as it takes are out of their quiet hours, in milliseconds; 0 for now. */
async function enoughFrom(rooms: Rooms, { user, decisions }: Approval, requirement: Requirement): Promise<number> {
  const { of, members, required } = requirement
  const people = members === null ? [user] : await Promise.all(members.map((member) => userOf(rooms, member)))
  const heard = decisions.filter((each) => each.countsFor.includes(of)).map(({ approver }) => approver)
  const asked = people.filter((id) => id === null || !heard.includes(id))
  const ends = await Promise.all(asked.map((id) => (id === null ? 0 : quietEndOf(rooms, id))))
  return ends.sort((a, b) => a - b)[Math.max(0, required - heard.length - 1)] ?? 0
}

async function userOf(
  { sessions }: Rooms,
  { provider, subject: sub }: { provider: string; subject: string },
): Promise<Id<"user"> | null> {
  const iss = sessions.providers.find(provider)?.issuer
  return iss === undefined ? null : ((await sessions.findUser({ iss, sub }))?.id ?? null)
}

async function quietEndOf({ approvals }: Rooms, user: Id<"user">): Promise<number> {
  const reachable = await approvals.notices.whenReachable(user)
  return reachable.state === "quiet" ? reachable.until.getTime() : 0
}
