import type { Cut } from "#credentials"
import type { EndReason, Session } from "#sessions"
import type { Rooms } from "./rooms.ts"

/** A session that is over, and how far taking its leases back has come: cut means that no connection is left. */
export type Ended = { session: Session; leases: Cut[] }

/**
 * Ends a session and takes its leases back. Taking away never waits for the record: when the log cannot be written the
 * connections are cut all the same, and the refusal is thrown afterwards. Repeating it does no harm.
 */
export async function endSession(rooms: Rooms, id: string, reason: EndReason, by: string): Promise<Ended> {
  const [recorded] = await Promise.allSettled([rooms.audit.commit(rooms.sessions.end(id, reason, by))])
  if (recorded.status === "fulfilled" && recorded.value.result.state === "open") {
    // It was renewed since somebody called it overdue.
    return { session: recorded.value.result, leases: [] }
  }
  // A crash here leaves an ended session whose leases are live: credentials' sweep takes leases of ended sessions.
  const leases = await rooms.credentials.revokeSession(id, `session-${reason}`, by)
  if (recorded.status === "rejected") throw recorded.reason
  await rooms.epoch.refresh()
  return { session: recorded.value.result, leases }
}

/** Ends every open session of these agents; done by every server when it learns that they were stopped. */
export async function endSessionsOf(rooms: Rooms, agents: ReadonlySet<string>): Promise<void> {
  const sessions = (await Promise.all([...agents].map((name) => rooms.sessions.openOf(name)))).flat()
  await Promise.all(sessions.map(({ id }) => endSession(rooms, id, "suspended", "server")))
}

/** Ends what ran out: sessions past their life or their hard end. Returns milliseconds until the next is due, if any. */
export async function endOverdue(rooms: Rooms): Promise<number | null> {
  const { due, nextInMs } = await rooms.sessions.due()
  await Promise.all(due.map(({ session, reason }) => endSession(rooms, session.id, reason, "server")))
  return nextInMs
}
