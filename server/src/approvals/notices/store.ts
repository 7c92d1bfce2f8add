import type { Change } from "#audit"
import { type Database, type Id, newId, type Transaction } from "#kernel"
import type { ChannelName, Delivery, Locale } from "../channels/index.ts"

/** What somebody is told of: see events of the room for what happened. */
export type NoticeKind = "asked" | "told" | "reported" | "enrolled" | "lost" | "refused"

/** Something that a person is to be told, without a word of what it is: that stands on the page which it leads to. */
export type Notice = {
  user: Id<"user">
  kind: NoticeKind
  approval?: Id<"approval"> | undefined
  entry?: Id<"entry"> | undefined
  /** Not worth telling afterwards. */
  expiresAt?: Date | undefined
  /** It does not wait for the end of quiet hours. */
  isCritical?: boolean | undefined
  /** In whose place they are told. */
  standsInFor?: Id<"user"> | undefined
}

/** Where servers hear that somebody is to be told something; a hint only. */
export const NOTICES_CHANNEL = "approvals_notices"

/** Keeps a notice, to be joined with what it tells of: nobody is told of what is not recorded, and of what is, they are. */
export function noticing(notice: Notice): Change<void> {
  return { work: (tx) => insertNotice(tx, notice), entries: () => [] }
}

