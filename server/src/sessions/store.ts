import { type Id, type Queryable, sha256, type Transaction } from "#kernel"
import type { DelegatedBy } from "./delegation.ts"
import type { EndReason, Hop, Session, SessionState } from "./session.ts"
import type { User } from "./user.ts"

/** A row of sessions.sessions. */
export type Row = {
  id: Id<"session">
  agent: string
  instance: string
  svid: string
  purpose: string
  mandate: string
  user: User | null
  application: string | null
  delegation: DelegatedBy | null
  provider_session: string | null
  parent: Id<"session"> | null
  chain: Hop[]
  lifetime_seconds: number
  idle_seconds: number
  lease_seconds: number
  state: SessionState
  end_reason: EndReason | null
  opened_at: Date
  expires_at: Date
  hard_end_at: Date
  last_used_at: Date
  ended_at: Date | null
}

/** A session as it stands in the database now, and that now in milliseconds. */
export type Found = { session: Session; isDue: boolean; nowMs: number }

/** What a row is made of; times follow from the database's clock. */
export type NewSession = Omit<
  Session,
  "state" | "endReason" | "openedAt" | "expiresAt" | "hardEndAt" | "lastUsedAt" | "endedAt"
> & {
  hardEndSeconds: number
}

const times = new WeakMap<Transaction, Promise<number>>()

/** When this transaction began, in milliseconds: what now() is in its other statements. Asked once for all that open in it. */
export function transactionTime(tx: Transaction): Promise<number> {
  const time =
    times.get(tx) ?? tx.query<{ ms: number }>(`select ${milliseconds("now()")} as ms`).then(([row]) => row!.ms)
  times.set(tx, time)
  return time
}

/** Writes a new open session; its times count from this transaction's beginning, and end with its parent's. */
export async function insertSession(tx: Transaction, session: NewSession): Promise<Session> {
  const [row] = await tx.query<Row>(
    `insert into sessions.sessions (id, agent, instance, svid, purpose, mandate, "user", chain,
       lifetime_seconds, idle_seconds, lease_seconds, hard_end_at, expires_at,
       application, delegation, provider_session, parent)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
       least(now() + make_interval(secs => $12), (select hard_end_at from sessions.sessions where id = $16)),
       least(now() + make_interval(secs => least($9::int, $12::int)), (select expires_at from sessions.sessions where id = $16)),
       $13, $14, $15, $16)
     returning *`,
    [
      session.id,
      session.agent,
      session.instance,
      session.svid,
      session.purpose,
      session.mandate,
      session.user === null ? null : JSON.stringify(session.user),
      JSON.stringify(session.chain),
      session.lifetimeSeconds,
      session.idleSeconds,
      session.leaseSeconds,
      session.hardEndSeconds,
      session.application,
      session.delegation === null ? null : JSON.stringify(session.delegation),
      session.providerSession,
      session.parent,
    ],
  )
  return read(row!)
}

/**
 * Moves expiry to a lifetime from now, never past the hard end nor the parent's expiry, when the session is open, not due and was
 * used within its idle time, by the row or by this server (`unusedSeconds` ago). Null when any of that does not hold.
 */
export async function extend(tx: Transaction, id: string, unusedSeconds: number): Promise<Session | null> {
  // clock_timestamp(), not now(): the row may have been waited for.
  const [row] = await tx.query<Row>(
    `update sessions.sessions s set last_used_at = greatest(last_used_at, clock_timestamp() - make_interval(secs => $2)),
       expires_at = greatest(expires_at, least(clock_timestamp() + make_interval(secs => lifetime_seconds), hard_end_at,
         (select p.expires_at from sessions.sessions p where p.id = s.parent)))
     where id = $1 and state = 'open' and expires_at > clock_timestamp()
       and greatest(last_used_at, clock_timestamp() - make_interval(secs => $2)) > clock_timestamp() - make_interval(secs => idle_seconds)
     returning *`,
    // An interval has no infinity: never used here is thirty years ago.
    [id, Math.min(unusedSeconds, 1e9)],
  )
  return row === undefined ? null : read(row)
}

