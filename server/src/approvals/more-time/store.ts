import type { Id, Queryable, Transaction } from "#kernel"
import { LIVE } from "../ways/store.ts"

/** WCAG 2.2, 2.2.1: at least ten times. */
const MOST_EXTENSIONS = 10
/** The longest that any request waits, extended or not. */
const LONGEST = "interval '1 day'"
/** What a request had at first: each extension is as long. */
const AT_FIRST = "(expires_at - requested_at) / (extensions + 1)"

/** Those of them that wait, and may wait longer. */
export async function extendable(database: Queryable, ids: readonly string[]): Promise<Id<"approval">[]> {
  const rows = await database.query<{ id: Id<"approval"> }>(
    `select id from approvals.requests r where id = any($1) and state = 'requested' and expires_at > clock_timestamp()
     and extensions < ${MOST_EXTENSIONS} and expires_at < requested_at + ${LONGEST}
     and not exists (select from approvals.backchannel_requests where request = r.id)
     and not exists (select from approvals.provider_requests where request = r.id and state in ${LIVE})`,
    [ids],
  )
  return rows.map(({ id }) => id)
}

/** Gives it as long again as it had at first. */
export async function extend(tx: Transaction, id: string): Promise<void> {
  await tx.query(
    `update approvals.requests set extensions = extensions + 1,
       expires_at = least(expires_at + ${AT_FIRST}, requested_at + ${LONGEST}) where id = $1`,
    [id],
  )
}
