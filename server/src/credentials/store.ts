import type { Queryable, Transaction } from "#kernel"
import type { Evidence } from "./engine.ts"
import type { Lease, LeaseFilter, NewLease, Whose } from "./lease.ts"

/** States in which something of the lease may stand at the resource. */
const OPEN = "('intended', 'live', 'revoking', 'stuck')"
/** A server that claimed a revocation and fell silent is succeeded after this; one that is only slow is helped, at no harm. */
const CLAIM = "interval '5 seconds'"
const CLAIMED = `state = case when state = 'stuck' then 'stuck' else 'revoking' end, claimed_until = now() + ${CLAIM}`
/** An intent that was not confirmed by then never will be. */
const INTENT_DEADLINE = "interval '60 seconds'"
const COLUMNS = `l.id, l.session, l.agent, l.instance, l.svid, l.purpose, l.user_id as "user",
  l.application, l.chain, l.person, l.parameters, l.approval, l.resource, l.operation, l.part, l.state, l.lookup,
  l.role_name as "roleName", l.role_oid as "roleOid", l.sealed, l.idempotency_key as "idempotencyKey",
  l.intended_at as "intendedAt", l.live_at as "liveAt", l.expires_at as "expiresAt", l.hard_end_at as "hardEndAt",
  l.last_active_at as "lastActiveAt", l.ending, l.dropped_at as "droppedAt", l.revoked_at as "revokedAt",
  l.attempts, l.evidence, l.begin_entry as "beginEntry",
  (extract(epoch from l.expires_at - clock_timestamp()) * 1000)::float8 as "remainingMs"`

const locked = new WeakSet<Queryable>()

/** Serialises what counts leases or takes resources away, on every server; ends with the transaction, asked for once in it. */
export async function lockLedger(tx: Queryable): Promise<void> {
  if (locked.has(tx)) return
  await tx.query("select pg_advisory_xact_lock(hashtext('credentials.leases'))")
  locked.add(tx)
}

/** What stood in the way of an intent, if anything did. */
export type Standing = { leases: number; own: number; isConfigured: boolean; isReplay: boolean | null }

/**
 * Inserts the intent unless its key was used before, a limit is reached, no root is held, or the hard end has passed. One
 * statement, after lockLedger(). The lease is null when none of that key exists and none was made.
 */
export async function insertIntent(
  tx: Queryable,
  lease: NewLease,
): Promise<{ lease: Lease | null; standing: Standing }> {
  const [row] = await tx.query<Lease & Standing>(
    `with before as (select ${COLUMNS} from credentials.leases l where session = $2 and idempotency_key = $11),
     open as (
       select count(*)::int as leases, (count(*) filter (where session = $2))::int as own,
              exists (select from credentials.roots r where r.resource = $7) as "isConfigured"
         from credentials.leases where resource = $7 and state in ${OPEN}),
     made as (
       insert into credentials.leases as l (id, session, agent, instance, svid, purpose, resource, operation, part,
              state, role_name, idempotency_key, expires_at, hard_end_at, user_id, application, chain, person, parameters, lookup, approval)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, 'intended', $10, $11,
              least(now() + make_interval(secs => $12), $13::timestamptz), $13::timestamptz, $16, $17, $18, $19, $20, $21, $22
         from open where not exists (select from before) and "isConfigured" and leases < $14 and own < $15
          and $13::timestamptz > now()
       returning ${COLUMNS})
     select o.leases, o.own, o."isConfigured", f.* from open o
       left join (select *, false as "isReplay" from made union all select *, true from before) f on true`,
    [
      lease.id,
      lease.session,
      lease.agent,
      lease.instance,
      lease.svid,
      lease.purpose,
      lease.resource,
      lease.operation,
      JSON.stringify(lease.part),
      lease.roleName,
      lease.idempotencyKey,
      lease.leaseSeconds,
      lease.hardEndAt,
      lease.part.limits.leases,
      lease.part.limits.leasesPerSession,
      lease.user,
      lease.application,
      JSON.stringify(lease.chain),
      lease.person === null ? null : JSON.stringify(lease.person),
      JSON.stringify(lease.parameters),
      lease.lookup,
      lease.approval === null ? null : JSON.stringify(lease.approval),
    ],
  )
  const { leases, own, isConfigured, isReplay, ...found } = row!
  return { lease: isReplay === null ? null : found, standing: { leases, own, isConfigured, isReplay } }
}

/** Lets another lease be made for the request that this one failed. */
export async function releaseKey(tx: Queryable, id: string): Promise<void> {
  await tx.query("update credentials.leases set idempotency_key = idempotency_key || ' of ' || id where id = $1", [id])
}

/** Null when there is no such lease. */
export async function readLease(db: Queryable, id: string): Promise<Lease | null> {
  return first(await db.query<Lease>(`select ${COLUMNS} from credentials.leases l where id = $1`, [id]))
}