/** Ends an open session; with `onlyDue` only one that is past its expiry. Null when there was nothing to end. */
export async function close(tx: Transaction, id: string, reason: EndReason, onlyDue: boolean): Promise<Session | null> {
  const [row] = await tx.query<Row>(
    `update sessions.sessions
     set state = 'ended', end_reason = $2, ended_at = clock_timestamp(), ended_in = pg_current_xact_id()
     where id = $1 and state = 'open' and (not $3 or expires_at <= clock_timestamp())
     returning *`,
    [id, reason, onlyDue],
  )
  return row === undefined ? null : read(row)
}

/**
 * Ends every open session that one of these handed on, and returns them. A hop at a time: whoever hands on holds the row of
 * the session open (holdOpen), so that after this none can come beneath it.
 */
export async function closeBeneath(tx: Transaction, ids: readonly string[]): Promise<Session[]> {
  const closed: Session[] = []
  for (let parents = ids; parents.length > 0; ) {
    const rows = await tx.query<Row>(
      `update sessions.sessions
       set state = 'ended', end_reason = 'parent-ended', ended_at = clock_timestamp(), ended_in = pg_current_xact_id()
       where parent = any($1) and state = 'open' returning *`,
      [parents],
    )
    closed.push(...rows.map(read))
    parents = rows.map(({ id }) => id)
  }
  return closed
}

/** A session in any state, as the database sees it now; null when there is none. */
export async function find(database: Queryable, id: string): Promise<Found | null> {
  const [row] = await database.query<Row & { is_due: boolean; now_ms: number }>(
    `select *, expires_at <= clock_timestamp() as is_due, ${milliseconds("clock_timestamp()")} as now_ms
     from sessions.sessions where id = $1`,
    [id],
  )
  return row === undefined ? null : { session: read(row), isDue: row.is_due, nowMs: row.now_ms }
}

/** The session when it is open, and then it stays so until this transaction ends: who ends it waits. Null for any other. */
export async function holdOpen(tx: Transaction, id: string): Promise<Session | null> {
  const [row] = await tx.query<Row>("select * from sessions.sessions where id = $1 and state = 'open' for share", [id])
  return row === undefined ? null : read(row)
}

/** Newest first. */
export async function list(
  database: Queryable,
  filter: {
    id: string | null
    agent: string | null
    instance: string | null
    state: string | null
    user?: string | null
    limit: number
  },
): Promise<Session[]> {
  const rows = await database.query<Row>(
    `select * from sessions.sessions
     where ($1::text is null or agent = $1) and ($2::text is null or instance = $2) and ($3::text is null or state = $3)
       and ($5::text is null or id = $5) and ($6::text is null or user_id = $6)
     order by opened_at desc, id limit $4`,
    [filter.agent, filter.instance, filter.state, filter.limit, filter.id, filter.user ?? null],
  )
  return rows.map(read)
}

/** Whose sessions: an agent's, a user's, or those that came of one session at a provider. */
export type SessionsOf = { agent: string } | { user: string; agent?: string } | { iss: string; providerSession: string }

/** Every open session of theirs. */
export async function openOf(database: Queryable, of: SessionsOf): Promise<Session[]> {
  const { agent = null, user = null, iss = null, providerSession = null } = of as { [name: string]: string }
  const rows = await database.query<Row>(
    `select * from sessions.sessions
     where state = 'open' and ($1::text is null or agent = $1) and ($2::text is null or user_id = $2)
       and ($3::text is null or ("user" ->> 'iss' = $3 and provider_session = $4)) order by id`,
    [agent, user, iss, providerSession],
  )
  return rows.map(read)
}

/** Open sessions past their expiry, the longest overdue first, and milliseconds until the next one is due. */
export async function findDue(
  database: Queryable,
  limit: number,
): Promise<{ due: { session: Session; isExpired: boolean }[]; nextInMs: number | null }> {
  const rows = await database.query<Row & { is_expired: boolean }>(
    `select *, hard_end_at <= now() as is_expired from sessions.sessions
     where state = 'open' and expires_at <= now() order by expires_at limit $1`,
    [limit],
  )
  const [next] = await database.query<{ ms: number | null }>(
    `select ${milliseconds("min(expires_at)")} - ${milliseconds("now()")} as ms
     from sessions.sessions where state = 'open' and expires_at > now()`,
  )
  return { due: rows.map((row) => ({ session: read(row), isExpired: row.is_expired })), nextInMs: next!.ms }
}

