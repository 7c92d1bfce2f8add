import type { OperatorPrincipal } from "#agents"
import { type Approval, noticing, type Person, type Proven, type Report } from "#approvals"
import type { Change } from "#audit"
import { type Id, Refusal } from "#kernel"
import { ending, endSessionsOf } from "../end.ts"
import type { Rooms } from "../rooms.ts"
import { lifterOf, setAgentState, stopping } from "../stop.ts"
import { reportableBy } from "./waiting.ts"

/** Why an agent is stopped, as the entry keeps it. */
const REASON = "somebody denied what it asked for and reported it"

/**
 * Denies requests and reports the agent that made them. It is stopped before this resolves: by the configuration for everybody,
 * or for the user whom it acted for; its sessions are over, its connections cut, and whatever else it asked is withdrawn. It stays
 * so until somebody else lifts it. Throws `approval-unknown`, `approval-over`.
 */
export async function reportAgent(rooms: Rooms, person: Person, ids: readonly string[]): Promise<Approval[]> {
  const { approvals, audit, credentials, epoch } = rooms
  const waiting: Approval[] = []
  // Nobody stops an agent who was not asked by it.
  for (const id of new Set(ids)) waiting.push(await reportableBy(rooms, person, id))
  const scopes = scopesOf(approvals.part().report, waiting)
  for (const { agent, user } of scopes) if (user === null) credentials.beginHeld({ agent }, "agent-reported", person.id)
  const { result } = await audit.commit(reporting(rooms, person, waiting, scopes))
  // A crash here leaves agents that are stopped with sessions that are marked as over, or that each server ends as it takes in
  // the epoch; leases that are marked are taken back by credentials' sweep of any server.
  await epoch.refresh()
  const stopped = scopes.flatMap(({ agent, user }) => (user === null ? [agent] : []))
  await endSessionsOf(rooms, new Set(stopped))
  for (const agent of stopped) await credentials.revokeAll({ agent }, "agent-reported", person.id)
  for (const session of result.ended) await credentials.revokeSession(session, "session-withdrawn", person.id)
  return result.reported
}

/** Whom an agent is stopped for; null: for everybody, also where it acted for nobody. */
type Scope = { agent: string; user: Id<"user"> | null }

function scopesOf(report: "agent" | "user", waiting: readonly Approval[]): Scope[] {
  const scopes = waiting.map(({ agent, user }) => ({ agent, user: report === "agent" ? null : user }))
  return [...new Map(scopes.map((scope) => [JSON.stringify([scope.agent, scope.user]), scope])).values()]
}

/** The denials, what they stop, and what that ends, in one transaction. */
function reporting(
  rooms: Rooms,
  person: Person,
  waiting: readonly Approval[],
  scopes: readonly Scope[],
): Change<{ reported: Approval[]; ended: Id<"session">[] }> {
  const { approvals } = rooms
  const by = person.id
  const proven: Proven = { way: "session", evidence: {} }
  const denials = waiting.map(({ id }) => approvals.decide({ id, person, decision: "report", proven, statement: null }))
  const reports = waiting.map((approval) => {
    const { agent } = approval
    const user = scopes.find((scope) => scope.agent === agent && (scope.user ?? approval.user) === approval.user)!.user
    return approvals.reports.report({ approval, reporter: by, user })
  })
  let made: { change: Change<unknown>; result: unknown }[] = []
  return {
    async work(tx) {
      made = []
      const run = async <T>(change: Change<T>): Promise<T> => {
        const result = (await change.work?.(tx)) as T
        made.push({ change: change as Change<unknown>, result })
        return result
      }
      const reported: Approval[] = []
      for (const denial of denials) reported.push(await run(denial))
      for (const report of reports) await run(report)
      const ended: Id<"session">[] = []
      for (const { agent, user } of scopes) {
        // Its requests were withdrawn with it, which stopping() does, or with its sessions.
        if (user === null) await run(stopping(rooms, { name: agent, to: "suspended", reason: REASON, by }))
        else {
          for (const { id } of await sessionsThrough(rooms, agent, user, tx)) {
            const session = await run(ending(rooms, id, "withdrawn", by))
            ended.push(...[session, ...session.beneath].map((each) => each.id as Id<"session">))
          }
          await run(approvals.withdraw({ agent, user }, "agent-reported", by))
        }
      }
      const others = new Set(waiting.flatMap(({ user }) => (user === null || user === person.id ? [] : [user])))
      for (const user of others) await run(noticing({ user, kind: "reported", approval: waiting[0]!.id }))
      return { reported, ended }
    },
    entries: () => made.flatMap(({ change, result }) => change.entries(result)),
  }
}

/** The user's open sessions that are the agent's, or that it handed on; of those the first, with which the others end. */
async function sessionsThrough(
  { sessions }: Rooms,
  agent: string,
  user: Id<"user">,
  tx: Parameters<Rooms["sessions"]["openOf"]>[1],
) {
  const open = await sessions.openOf({ user }, tx)
  const theirs = open.filter((session) => session.agent === agent)
  const ids = new Set<string>(theirs.map(({ id }) => id))
  return theirs.filter(({ chain }) => !chain.some((above) => ids.has(above.session)))
}

/**
 * Lifts a report, by somebody else than who made it; an agent that it stopped for everybody is resumed with that. Throws
 * `second-person-required`, `not-found`.
 */
export async function liftReport(
  rooms: Rooms,
  operator: OperatorPrincipal,
  id: string,
  reason: string,
): Promise<Report> {
  const found = await rooms.approvals.reports.find(id)
  if (found === null) throw new Refusal("not-found", "There is no such report.")
  if (found.user === null) await setAgentState(rooms, operator, found.agent, "active", reason)
  else {
    await rooms.audit.commit(rooms.approvals.reports.lift({ id }, await lifterOf(rooms, operator)))
    await rooms.epoch.refresh()
  }
  return (await rooms.approvals.reports.find(id))!
}
