import type { Id, Queryable, Transaction } from "#kernel"
import type { Charge } from "./limits.ts"

/** What a request takes of a limit, and the session that counts it. */
export type Taking = Charge & { session: Id<"session"> }

/** How long single spendings are kept after their session ended. */
const KEPT_FOR = "1 day"

/**
 * What is left of each limit, in order, and whether the taking fits. What this very request took already is counted as left:
 * asked again, it takes nothing more.
 */
export async function readRoom(
  database: Queryable,
  request: string,
  takings: readonly Taking[],
): Promise<{ room: number; fits: boolean }[]> {
  return await database.query(
    `select room::float8 as room, amount <= room as fits from (
       select w.nth, w.amount, w.at_most - case
         when w.seconds is null then coalesce(c.spent, 0) - coalesce(own.amount, 0)
         else coalesce((select sum(s.amount) from sessions.spendings s
           where s.session = w.session and s.budget = w.budget and s.measure = w.measure and s.request <> $1
             and s.at > clock_timestamp() - make_interval(secs => w.seconds)), 0) end as room
       from unnest($2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::float8[])
         with ordinality as w (session, budget, measure, amount, at_most, seconds, nth)
       left join sessions.counts c on (c.session, c.budget, c.measure) = (w.session, w.budget, w.measure)
       left join sessions.spendings own
         on (own.request, own.session, own.budget, own.measure) = ($1, w.session, w.budget, w.measure)
     ) as found order by nth`,
    [
      request,
      ...columnsOf(takings),
      takings.map(({ atMost }) => String(atMost)),
      takings.map((each) => each.perSeconds),
    ],
  )
}

/** What was taken in a session so far, of each count that anything was. */
export async function readSpent(
  database: Queryable,
  session: string,
): Promise<{ budget: string; measure: string; spent: number }[]> {
  return await database.query(
    `select budget, measure, spent::float8 as spent from sessions.counts where session = $1 and spent > 0
     order by budget, measure`,
    [session],
  )
}

/** `held`: this request took it before, and takes nothing more · `used-up`: one of the limits has no room, and nothing was taken. */
export type Taken = "taken" | "held" | "used-up"

/** What a request takes, all of it or nothing. */
export type Take = { request: string; takings: readonly Taking[] }

/** Takes for one request after another, and locks what they count until the transaction ends. Outcomes in their order. */
export async function takeAll(tx: Transaction, asked: readonly Take[]): Promise<Taken[]> {
  const [row] = await tx.query<{ outcomes: Taken[] }>("select sessions.take($1) as outcomes", [JSON.stringify(asked)])
  return row!.outcomes
}

/** Counts what the request took as not taken. Once: a second time there is nothing left of it. */
export async function returnSpent(tx: Transaction, request: string): Promise<void> {
  await tx.query(
    `with returned as (
       delete from sessions.spendings where request = $1 returning session, budget, measure, amount
     )
     update sessions.counts c set spent = c.spent - returned.amount from returned
     where (c.session, c.budget, c.measure) = (returned.session, returned.budget, returned.measure)`,
    [request],
  )
}

/** Forgets single spendings of sessions that ended a day ago; the counts stay. */
export async function forgetSpendings(database: Queryable): Promise<void> {
  await database.query(
    `delete from sessions.spendings s using sessions.sessions o
     where o.id = s.session and o.state = 'ended' and o.ended_at < clock_timestamp() - interval '${KEPT_FOR}'`,
  )
}

/** Labels the chain that begins with this session. Returns those that it did not have. */
export async function insertLabels(tx: Transaction, root: string, labels: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ label: string }>(
    `insert into sessions.labels (root, label) select $1, label from unnest($2::text[]) as label order by label
     on conflict do nothing returning label`,
    [root, labels],
  )
  return rows.map(({ label }) => label)
}

/** What the chain that begins with this session has seen, in order. */
export async function readLabels(database: Queryable, root: string): Promise<string[]> {
  const rows = await database.query<{ label: string }>(
    "select label from sessions.labels where root = $1 order by label",
    [root],
  )
  return rows.map(({ label }) => label)
}

/** The same with the time of each. */
export async function readLabelTimes(database: Queryable, root: string): Promise<{ label: string; since: Date }[]> {
  return await database.query("select label, since from sessions.labels where root = $1 order by since, label", [root])
}

/** First sessions of the chains that were labelled in transactions which the snapshot named by `since` had not seen. */
export async function labelledSince(database: Queryable, since: string): Promise<string[]> {
  const rows = await database.query<{ root: string }>(
    "select distinct root from sessions.labels where added_in >= $1::xid8",
    [since],
  )
  return rows.map(({ root }) => root)
}

/** Notes that an object was made in a session; again is nothing new. */
export async function insertMade(tx: Transaction, session: string, kind: string, object: string): Promise<void> {
  await tx.query("insert into sessions.made (session, kind, object) values ($1, $2, $3) on conflict do nothing", [
    session,
    kind,
    object,
  ])
}

/** Objects of these kinds that were made in any of the sessions. */
export async function readMade(
  database: Queryable,
  sessions: readonly string[],
  kinds: readonly string[],
): Promise<{ kind: string; object: string }[]> {
  return await database.query(
    "select distinct kind, object from sessions.made where session = any($1) and kind = any($2) order by kind, object",
    [sessions, kinds],
  )
}

function columnsOf(takings: readonly Taking[]) {
  return [
    takings.map(({ session }) => session),
    takings.map(({ budget }) => budget),
    takings.map(({ measure }) => measure),
    takings.map(({ amount }) => String(amount)),
  ] as const
}
