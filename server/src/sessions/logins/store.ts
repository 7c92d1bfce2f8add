import type { Queryable, Transaction } from "#kernel"

/** What is over: by its name, tokens issued until then, milliseconds; null for all. */
export type Ended = { name: Buffer; untilMs: number | null }

/** After that a row is forgotten, and a token that is older is taken no more. */
const KEPT = "interval '30 days'"

/** Notes what is over. Whoever opens something by a token of it has committed, or finds this. */
export async function insertEnded(tx: Transaction, ended: readonly Ended[]): Promise<void> {
  await lock(tx, "pg_advisory_xact_lock", ended)
  for (const { name, untilMs } of ended) {
    await tx.query(
      `insert into sessions.ended_logins as e (name, until)
       values ($1, coalesce(to_timestamp($2::float8 / 1000), 'infinity'))
       on conflict (name) do update set until = greatest(e.until, excluded.until), recorded_at = clock_timestamp()`,
      [name, untilMs],
    )
  }
}

/** True when none of these is over for a token of that time, and then it does not become so before this transaction ends. */
export async function holdLogin(tx: Transaction, names: readonly Buffer[], issuedAtMs: number): Promise<boolean> {
  await lock(
    tx,
    "pg_advisory_xact_lock_shared",
    names.map((name) => ({ name })),
  )
  const [row] = await tx.query<{ is_good: boolean }>(
    `select to_timestamp($2::float8 / 1000) > clock_timestamp() - ${KEPT} and not exists (
       select from sessions.ended_logins where name = any($1) and until >= to_timestamp($2::float8 / 1000)
     ) as is_good`,
    [names, issuedAtMs],
  )
  return row!.is_good
}

/** When the user last ended a session of that agent for that purpose; null when they never did. */
export async function lastWithdrawn(
  database: Queryable,
  of: { user: string; agent: string; purpose: string },
): Promise<Date | null> {
  const [row] = await database.query<{ at: Date | null }>(
    `select max(ended_at) as at from sessions.sessions
     where user_id = $1 and agent = $2 and purpose = $3 and end_reason = 'withdrawn'`,
    [of.user, of.agent, of.purpose],
  )
  return row!.at
}

/** Forgets what no token can be of that is taken still. */
export async function forgetEndedLogins(database: Queryable): Promise<void> {
  await database.query(`delete from sessions.ended_logins where recorded_at < clock_timestamp() - ${KEPT}`)
}

/** In one order, so that two transactions do not wait for each other. */
async function lock(tx: Transaction, how: string, of: readonly { name: Buffer }[]): Promise<void> {
  await tx.query(
    `select ${how}(hashtextextended(name, 0)) from (select name from unnest($1::text[]) as n (name) order by name) as names`,
    [of.map(({ name }) => `sessions.ended_logins ${name.toString("hex")}`)],
  )
}
