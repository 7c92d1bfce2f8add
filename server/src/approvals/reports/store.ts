import type { Id, Queryable, Transaction } from "#kernel"

/** Somebody reported a request of an agent's, which stops it for `user`, or where that is null for everybody, until it is lifted. */
export type Report = {
  id: Id<"report">
  approval: Id<"approval">
  agent: string
  /** Who reported it. */
  reporter: Id<"user">
  user: Id<"user"> | null
  reportedAt: Date
  liftedAt: Date | null
  /** SPIFFE ID of the operator who lifted it. */
  liftedBy: string | null
}

const COLUMNS = `id, request as approval, agent, reporter, user_id as "user", reported_at as "reportedAt",
  lifted_at as "liftedAt", lifted_by as "liftedBy"`

/** Reports that are listed at the most. */
const MOST = 200

/** Keeps a report. */
export async function insertReport(
  tx: Transaction,
  { id, approval, agent, reporter, user }: Pick<Report, "id" | "approval" | "agent" | "reporter" | "user">,
): Promise<Report> {
  const [row] = await tx.query<Report>(
    `insert into approvals.reports (id, request, agent, reporter, user_id) values ($1, $2, $3, $4, $5)
     returning ${COLUMNS}`,
    [id, approval, agent, reporter, user],
  )
  return row!
}

/** Which reports: one, or all that stop an agent for everybody. */
export type ReportsOf = { id: string } | { agent: string }

/** Those of them that stand, held until the transaction ends. */
export async function lockStanding(tx: Transaction, of: ReportsOf): Promise<Report[]> {
  const { id = null, agent = null } = of as { [name: string]: string }
  return await tx.query<Report>(
    `select ${COLUMNS} from approvals.reports where lifted_at is null and ($1::text is null or id = $1)
     and ($2::text is null or (agent = $2 and user_id is null)) order by reported_at for update`,
    [id, agent],
  )
}

/** Lifts them. */
export async function liftReports(tx: Transaction, ids: readonly string[], by: string): Promise<Report[]> {
  return await tx.query<Report>(
    `update approvals.reports set lifted_at = clock_timestamp(), lifted_by = $2
     where id = any($1) and lifted_at is null returning ${COLUMNS}`,
    [ids, by],
  )
}

/** Which agents may not act for whom now. */
export async function readStanding(database: Queryable): Promise<Pick<Report, "agent" | "user">[]> {
  return await database.query(`select distinct agent, user_id as "user" from approvals.reports where lifted_at is null`)
}

/** Null when there is none of that id. */
export async function findReport(database: Queryable, id: string): Promise<Report | null> {
  const [row] = await database.query<Report>(`select ${COLUMNS} from approvals.reports where id = $1`, [id])
  return row ?? null
}

/** The newest first; those that stand before those that do not. */
export async function listReports(database: Queryable): Promise<Report[]> {
  return await database.query<Report>(
    `select ${COLUMNS} from approvals.reports order by lifted_at is not null, reported_at desc limit ${MOST}`,
  )
}
