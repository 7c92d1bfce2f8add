import type { AgentPrincipal, Principal, RevokedInstance } from "#agents"
import type { Approval } from "#approvals"
import type { Change } from "#audit"
import type { Cut } from "#credentials"
import { type Id, refusalCode } from "#kernel"
import type { EndedSession, EndReason, Session } from "#sessions"
import type { Rooms } from "./rooms.ts"
import { isUnrecordable } from "./unrecorded.ts"

/** A session that is over, and how far taking back its leases and those beneath it has come: cut means that no connection is left. */
export type Ended = { session: Session; leases: Cut[] }

/** A session that is over on this server, whose end the database will be told: `entry` is the one that it will be. */
export type EndOwed = { session: null; leases: Cut[]; entry: Id<"entry"> }

/**
 * Ends a session of the caller's, an operator any. While nothing can be recorded it ends here and is owed. Throws
 * `session-unknown`, also for somebody else's, and `not-recorded`.
 */
export async function endOwnSession(rooms: Rooms, caller: Principal, id: string): Promise<Ended | EndOwed> {
  if (caller.kind === "agent") await refuseForeign(rooms, caller, id)
  try {
    return await endSession(rooms, id, "ended", caller.spiffeId)
  } catch (error) {
    if (!isUnrecordable(error)) throw error
    rooms.log.warn("a session is ended without the database", { session: id, by: caller.spiffeId, error })
    const entry = await rooms.owed.add({ what: "end-session", session: id }, caller.spiffeId)
    // A crash here leaves a line of the journal: whoever starts here next carries it out.
    return { session: null, leases: await rooms.credentials.revokeSession(id, "session-ended", caller.spiffeId), entry }
  }
}

/**
 * Ends a session and takes its leases back. Taking away never waits for the record: when the log cannot be written, the
 * connections that this server knows of are cut all the same, and the refusal is thrown afterwards. Repeating it does no harm.
 */
export async function endSession(rooms: Rooms, id: string, reason: EndReason, by: string): Promise<Ended> {
  const why = `session-${reason}`
  // One that ran out may have been renewed elsewhere: only the database knows. Its leases end by timers of their own.
  const isOverdue = reason === "lapsed" || reason === "expired"
  if (!isOverdue) rooms.credentials.beginHeld({ session: id }, why, by)
  const { result: session } = await rooms.audit.commit(ending(rooms, id, reason, by))
  if (session.state === "open") return { session, leases: [] }
  // A crash here leaves leases that are marked as being taken away: credentials' sweep of any server goes on.
  const leases = await rooms.credentials.revokeSession(id, why, by)
  await rooms.epoch.refresh()
  return { session, leases }
}

/** Ends every open session of these agents; done by every server when it learns that they were stopped. */
export async function endSessionsOf(rooms: Rooms, agents: ReadonlySet<string>): Promise<void> {
  const sessions = (await Promise.all([...agents].map((name) => rooms.sessions.openOf({ agent: name })))).flat()
  await Promise.all(sessions.map(({ id }) => endSession(rooms, id, "suspended", "server")))
}

/** The same for instances that were revoked, and only theirs. */
export async function endSessionsOfInstances(rooms: Rooms, revoked: readonly RevokedInstance[]): Promise<void> {
  const instances = new Set(revoked.map(({ instance }) => instance))
  const agents = new Set(revoked.map(({ agent }) => agent))
  const sessions = (await Promise.all([...agents].map((name) => rooms.sessions.openOf({ agent: name })))).flat()
  const theirs = sessions.filter(({ instance }) => instances.has(instance))
  await Promise.all(theirs.map(({ id }) => endSession(rooms, id, "suspended", "server")))
}

/** Ends what ran out: sessions past their life or their hard end. Returns milliseconds until the next is due, if any. */
export async function endOverdue(rooms: Rooms): Promise<number | null> {
  const { due, nextInMs } = await rooms.sessions.due()
  await Promise.all(due.map(({ session, reason }) => endSession(rooms, session.id, reason, "server")))
  // There may be more than were asked for at once.
  return due.length > 0 ? 0 : nextInMs
}

/**
 * The end of a session and of all beneath it, the mark on their leases and the end of what was asked in them, in one
 * transaction: no crash can come between.
 */
export function ending(
  rooms: Pick<Rooms, "sessions" | "credentials" | "approvals">,
  id: string,
  reason: EndReason,
  by: string,
): Change<EndedSession> {
  const end = rooms.sessions.end(id, reason, by)
  const mark = rooms.credentials.marking({ session: id }, `session-${reason}`)
  const withdrawal = rooms.approvals.withdraw({ session: id }, `session-${reason}`, by)
  let withdrawn: Approval[] = []
  return {
    async work(tx) {
      withdrawn = []
      const session = await end.work!(tx)
      if (session.state === "ended") {
        await mark.work!(tx)
        withdrawn = await withdrawal.work!(tx)
      }
      return session
    },
    entries: (session) => [...end.entries(session), ...withdrawal.entries(withdrawn)],
  }
}

/** What standing() says of a session only after it found that it is the caller's: over, or broken. Ending it does no harm. */
const OWN = ["session-ended", "session-expired", "outside-mandate"]

/** From memory where it has the session, or a lease of it, so that an agent can give back while the database is gone. */
async function refuseForeign(rooms: Rooms, caller: AgentPrincipal, id: string): Promise<void> {
  try {
    await rooms.sessions.standing(id, caller)
  } catch (error) {
    const code = refusalCode(error) ?? ""
    const holdsLease = () => rooms.credentials.heldOf(id).some(({ instance }) => instance === caller.instance)
    if (!OWN.includes(code) && !(code === "store-unavailable" && holdsLease())) throw error
  }
}