/** Newest first, 500 at the most. */
export async function listLeases(db: Queryable, filter: LeaseFilter): Promise<Lease[]> {
  return await db.query<Lease>(
    `select ${COLUMNS} from credentials.leases l
      where ($1::text is null or session = $1) and ($2::text is null or state = $2) and ($3::text is null or instance = $3)
      order by intended_at desc, id limit 500`,
    [filter.session ?? null, filter.state ?? null, filter.instance ?? null],
  )
}

/** What isTheirs() says, of $1. */
function theirs(whose: Whose): string {
  const [column] = Object.keys(whose)
  return `(${column} = $1 or chain <> '[]' and chain @> jsonb_build_array(jsonb_build_object('${column}', $1::text)))`
}

/** Leases of theirs of which something may stand at a resource. */
export async function readOpen(db: Queryable, whose: Whose): Promise<Lease[]> {
  const where = `${theirs(whose)} and state in ${OPEN}`
  return await db.query<Lease>(`select ${COLUMNS} from credentials.leases l where ${where}`, Object.values(whose))
}

/** Live leases, for the memory of a server that starts. */
export async function readLive(db: Queryable): Promise<Lease[]> {
  return await db.query<Lease>(`select ${COLUMNS} from credentials.leases l where state = 'live'`)
}

/** Confirms an intent. Null when it is no longer one: it was revoked, or its time passed, meanwhile. */
export async function confirmLive(
  tx: Queryable,
  lease: { id: string; oid: string; sealed: string; beginEntry: string | null },
): Promise<Lease | null> {
  const rows = await tx.query<Lease>(
    `update credentials.leases l set state = 'live', live_at = now(), role_oid = $2, sealed = $3, begin_entry = $4
      where id = $1 and state = 'intended' and expires_at > clock_timestamp() returning ${COLUMNS}`,
    [lease.id, lease.oid, lease.sealed, lease.beginEntry],
  )
  return first(rows)
}

/** Lets a live lease end later, never after its hard end nor earlier than now agreed. Null when it is over. */
export async function extend(tx: Queryable, id: string, until: Date): Promise<Lease | null> {
  const rows = await tx.query<Lease>(
    `update credentials.leases l set expires_at = least(greatest(expires_at, $2::timestamptz), hard_end_at)
      where id = $1 and state = 'live' and expires_at > now() returning ${COLUMNS}`,
    [id, until],
  )
  return first(rows)
}

/** Marks a lease as being taken away, by us. Does nothing to one that has ended. */
export async function claim(db: Queryable, id: string, why: string): Promise<void> {
  await db.query(
    `update credentials.leases set ${CLAIMED}, ending = coalesce(ending, $2) where id = $1 and state in ${OPEN}`,
    [id, why],
  )
}

/** Claims a lease whose time is over. Returns it as it is now, claimed or not: renewed elsewhere, or already ending. */
export async function claimIfDue(db: Queryable, id: string): Promise<{ isClaimed: boolean; lease: Lease | null }> {
  const claimed = await db.query<Lease>(
    `update credentials.leases l set ${CLAIMED}, ending = coalesce(ending, 'expired')
      where id = $1 and state in ('live', 'intended') and expires_at <= clock_timestamp() returning ${COLUMNS}`,
    [id],
  )
  if (claimed.length > 0) return { isClaimed: true, lease: first(claimed) }
  return { isClaimed: false, lease: await readLease(db, id) }
}

/** Marks and claims every open lease of theirs. */
export async function claimAll(tx: Transaction, whose: Whose, why: string) {
  await tx.query(
    `update credentials.leases set ${CLAIMED}, ending = coalesce(ending, $2) where ${theirs(whose)} and state in ${OPEN}`,
    [...Object.values(whose), why],
  )
}

/** Claims an intent that is that old and still nothing else: whoever was to make it fell silent. Null when it is no such one. */
export async function claimUnmade(db: Queryable, id: string, olderThanMs: number): Promise<Lease | null> {
  const rows = await db.query<Lease>(
    `update credentials.leases l set ${CLAIMED}, ending = coalesce(ending, 'never-confirmed')
      where id = $1 and state = 'intended' and intended_at <= now() - make_interval(secs => $2) returning ${COLUMNS}`,
    [id, olderThanMs / 1_000],
  )
  return first(rows)
}

/** Claims what is due by the database's clock and nobody works on: expired, never confirmed, or left by a silent server. */
export async function claimDue(db: Queryable, limit: number): Promise<Lease[]> {
  return await db.query<Lease>(
    `update credentials.leases l set ${CLAIMED},
            ending = coalesce(ending, case when state = 'intended' then 'never-confirmed' else 'expired' end)
      where id in (
        select id from credentials.leases
         where (state = 'live' and expires_at <= now())
            or (state = 'intended' and intended_at <= now() - ${INTENT_DEADLINE})
            or (state in ('revoking', 'stuck') and claimed_until <= now())
         order by expires_at limit $1 for update skip locked)
      returning ${COLUMNS}`,
    [limit],
  )
}