/** The same inside of another's work. */
export async function insertNotice(tx: Transaction, notice: Notice): Promise<void> {
  const { user, kind, approval, entry, expiresAt, isCritical = false, standsInFor } = notice
  await tx.query("insert into approvals.people (user_id) values ($1) on conflict do nothing", [user])
  await tx.query(
    `insert into approvals.notices (id, user_id, kind, request, entry, expires_at, is_critical, stands_in_for)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [newId("notice"), user, kind, approval ?? null, entry ?? null, expiresAt ?? null, isCritical, standsInFor ?? null],
  )
  await hint(tx)
}

/** Tells every server to look; heard with the commit. */
export async function hint(tx: Transaction): Promise<void> {
  await tx.query("select pg_notify($1, '')", [NOTICES_CHANNEL])
}

/** A notice that waits, as it stands by the database's clock. */
export type WaitingNotice = {
  id: Id<"notice">
  kind: NoticeKind
  approval: Id<"approval"> | null
  isCritical: boolean
  isStandIn: boolean
  step: number
  isDue: boolean
  /** Expired, decided, or of no concern to this person any more. */
  isOver: boolean
  isDelivered: boolean
  isReceived: boolean
  isPassedOn: boolean
  /** The deployment's own program was told, or could not be. */
  isHooked: boolean
  expiresAtMs: number | null
}

/** A person whose notices are this claim's to deliver, until it lapses. */
export type Claim = {
  token: string
  user: Id<"user">
  locale: Locale
  /** Since something that asks last made a sound; null: never. */
  askedSinceMs: number | null
  /** The same of anything. */
  quietSinceMs: number | null
  nowMs: number
  notices: WaitingNotice[]
}

const MS = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`
/** When it is not worth telling any more: what asks ends with its request, which people may have given more time meanwhile. */
const ENDS_AT = "coalesce(case when n.kind = 'asked' then r.expires_at end, n.expires_at)"
/** A request that is decided, or that the person has decided for their part, asks them nothing; news is news for a day. */
const IS_OVER = `coalesce(${ENDS_AT}, n.created_at + interval '1 day') <= clock_timestamp() or (n.kind = 'asked' and n.request is not null and (
    coalesce(r.state <> 'requested' or r.expires_at <= clock_timestamp(), true)
    or exists (select from approvals.decisions d where d.request = n.request and d.approver = n.user_id)))`

type PersonRow = Pick<Claim, "user" | "locale" | "askedSinceMs" | "quietSinceMs"> & { now: number }

/**
 * Takes a person for whom something is due, whom nobody has: one server tells one person at a time, and others take others. Null when
 * nothing is due.
 */
export async function claimPerson(database: Database, token: string, seconds: number): Promise<Claim | null> {
  return await database.transaction(async (tx) => {
    const [person] = await tx.query<PersonRow>(
      `with due as (
         select distinct on (user_id) user_id, due_at from approvals.notices
          where state = 'waiting' and due_at <= clock_timestamp() order by user_id, due_at limit 1000),
       free as (
         select p.user_id from approvals.people p join due using (user_id)
          where p.claimed_until is null or p.claimed_until <= clock_timestamp()
          order by due.due_at limit 1 for update of p skip locked)
       update approvals.people p set claim = $1, claimed_until = clock_timestamp() + make_interval(secs => $2)
         from free where p.user_id = free.user_id
       returning p.user_id as "user", p.locale, ${MS("clock_timestamp()")} as now,
         ${MS("clock_timestamp() - p.buzzed_at")} as "askedSinceMs",
         ${MS("clock_timestamp() - greatest(p.buzzed_at, p.told_at)")} as "quietSinceMs"`,
      [token, seconds],
    )
    if (person === undefined) return null
    const notices = await tx.query<WaitingNotice>(
      `select n.id, n.kind, n.request as approval, n.is_critical as "isCritical",
         n.stands_in_for is not null as "isStandIn", n.step, n.due_at <= clock_timestamp() as "isDue",
         (${IS_OVER}) as "isOver", n.delivered_at is not null as "isDelivered", n.received_at is not null as "isReceived",
         n.passed_on_at is not null as "isPassedOn",
         exists (select from approvals.deliveries d where d.notice = n.id and d.channel = 'webhook') as "isHooked", ${MS(`coalesce(${ENDS_AT}, r.expires_at)`)} as "expiresAtMs"
         from approvals.notices n left join approvals.requests r on r.id = n.request
        where n.user_id = $1 and n.state = 'waiting' order by n.created_at, n.id limit 1000`,
      [person.user],
    )
    const { now: nowMs, ...rest } = person
    return { ...rest, token, nowMs, notices }
  })
}

/** What becomes of notices after a turn; those that are in none of the lists stay as they are. */
export type Outcome = {
  ids: readonly string[]
  state: "waiting" | "told" | "over" | "unreachable"
  /** Milliseconds until it is looked at again. */
  dueInMs?: number
  /** Channels of the order that were tried by now. */
  step?: number
  isDelivered?: boolean
  isPassedOn?: boolean
}

/** An attempt by one channel, for each notice that its message was about. */
export type Attempt = { ids: readonly string[]; channel: ChannelName; delivery: Delivery }

/** True while the claim stands: another server has not taken the person meanwhile. */
export async function holdClaim(tx: Transaction, { user, token }: Pick<Claim, "user" | "token">): Promise<boolean> {
  const rows = await tx.query("select from approvals.people where user_id = $1 and claim = $2 for update", [
    user,
    token,
  ])
  return rows.length === 1
}

/** Writes what became of notices. One that was seen meanwhile stays seen. */
export async function writeOutcome(tx: Transaction, outcome: Outcome): Promise<void> {
  const { ids, state, dueInMs = 0, step = null, isDelivered = false, isPassedOn = false } = outcome
  if (ids.length === 0) return
  await tx.query(
    `update approvals.notices set state = $2, due_at = clock_timestamp() + make_interval(secs => $3::float8 / 1000),
       step = greatest(step, coalesce($4, step)),
       delivered_at = case when $5 then coalesce(delivered_at, clock_timestamp()) else delivered_at end,
       passed_on_at = case when $6 then coalesce(passed_on_at, clock_timestamp()) else passed_on_at end
     where id = any($1) and state = 'waiting'`,
    [ids, state, dueInMs, step, isDelivered, isPassedOn],
  )
}

/** Writes what became of a message. */
export async function insertAttempt(tx: Transaction, { ids, channel, delivery }: Attempt): Promise<void> {
  await tx.query(
    `insert into approvals.deliveries (notice, channel, outcome, reason) select unnest($1::text[]), $2, $3, $4`,
    [ids, channel, delivery.outcome, delivery.outcome === "delivered" ? null : delivery.reason],
  )
}

/** Gives the person back; `sound` is what made one. */
export async function releaseClaim(
  tx: Transaction,
  { user, token }: Pick<Claim, "user" | "token">,
  sound: "asked" | "told" | null,
): Promise<void> {
  await tx.query(
    `update approvals.people set claim = null, claimed_until = null,
       buzzed_at = case $3 when 'asked' then clock_timestamp() else buzzed_at end,
       told_at = case $3 when 'told' then clock_timestamp() else told_at end where user_id = $1 and claim = $2`,
    [user, token, sound],
  )
}

/** Milliseconds until something is due, or a claim on what is due lapses; negative when it is. Null when nothing waits. */
export async function nextDueMs(database: Database): Promise<number | null> {
  const [row] = await database.query<{ ms: number | null }>(
    `select ${MS("min(greatest(n.due_at, p.claimed_until)) - clock_timestamp()")} as ms
       from (select user_id, min(due_at) as due_at from approvals.notices where state = 'waiting' group by user_id) n
       join approvals.people p using (user_id)`,
  )
  return row?.ms ?? null
}

/** A person looked at that request, or at all of them: what was about it makes no sound any more, and what waited for it may. */
export async function markSeen(database: Database, user: string, approval: string | null): Promise<void> {
  await database.transaction(async (tx) => {
    // The person first, as everybody who changes more than one of their notices does.
    const [person] = await tx.query("select from approvals.people where user_id = $1 for update", [user])
    if (person === undefined) return
    const seen = await tx.query(
      `update approvals.notices set state = 'seen', seen_at = clock_timestamp()
        where user_id = $1 and state = 'waiting' and kind = 'asked' and ($2::text is null or request = $2) returning id`,
      [user, approval],
    )
    if (seen.length === 0) return
    await tx.query(
      `update approvals.notices set due_at = clock_timestamp()
        where user_id = $1 and state = 'waiting' and delivered_at is null and due_at > clock_timestamp()`,
      [user],
    )
    await hint(tx)
  })
}

/** A device has the message of that notice, and with it what it told of others. */
export async function markReceived(database: Database, id: string): Promise<void> {
  await database.query(
    `update approvals.notices n set received_at = coalesce(n.received_at, clock_timestamp()) from approvals.notices m
      where m.id = $1 and n.user_id = m.user_id and n.state = 'waiting' and (n.id = m.id or n.delivered_at is not null)`,
    [id],
  )
}

/** Forgets notices that are over, after a month. */
export async function forgetNotices(database: Database): Promise<void> {
  await database.query(
    "delete from approvals.notices where state <> 'waiting' and created_at < clock_timestamp() - interval '30 days'",
  )
}
