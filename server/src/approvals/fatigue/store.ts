import type { Queryable } from "#kernel"

/** Requests of a period. Withdrawn ones nobody had to decide; what was refused was never asked and is not in it. */
export type Asked = {
  requests: number
  cards: number
  approved: number
  denied: number
  reported: number
  expired: number
  withdrawn: number
}

const COUNTS = `count(*)::int as requests, count(distinct bundle)::int as cards,
  count(*) filter (where state = 'approved')::int as approved, count(*) filter (where state = 'denied')::int as denied,
  count(*) filter (where state = 'reported')::int as reported, count(*) filter (where state = 'expired')::int as expired,
  count(*) filter (where state = 'withdrawn')::int as withdrawn`

/** All that were made since then. */
export async function countAskedSince(database: Queryable, since: Date): Promise<Asked> {
  const [row] = await database.query<Asked>(`select ${COUNTS} from approvals.requests where requested_at >= $1`, [
    since,
  ])
  return row!
}

/** The same by the policy that asked; null for what no policy asked: nobody could verify it. */
export async function countByPolicy(database: Queryable, since: Date): Promise<(Asked & { policy: string | null })[]> {
  return await database.query(
    `select p.policy, ${COUNTS} from approvals.requests
     left join lateral jsonb_array_elements_text(policies) as p (policy) on true
     where requested_at >= $1 group by p.policy order by count(*) desc, p.policy`,
    [since],
  )
}

/** How long people took to decide, and how many of them so fast that they cannot have read it. */
export type Pace = { decisions: number; medianSeconds: number | null; fast: number }

const PACE = `count(*)::int as decisions, count(*) filter (where seconds < $2)::int as fast,
  percentile_cont(0.5) within group (order by seconds)::float8 as "medianSeconds"`
const DECIDED = `select d.approver, r.policies,
    extract(epoch from d.decided_at - r.requested_at)::float8 as seconds
  from approvals.requests r join approvals.decisions d on d.request = r.id where r.requested_at >= $1`

/** Of all decisions about requests since then. */
export async function paceSince(database: Queryable, since: Date, fastSeconds: number): Promise<Pace> {
  const [row] = await database.query<Pace>(`select ${PACE} from (${DECIDED}) as decided`, [since, fastSeconds])
  return row!
}

/** The same by the policy that asked. */
export async function paceByPolicy(
  database: Queryable,
  since: Date,
  fastSeconds: number,
): Promise<(Pace & { policy: string | null })[]> {
  return await database.query(
    `select p.policy, ${PACE} from (${DECIDED}) as decided
     left join lateral jsonb_array_elements_text(policies) as p (policy) on true group by p.policy`,
    [since, fastSeconds],
  )
}

/** A person, by the id that stands for them: cards that they were asked with or decided, and the most of them in an hour. */
export type PersonAsked = { user: string; cards: number; mostInAnHour: number }

/** The most asked first. */
export async function countByPerson(database: Queryable, since: Date, limit: number): Promise<PersonAsked[]> {
  return await database.query(
    `with seen as (
       select user_id as person, bundle, requested_at from approvals.requests
       where requested_at >= $1 and user_id is not null and requirements @> '[{"members": null}]'
       union
       select d.approver, r.bundle, r.requested_at
       from approvals.requests r join approvals.decisions d on d.request = r.id where r.requested_at >= $1
     ), hours as (
       select person, date_trunc('hour', requested_at) as hour, count(distinct bundle)::int as cards from seen group by 1, 2
     )
     select person as "user", sum(cards)::int as cards, max(cards)::int as "mostInAnHour" from hours
     group by person order by 2 desc, 1 limit $2`,
    [since, limit],
  )
}