/** Remembers when sessions were last used, in seconds ago. In the order of ids, so that two servers do not wait for each other. */
export async function markUsed(database: Queryable, used: ReadonlyMap<string, number>): Promise<void> {
  await database.query(
    `with mine as (
       select s.id, t.age from sessions.sessions s join unnest($1::text[], $2::float8[]) as t (id, age) on s.id = t.id
       where s.state = 'open' order by s.id for no key update of s
     )
     update sessions.sessions s set last_used_at = greatest(last_used_at, clock_timestamp() - make_interval(secs => mine.age))
     from mine where s.id = mine.id`,
    [[...used.keys()], [...used.values()]],
  )
}

/**
 * Sessions that ended in transactions which the snapshot named by `since` had not seen, and the name of this snapshot:
 * its oldest running transaction. Exact, where a time would miss what commits late. Those past their hard end are left out:
 * memory refuses them anyway, and after a restore into another cluster old transaction numbers would name every session.
 */
export async function endedSince(
  database: Queryable,
  since: string | null,
): Promise<{ ids: string[]; snapshot: string; nowMs: number }> {
  const [row] = await database.query<{ ids: string[]; snapshot: string; now_ms: number }>(
    `select coalesce(array(select id from sessions.sessions where state = 'ended' and ended_in >= $1::xid8 and hard_end_at > clock_timestamp()), '{}') as ids,
       pg_snapshot_xmin(pg_current_snapshot())::text as snapshot, ${milliseconds("clock_timestamp()")} as now_ms`,
    [since],
  )
  return { ids: row!.ids, snapshot: row!.snapshot, nowMs: row!.now_ms }
}

/** When the open session that is open for longest was opened; null when none is open. */
export async function oldestOpen(tx: Transaction): Promise<Date | null> {
  const [row] = await tx.query<{ at: Date | null }>(
    "select min(opened_at) as at from sessions.sessions where state = 'open'",
  )
  return row!.at
}

/** One server at a time makes the first key. Held until the transaction ends. */
export async function lockTokenKeys(tx: Transaction): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext('sessions.token-keys'))")
}

/** Marks an assertion as used. False when it was, or has expired by the database's clock; of many at once, one gets true. */
export async function spendAssertion(
  database: Queryable,
  { jkt, jti, expiresAtMs }: { jkt: string; jti: string; expiresAtMs: number },
): Promise<boolean> {
  const rows = await database.query(
    `insert into sessions.assertions (name, expires_at)
     select $1, to_timestamp($2::float8 / 1000) where to_timestamp($2::float8 / 1000) > clock_timestamp()
     on conflict do nothing returning name`,
    [sha256(`${jkt}.${jti}`), expiresAtMs],
  )
  return rows.length === 1
}

/** Forgets assertions that have expired for a minute, so that no server's idea of the time brings one back. */
export async function forgetAssertions(database: Queryable): Promise<void> {
  await database.query("delete from sessions.assertions where expires_at < clock_timestamp() - interval '1 minute'")
}

/** A timestamp in milliseconds since the Unix epoch. */
function milliseconds(expression: string): string {
  return `(extract(epoch from ${expression}) * 1000)::float8`
}

/** The session that a row is of. */
export function read(row: Row): Session {
  return {
    id: row.id,
    agent: row.agent,
    instance: row.instance,
    svid: row.svid,
    purpose: row.purpose,
    mandate: row.mandate,
    user: row.user,
    application: row.application,
    delegation: row.delegation,
    providerSession: row.provider_session,
    parent: row.parent,
    chain: row.chain,
    lifetimeSeconds: row.lifetime_seconds,
    idleSeconds: row.idle_seconds,
    leaseSeconds: row.lease_seconds,
    state: row.state,
    endReason: row.end_reason,
    openedAt: row.opened_at,
    expiresAt: row.expires_at,
    hardEndAt: row.hard_end_at,
    lastUsedAt: row.last_used_at,
    endedAt: row.ended_at,
  }
}
