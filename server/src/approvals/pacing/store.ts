import type { Id, Queryable, Transaction } from "#kernel"
import type { Member } from "../request.ts"

/** Requests that are alike: an agent, whom it acts for, and an operation of a resource. Sessions, instances and arguments are not in it. */
export type Kind = { agent: string; user: Id<"user"> | null; resource: string; operation: string }

/** Seconds in which requests of a kind are one burst. */
const BURST_SECONDS = 600
const MINUTE = 60
const HOUR = 3_600
/** Seconds after which a kind that nobody asks for is forgotten. */
const KEPT_SECONDS = 172_800

/** Seconds that a kind cools off still, and whether a burst is why; null when it does not. */
export async function coolingOf(tx: Transaction, kind: Kind): Promise<{ seconds: number; isBulk: boolean } | null> {
  const [row] = await tx.query<{ seconds: number; isBulk: boolean }>(
    `select ceil(extract(epoch from cooling_until - clock_timestamp()))::int as seconds, cooling_since_bulk as "isBulk"
     from approvals.kinds where (agent, user_id, resource, operation) = ($1, $2, $3, $4)
     and cooling_until > clock_timestamp()`,
    keyOf(kind),
  )
  return row ?? null
}

/** Notes that it was asked for once more. How often that was within ten minutes; counts no further than `most`. */
export async function countAsked(tx: Transaction, kind: Kind, most: number): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `insert into approvals.kinds as k (agent, user_id, resource, operation, asked_at)
     values ($1, $2, $3, $4, array[clock_timestamp()])
     on conflict (agent, user_id, resource, operation) do update set changed_at = clock_timestamp(),
       asked_at = array(
         select at from unnest(k.asked_at || clock_timestamp()) as at
         where at > clock_timestamp() - make_interval(secs => $5) order by at desc limit $6)
     returning cardinality(asked_at) as count`,
    [...keyOf(kind), BURST_SECONDS, most],
  )
  return row!.count
}

/** From now on the kind is answered without asking, and counted anew afterwards. A longer time that runs already stays. */
export async function coolOff(tx: Transaction, kind: Kind, seconds: number, isBulk: boolean): Promise<void> {
  await tx.query(
    `insert into approvals.kinds as k (agent, user_id, resource, operation, cooling_until, cooling_since_bulk)
     values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5), $6)
     on conflict (agent, user_id, resource, operation) do update set changed_at = clock_timestamp(), asked_at = '{}',
       cooling_until = greatest(k.cooling_until, excluded.cooling_until),
       cooling_since_bulk = excluded.cooling_since_bulk`,
    [...keyOf(kind), seconds, isBulk],
  )
}

/** Ids of requests of the kind that wait for a decision. */
export async function waitingOf(tx: Transaction, { agent, user, resource, operation }: Kind): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `select id from approvals.requests where agent = $1 and user_id is not distinct from $2
     and action @> jsonb_build_object('resource', $3::text, 'operation', $4::text) and state = 'requested'`,
    [agent, user, resource, operation],
  )
  return rows.map(({ id }) => id)
}

/**
 * How many cards of the kind were denied lately, those that nobody answered counting half. A card with several requests counts
 * once, as what weighs most of them.
 */
export async function denialsOf(tx: Transaction, kind: Kind, windowSeconds: number): Promise<number> {
  const { agent, user, resource, operation } = kind
  const [row] = await tx.query<{ weight: number }>(
    `select coalesce(sum(weight), 0)::float8 as weight from (
       select max(case state when 'expired' then 0.5 else 1 end) as weight from approvals.requests
       where agent = $1 and user_id is not distinct from $2
       and action @> jsonb_build_object('resource', $3::text, 'operation', $4::text)
       and state in ('denied', 'reported', 'expired')
       and decided_at > clock_timestamp() - make_interval(secs => $5) group by bundle) as cards`,
    [agent, user, resource, operation, windowSeconds],
  )
  return row!.weight
}

/** Cards with which an agent asked a user, or a group, within the last hour, and seconds until one fewer counts. */
export async function cardsOfAgent(
  tx: Transaction,
  agent: string,
  asked: { user: string | null } | { group: string },
): Promise<{ cards: number; seconds: number }> {
  const ofGroup = "group" in asked
  const [row] = await tx.query<{ cards: number; seconds: number }>(
    `select count(*)::int as cards,
       coalesce(ceil(extract(epoch from min(at) + make_interval(secs => $2) - clock_timestamp())), 1)::int as seconds
     from (select min(requested_at) as at from approvals.requests
       where agent = $1 and requested_at > clock_timestamp() - make_interval(secs => $2)
       and requirements @> $3 and ($4 or user_id = $5) group by bundle) as cards`,
    [
      ...[agent, HOUR, JSON.stringify([ofGroup ? { of: asked.group } : { members: null }])],
      ...[ofGroup, ofGroup ? null : asked.user],
    ],
  )
  return row!
}

/** How many requests of an agent there were within a day; counts no further than `most`. */
export async function countLately(database: Queryable, agent: string, most: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select count(*)::int as count from (select from approvals.requests where agent = $1
       and requested_at > clock_timestamp() - interval '1 day' limit $2) as lately`,
    [agent, most],
  )
  return row!.count
}

/** Cards that a user was shown for an approval of their own within the last minute. */
export async function cardsOfUser(tx: Transaction, user: string): Promise<number> {
  const [row] = await tx.query<{ cards: number }>(
    `select count(distinct bundle)::int as cards from approvals.requests
     where user_id = $1 and requirements @> '[{"members": null}]'
     and requested_at > clock_timestamp() - make_interval(secs => $2)`,
    [user, MINUTE],
  )
  return row!.cards
}

/** The same for each of these members of groups, in their order. */
export async function cardsOfMembers(tx: Transaction, members: readonly Member[]): Promise<number[]> {
  const rows = await tx.query<{ cards: number }>(
    `with recent as materialized (
       select bundle, requirements from approvals.requests
       where requested_at > clock_timestamp() - make_interval(secs => $2))
     select count(distinct bundle)::int as cards from unnest($1::jsonb[]) with ordinality as m (asked, nth)
     left join recent on requirements @> asked group by nth order by nth`,
    [members.map((each) => JSON.stringify([{ members: [each] }])), MINUTE],
  )
  return rows.map(({ cards }) => cards)
}

/** Forgets kinds that nobody asked for in two days. */
export async function forgetKinds(database: Transaction): Promise<void> {
  await database.query(
    `delete from approvals.kinds where changed_at < clock_timestamp() - make_interval(secs => $1)
     and (cooling_until is null or cooling_until < clock_timestamp())`,
    [KEPT_SECONDS],
  )
}

function keyOf({ agent, user, resource, operation }: Kind): string[] {
  return [agent, user ?? "", resource, operation]
}
