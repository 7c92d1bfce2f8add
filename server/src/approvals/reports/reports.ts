import type { Change, Draft } from "#audit"
import { bumpEpoch, type Database, type Id, newId, Refusal } from "#kernel"
import type { Approval } from "../request.ts"
import * as store from "./store.ts"

/** An operator who lifts a report, and who they are at their provider; null for one who is known by a key alone. */
export type Lifter = { by: string; user: Id<"user"> | null }

/**
 * What people reported. A report stops the agent, for everybody or for one user, until a second person lifts it; it holds
 * whatever becomes of the agent's registration meanwhile.
 */
export interface Reports {
  /** True when the agent may not act for that user, or null for nobody. From memory, as old as the epoch at the most. */
  isBarred(agent: string, user: Id<"user"> | null): boolean
  /** Keeps a report; `user` is whom alone the agent is stopped for, null for everybody. Every server knows with the next epoch. */
  report(of: { approval: Approval; reporter: Id<"user">; user: Id<"user"> | null }): Change<store.Report>
  /**
   * Lifts one, or all that stop an agent for everybody. The work throws `second-person-required` for whoever reported one of
   * them, and `not-found` for one that does not stand.
   */
  lift(of: store.ReportsOf, lifter: Lifter): Change<store.Report[]>
  find(id: string): Promise<store.Report | null>
  /** Those that stand first. */
  list(): Promise<store.Report[]>
}

/** Opens them. `load` takes in what stands in the database, for every new epoch. */
export async function openReports(database: Database): Promise<{ reports: Reports; load(): Promise<void> }> {
  let standing = new Map<string, Set<string | null>>()
  const load = async () => {
    const rows = await store.readStanding(database)
    const byAgent = Map.groupBy(rows, ({ agent }) => agent)
    standing = new Map([...byAgent].map(([agent, of]) => [agent, new Set(of.map(({ user }) => user))]))
  }
  await load()
  const reports: Reports = {
    isBarred(agent, user) {
      const barred = standing.get(agent)
      return barred !== undefined && (barred.has(null) || (user !== null && barred.has(user)))
    },
    report: ({ approval, reporter, user }) => ({
      async work(tx) {
        const { id, agent } = approval
        const report = await store.insertReport(tx, { id: newId("report"), approval: id, agent, reporter, user })
        await bumpEpoch(tx)
        return report
      },
      entries: (report) => [draft("approvals.agent-barred", report, reporter)],
    }),
    lift: (of, lifter) => ({
      async work(tx) {
        const found = await store.lockStanding(tx, of)
        if (found.length === 0 && "id" in of) throw new Refusal("not-found", "There is no such report that stands.")
        if (lifter.user !== null && found.some(({ reporter }) => reporter === lifter.user)) {
          throw new Refusal("second-person-required", "You reported this agent yourself. Somebody else has to lift it.")
        }
        if (found.length === 0) return []
        await bumpEpoch(tx)
        return await store.liftReports(
          tx,
          found.map(({ id }) => id),
          lifter.by,
        )
      },
      entries: (lifted) => lifted.map((report) => draft("approvals.report-lifted", report, lifter.by)),
    }),
    find: (id) => store.findReport(database, id),
    list: () => store.listReports(database),
  }
  return { reports, load }
}

function draft(event: string, { id, approval, agent, reporter, user }: store.Report, by: string): Draft {
  return { event, by, ...(user === null ? {} : { user }), data: { report: id, approval, agent, reporter, user } }
}
