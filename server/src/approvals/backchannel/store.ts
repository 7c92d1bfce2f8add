import type { Id, Queryable, Transaction } from "#kernel"
import type { ApprovalState } from "../request.ts"

/** Names that one request goes by at the most: each has an interval of its own, and may owe a ping. */
const MOST_NAMES = 5

/** A poll may come so much earlier than its interval says, milliseconds: networks are not even. */
const GRACE_MS = 500
/** CIBA Core §11: so many seconds more between polls after one that came too soon. */
const SLOWER_SECONDS = 5
/** Seconds after which nobody asks any more: requests for approval live a day at the most. */
const KEPT_SECONDS = 3 * 86_400

/** Who asked, and alone may ask what became of it. */
export type Asker = { agent: string; instance: string }

/** A request under the name that its asker has for it; only that name's hash is here. */
export type NewBackchannelRequest = Asker & {
  hash: Buffer
  request: Id<"approval">
  intervalSeconds: number
  /** Sealed; null for none. */
  ping: string | null
}

/** Writes it; returns the seconds until nobody can decide its request any more: what somebody adds now is waited for, and none is added afterwards. */
export async function insertBackchannel(database: Queryable, asked: NewBackchannelRequest): Promise<number | null> {
  const [row] = await database.query<{ seconds: number }>(
    `with made as (
       insert into approvals.backchannel_requests (hash, request, agent, instance, interval_seconds, ping, ping_due_at)
       select $1, $2, $3, $4, $5, $6, case when $6::text is null then null else clock_timestamp() end
       where (select count(*) from approvals.backchannel_requests where request = $2) < ${MOST_NAMES} returning request)
     select greatest(0, floor(extract(epoch from r.expires_at - clock_timestamp())))::int as seconds
     from made join approvals.requests r on r.id = made.request for key share of r`,
    [asked.hash, asked.request, asked.agent, asked.instance, asked.intervalSeconds, asked.ping],
  )
  return row?.seconds ?? null
}

/** What a request came to, as its asker may know. */
export type PolledRow = {
  request: Id<"approval">
  state: ApprovalState
  isOpen: boolean
  isUsable: boolean
  isUsed: boolean
  isRedeemed: boolean
  /** The poll came before the interval was over; the interval is longer from then on. */
  isTooSoon: boolean
}

/** Notes a poll, and says what it finds; null where there is none of that name and asker. Polls of one request come one by one. */
export async function notePoll(tx: Transaction, hash: Buffer, { agent, instance }: Asker): Promise<PolledRow | null> {
  const [row] = await tx.query<PolledRow>(
    `select b.request, r.state, r.used_at is not null as "isUsed", exists (select from approvals.backchannel_requests o
         where o.request = b.request and o.redeemed_at is not null) as "isRedeemed",
       r.state = 'requested' and r.expires_at > clock_timestamp() as "isOpen",
       r.state = 'approved' and r.used_at is null and r.use_before > clock_timestamp() as "isUsable",
       coalesce(b.polled_at + make_interval(secs => b.interval_seconds - $4::float8) > clock_timestamp(), false)
         as "isTooSoon"
     from approvals.backchannel_requests b join approvals.requests r on r.id = b.request
     where b.hash = $1 and b.agent = $2 and b.instance = $3 for update of b`,
    [hash, agent, instance, GRACE_MS / 1000],
  )
  if (row === undefined) return null
  const slower = row.isOpen && row.isTooSoon ? SLOWER_SECONDS : 0
  await tx.query(
    `update approvals.backchannel_requests set polled_at = clock_timestamp(), interval_seconds = interval_seconds + $2
     where hash = $1`,
    [hash, slower],
  )
  return row
}

/** Redeems an approval that may be used, once under whatever name. False when it is not to be had (any more). */
export async function redeem(tx: Transaction, hash: Buffer, of: Asker & { request: string }): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.backchannel_requests b set redeemed_at = clock_timestamp(), ping = null, ping_due_at = null
     where hash = $1 and request = $2 and agent = $3 and instance = $4 and redeemed_at is null
     and not exists (select from approvals.backchannel_requests o where o.request = b.request and o.redeemed_at is not null)
     and exists (select from approvals.requests r where r.id = b.request and r.state = 'approved' and r.used_at is null
       and r.use_before > clock_timestamp()) returning hash`,
    [hash, of.request, of.agent, of.instance],
  )
  return rows.length === 1
}

/** True when it was redeemed by one of its names. */
export async function isRedeemed(database: Queryable, request: string): Promise<boolean> {
  const rows = await database.query(
    "select from approvals.backchannel_requests where request = $1 and redeemed_at is not null limit 1",
    [request],
  )
  return rows.length > 0
}

/** The name by which that agent knows that user: the proposed one, or the one that it has. */
export async function subjectOf(
  database: Queryable,
  of: { agentId: string; user: string; proposed: string },
): Promise<string> {
  await database.query(
    "insert into approvals.subjects (agent_id, user_id, subject) values ($1, $2, $3) on conflict do nothing",
    [of.agentId, of.user, of.proposed],
  )
  const [row] = await database.query<{ subject: string }>(
    "select subject from approvals.subjects where agent_id = $1 and user_id = $2",
    [of.agentId, of.user],
  )
  return row!.subject
}

/** A ping that is owed. */
export type DuePing = Asker & { hash: Buffer; ping: string; pings: number }

/**
 * Takes pings of requests that were decided: each is due again, later every time, unless somebody says that it was delivered.
 * A crash in between is a try that failed. Of many servers each takes others.
 */
export async function takePings(tx: Transaction, limit: number): Promise<DuePing[]> {
  return await tx.query<DuePing>(
    `update approvals.backchannel_requests set pings = pings + 1,
       ping_due_at = clock_timestamp() + make_interval(secs => least(60, 5 * 2 ^ pings))
     where hash in (select b.hash from approvals.backchannel_requests b join approvals.requests r on r.id = b.request
       where b.ping is not null and b.ping_due_at <= clock_timestamp()
       and (r.state <> 'requested' or r.expires_at <= clock_timestamp())
       order by b.ping_due_at limit $1 for update of b skip locked) returning hash, agent, instance, ping, pings`,
    [limit],
  )
}

/** Owes no ping any more. */
export async function endPing(database: Queryable, hash: Buffer): Promise<void> {
  await database.query("update approvals.backchannel_requests set ping = null, ping_due_at = null where hash = $1", [
    hash,
  ])
}

/** Pings that are owed, or will be when their request is decided. */
export async function readPings(database: Queryable): Promise<{ hash: Buffer; ping: string }[]> {
  return await database.query("select hash, ping from approvals.backchannel_requests where ping is not null")
}

/** Replaces one that has not changed since it was read. */
export async function replacePing(
  database: Queryable,
  { hash, ping }: { hash: Buffer; ping: string },
  sealed: string,
): Promise<void> {
  await database.query("update approvals.backchannel_requests set ping = $3 where hash = $1 and ping = $2", [
    hash,
    ping,
    sealed,
  ])
}

/** Forgets those that nobody asks for any more. */
export async function forgetBackchannel(database: Queryable): Promise<void> {
  await database.query(
    "delete from approvals.backchannel_requests where asked_at < clock_timestamp() - make_interval(secs => $1)",
    [KEPT_SECONDS],
  )
}

/** The request that goes by a name; null for none. */
export async function requestNamed(database: Queryable, hash: Buffer): Promise<Id<"approval"> | null> {
  const [row] = await database.query<{ request: Id<"approval"> }>(
    "select request from approvals.backchannel_requests where hash = $1",
    [hash],
  )
  return row?.request ?? null
}
