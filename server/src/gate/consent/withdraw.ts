import type { Change } from "#audit"
import type { EndedSession, EndReason, Session, SessionsOf } from "#sessions"
import { ending } from "../end.ts"
import type { Rooms } from "../rooms.ts"

/** What takes sessions along when it is taken away. */
export type Withdrawal<First> = {
  /** Happens first, in the same transaction; what it holds keeps anything more from being opened by it. */
  first: Change<First>
  /** Whose open sessions; each is asked about. */
  of: SessionsOf
  which?: (session: Session, first: First) => boolean
  reason: Extract<EndReason, "withdrawn" | "logged-out">
  by: string
}

/**
 * Takes something away and ends what stood on it, all at once or not at all, then cuts its leases; returns what ended. Nothing
 * that is opened at the same moment slips through: whoever opens by a consent or a code holds its row, which `first` waits for.
 */
export async function withdraw<First>(rooms: Rooms, withdrawal: Withdrawal<First>): Promise<EndedSession[]> {
  const { first, of, which = () => true, reason, by } = withdrawal
  let ends: Change<EndedSession>[] = []
  const change: Change<{ first: First; ended: EndedSession[] }> = {
    async work(tx) {
      ends = []
      const done = (await first.work?.(tx)) as First
      const ended: EndedSession[] = []
      const theirs = (await rooms.sessions.openOf(of, tx)).filter((session) => which(session, done))
      const ids = new Set<string>(theirs.map(({ id }) => id))
      for (const session of theirs) {
        // What another of them handed on ends with that one, and says so.
        if (session.chain.some((above) => ids.has(above.session))) continue
        const end = ending(rooms, session.id, reason, by)
        ends.push(end)
        ended.push(await end.work!(tx))
      }
      return { first: done, ended }
    },
    entries: ({ first: done, ended }) => [
      ...first.entries(done),
      ...ended.flatMap((session, at) => ends[at]!.entries(session)),
    ],
  }
  const { result } = await rooms.audit.commit(change)
  // A crash here leaves leases that are marked as being taken away: credentials' sweep of any server goes on.
  const leases = result.ended.flatMap(({ id, beneath }) => [
    rooms.credentials.revokeSession(id, `session-${reason}`, by),
    ...beneath.map((each) => rooms.credentials.revokeSession(each.id, "session-parent-ended", by)),
  ])
  await Promise.all(leases)
  await rooms.epoch.refresh()
  return result.ended
}