/** Counts a failed try; from `stuckAfter` on the lease is stuck. `isNew` when this try made it so. */
export async function countFailure(tx: Queryable, id: string, stuckAfter: number) {
  const [row] = await tx.query<{ attempts: number; isNew: boolean }>(
    `update credentials.leases set attempts = attempts + 1, claimed_until = now() + ${CLAIM},
            state = case when attempts + 1 >= $2 then 'stuck' else 'revoking' end
      where id = $1 and state in ${OPEN} returning attempts, attempts = $2 as "isNew"`,
    [id, stuckAfter],
  )
  return row ?? null
}

/** The end: nothing is left at the resource. Null when another server wrote it first. */
export async function end(
  tx: Queryable,
  id: string,
  ended: { why: string; evidence: Evidence & { readBackAtMs: number } },
): Promise<Lease | null> {
  const rows = await tx.query<Lease>(
    `update credentials.leases l set ending = coalesce(ending, $2), revoked_at = now(), sealed = null, evidence = $3,
            person = null, parameters = '{}', approval = approval || '{"arguments": {}}',
            role_oid = coalesce(role_oid, $4), dropped_at = to_timestamp($5::float8 / 1000),
            state = case when coalesce(ending, $2) = 'expired' then 'expired' else 'revoked' end
      where id = $1 and state in ${OPEN} returning ${COLUMNS}`,
    [id, ended.why, JSON.stringify(ended.evidence), ended.evidence.oid, ended.evidence.droppedAtMs],
  )
  return first(rows)
}

/** Leases that ended in the last minute and had an account: late connections are still possible. */
export async function readJustEnded(db: Queryable): Promise<Lease[]> {
  return await db.query<Lease>(
    `select ${COLUMNS} from credentials.leases l
      where revoked_at > now() - interval '60 seconds' and role_oid is not null`,
  )
}

/** The leases behind account names of a resource listing. */
export async function readByRoles(db: Queryable, roleNames: readonly string[]): Promise<Lease[]> {
  return await db.query<Lease>(`select ${COLUMNS} from credentials.leases l where role_name = any ($1)`, [roleNames])
}

/** Moves the time of the last activity forward. A lease that is being changed is passed over: it waits for nothing while it holds others. */
export async function noteActivity(db: Queryable, seen: ReadonlyMap<string, Date>): Promise<void> {
  await db.query(
    `update credentials.leases l set last_active_at = s.at
       from (select o.id, s.at from credentials.leases o join unnest($1::text[], $2::timestamptz[]) as s (role_name, at)
                 on o.role_name = s.role_name
              where o.state = 'live' and (o.last_active_at is null or o.last_active_at < s.at)
                for update of o skip locked) s
      where l.id = s.id`,
    [[...seen.keys()], [...seen.values()]],
  )
}

/** When a lease of the session last did something at its resource. */
export async function readLastActive(db: Queryable, session: string): Promise<Date | null> {
  const [row] = await db.query<{ at: Date | null }>(
    "select max(last_active_at) as at from credentials.leases where session = $1",
    [session],
  )
  return row?.at ?? null
}

function first(rows: Lease[]): Lease | null {
  return rows[0] ?? null
}

/** Open leases of each resource that has any. */
export async function countOpenByResource(db: Queryable): Promise<Map<string, number>> {
  const rows = await db.query<{ resource: string; leases: number }>(
    `select resource, count(*)::int as leases from credentials.leases where state in ${OPEN} group by resource`,
  )
  return new Map(rows.map(({ resource, leases }) => [resource, leases]))
}

/** The account we hold at a resource, sealed. `sealedPending` is there while its password is being changed. */
export type RootRow = { resource: string; username: string; sealed: string; sealedPending: string | null }

/** Every account that we hold. */
export async function readRoots(db: Queryable): Promise<RootRow[]> {
  return await db.query(`select resource, username, sealed, sealed_pending as "sealedPending" from credentials.roots`)
}

/** Holds the account from now on; `rotating` while it has a pending password. */
export async function writeRoot(tx: Queryable, root: RootRow): Promise<void> {
  await tx.query(
    `insert into credentials.roots (resource, username, sealed, sealed_pending, state) values ($1, $2, $3, $4, $5)
     on conflict (resource) do update set username = excluded.username, sealed = excluded.sealed,
        sealed_pending = excluded.sealed_pending, state = excluded.state, changed_at = now()`,
    [root.resource, root.username, root.sealed, root.sealedPending, root.sealedPending === null ? "ready" : "rotating"],
  )
}

/** Forgets the accounts we hold at resources that moved: their passwords are nothing for another server. */
export async function dropRoots(tx: Queryable, resources: readonly string[]): Promise<void> {
  await tx.query("delete from credentials.roots where resource = any ($1)", [resources])
}

/** True when no server changes this root now; keeps it so until the transaction ends. */
export async function tryLockRoot(tx: Queryable, resource: string): Promise<boolean> {
  const text = "select pg_try_advisory_xact_lock(hashtext('credentials.roots'), hashtext($1)) as locked"
  return (await tx.query<{ locked: boolean }>(text, [resource]))[0]!.locked
}
