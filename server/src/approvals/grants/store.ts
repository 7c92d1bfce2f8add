import type { Id, Json, Queryable, Transaction } from "#kernel"
import type { AskRung } from "#policy"
import type { Approval } from "../request.ts"
import type { WithdrawnOf } from "../store.ts"
import type { GrantBounds } from "./bounds.ts"

/** Seconds after its end until what a grant allowed is forgotten here; the log keeps it. */
const KEPT_SECONDS = 86_400

/** Leave for more actions of one kind, that a user gave an agent in one session. */
export type Grant = {
  id: Id<"grant">
  /** The request with whose approval it was given. */
  approval: Id<"approval">
  user: Id<"user">
  agent: string
  instance: string
  session: Id<"session">
  type: string
  resource: string
  operation: string
  policyVersion: string | null
  rung: Exclude<AskRung, "quorum">
  uses: number
  /** Null once it is long over. */
  bounds: GrantBounds | null
  givenAt: Date
  until: Date
  endedAt: Date | null
  endedBy: string | null
  /** By the database's clock when it was read. */
  isStanding: boolean
}

const COLUMNS = `id, request as approval, user_id as "user", agent, instance, session, type, resource, operation,
  policy_version as "policyVersion", rung, uses, bounds, given_at as "givenAt", until, ended_at as "endedAt",
  ended_by as "endedBy", ended_at is null and until > clock_timestamp() as "isStanding"`

/** Keeps a grant. Null when it would last longer than so many seconds, by the database's clock. */
export async function insertGrant(
  tx: Transaction,
  grant: { id: Id<"grant">; of: Approval; user: string; rung: Grant["rung"]; bounds: GrantBounds },
  maxSeconds: number,
): Promise<Grant | null> {
  const { of, bounds } = grant
  const { type, resource, operation } = of.action!
  const [row] = await tx.query<Grant>(
    `insert into approvals.grants (id, request, user_id, agent, instance, session, type, resource, operation,
       policy_version, rung, uses, bounds, until)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
     where $14 > clock_timestamp() and $14 <= clock_timestamp() + make_interval(secs => $15) returning ${COLUMNS}`,
    [
      ...[grant.id, of.id, grant.user, of.agent, of.instance, of.session, type, resource, operation],
      ...[of.policyVersion, grant.rung, bounds.uses, JSON.stringify(bounds), bounds.until, maxSeconds],
    ],
  )
  return row ?? null
}

/** Of what a grant would have to be to let an action of it pass. */
export type GrantFor = Pick<
  Grant,
  "user" | "agent" | "instance" | "session" | "type" | "resource" | "operation" | "policyVersion"
>

/** Those that stand, the oldest first. */
export async function findStanding(database: Queryable, of: GrantFor): Promise<Grant[]> {
  return await database.query<Grant>(
    `select ${COLUMNS} from approvals.grants where session = $1 and user_id = $2 and agent = $3 and instance = $4
     and (type, resource, operation) = ($5, $6, $7) and policy_version is not distinct from $8
     and ended_at is null and until > clock_timestamp() order by given_at, id`,
    [of.session, of.user, of.agent, of.instance, of.type, of.resource, of.operation, of.policyVersion],
  )
}

/** Arguments of the newest request of the kind that the user approved in this session; null when there is none. */
export async function approvedLike(database: Queryable, of: Approval): Promise<{ [name: string]: Json } | null> {
  const { type, resource, operation } = of.action!
  const [row] = await database.query<{ arguments: { [name: string]: Json } }>(
    `select action -> 'arguments' as arguments from approvals.requests
     where session = $1 and user_id = $2 and instance = $3 and id <> $4 and action @> $5 and state = 'approved'
     order by decided_at desc limit 1`,
    [of.session, of.user, of.instance, of.id, JSON.stringify({ type, resource, operation })],
  )
  return row?.arguments ?? null
}

/** Null when there is none of that id. */
export async function findGrant(database: Queryable, id: string): Promise<Grant | null> {
  const [row] = await database.query<Grant>(`select ${COLUMNS} from approvals.grants where id = $1`, [id])
  return row ?? null
}

/** Whose grants: a user's, a session's, or all. */
export type GrantsOf = { user?: string | undefined; session?: string | undefined; limit?: number | undefined }

/** Those that stand first, the newest first. */
export async function listGrants(database: Queryable, of: GrantsOf): Promise<Grant[]> {
  const { user = null, session = null, limit = 100 } = of
  return await database.query<Grant>(
    `select ${COLUMNS} from approvals.grants
     where ($1::text is null or user_id = $1) and ($2::text is null or session = $2)
     order by (ended_at is null and until > clock_timestamp()) desc, given_at desc, id limit $3`,
    [user, session, limit],
  )
}

/** Ends one that stands; with `user` only theirs. Null when there is none. */
export async function endGrant(
  tx: Transaction,
  { id, user = null, by }: { id: string; user?: string | null; by: string },
): Promise<Grant | null> {
  const [row] = await tx.query<Grant>(
    `update approvals.grants set ended_at = clock_timestamp(), ended_by = $3
     where id = $1 and ($2::text is null or user_id = $2) and ended_at is null returning ${COLUMNS}`,
    [id, user, by],
  )
  return row ?? null
}

/** Ends those that were given for what is over. */
export async function endGrants(tx: Transaction, of: WithdrawnOf, by: string): Promise<void> {
  if ("ids" in of) return
  const { session = null, agent = null, user = null, instance = null } = of as { [name: string]: string }
  const through = (hop: object) => JSON.stringify([hop])
  await tx.query(
    `update approvals.grants g set ended_at = clock_timestamp(), ended_by = $7 from approvals.requests r
     where r.id = g.request and g.ended_at is null and g.until > clock_timestamp()
     and ($1::text is null or g.session = $1 or r.chain @> $2::jsonb)
     and ($3::text is null or g.agent = $3 or r.chain @> $4::jsonb)
     and ($5::text is null or g.user_id = $5) and ($6::text is null or g.instance = $6) returning g.id`,
    [session, through({ session }), agent, through({ agent }), user, instance, by],
  )
}

/** Forgets what those allowed that are long over. */
export async function forgetGrants(database: Queryable): Promise<void> {
  await database.query(
    `update approvals.grants set bounds = null
     where bounds is not null and least(ended_at, until) < clock_timestamp() - make_interval(secs => $1)`,
    [KEPT_SECONDS],
  )
}
