import type { Id, Json, Queryable, Transaction } from "#kernel"
import type { Approval, Decided, NewRequest, Person } from "./request.ts"

/** Seconds after its end until what was asked and shown is forgotten here; the log keeps it. */
const KEPT_SECONDS = 86_400

const COLUMNS = `id, translate(encode(nonce, 'base64'), '+/=', '-_') as nonce, session, root, agent, spiffe_id as "spiffeId",
  instance, confirmation, purpose, user_id as "user", application, chain, action,
  policy_version as "policyVersion", policies, requirements, facts, bundle, entry, state, reason,
  requested_at as "requestedAt", expires_at as "expiresAt", decided_at as "decidedAt", use_before as "useBefore",
  used_at as "usedAt", used_by as "usedBy", used_key as "usedKey",
  state = 'requested' and expires_at > clock_timestamp() as "isOpen",
  state = 'approved' and used_at is null and use_before > clock_timestamp() as "isUsable",
  coalesce(greatest(use_before, used_at + interval '60 seconds') > clock_timestamp(), false) as "isRepeatable",
  coalesce((select jsonb_agg(jsonb_build_object('approver', d.approver, 'decision', d.decision, 'way', d.way,
    'countsFor', d.counts_for, 'standsFor', d.stands_for, 'decidedAt', d.decided_at) order by d.decided_at)
    from approvals.decisions d where d.request = requests.id), '[]') as decisions`

type Row = Omit<Approval, "decisions"> & { decisions: (Omit<Decided, "decidedAt"> & { decidedAt: string })[] }

function approvalOf(row: Row): Approval {
  return { ...row, decisions: row.decisions.map((each) => ({ ...each, decidedAt: new Date(each.decidedAt) })) }
}

/** Writes a request; it expires by the database's clock. */
export async function insertRequest(
  tx: Transaction,
  request: Omit<NewRequest, "expirySeconds"> & {
    id: Id<"approval">
    bundle: Id<"bundle">
    nonce: Buffer
    expirySeconds: number
  },
): Promise<Approval> {
  const { action } = request
  const [row] = await tx.query<Row>(
    `insert into approvals.requests (id, nonce, session, root, agent, spiffe_id, instance, confirmation, purpose, user_id,
       application, chain, action, action_id, action_digest, action_salt, policy_version, policies, requirements, facts,
       bundle, entry, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
       clock_timestamp() + make_interval(secs => $23)) returning ${COLUMNS}`,
    [
      request.id,
      request.nonce,
      request.session,
      request.root,
      request.agent,
      request.spiffeId,
      request.instance,
      JSON.stringify(request.confirmation),
      request.purpose,
      request.user,
      request.application,
      JSON.stringify(request.chain),
      JSON.stringify(action),
      action.id,
      action.digest,
      action.salt,
      request.policyVersion,
      JSON.stringify(request.policies),
      JSON.stringify(request.requirements),
      JSON.stringify(request.facts),
      request.bundle,
      request.entry,
      request.expirySeconds,
    ],
  )
  return approvalOf(row!)
}

/** Null when there is none of that id. */
export async function findRequest(database: Queryable, id: string): Promise<Approval | null> {
  const [row] = await database.query<Row>(`select ${COLUMNS} from approvals.requests where id = $1`, [id])
  return row === undefined ? null : approvalOf(row)
}

/** The same, held until the transaction ends: who decides waits for whoever decides now. */
export async function lockRequest(tx: Transaction, id: string): Promise<Approval | null> {
  await tx.query("select 1 from approvals.requests where id = $1 for update", [id])
  return await findRequest(tx, id)
}

/** Requests of a session for one operation that wait, or whose approval waits to be used. */
export async function pendingLike(
  database: Queryable,
  { session, instance, action }: { session: string; instance: string; action: { [name: string]: string } },
): Promise<Approval[]> {
  const rows = await database.query<Row>(
    `select ${COLUMNS} from approvals.requests where session = $1 and instance = $2 and action @> $3
     and ((state = 'requested' and expires_at > clock_timestamp())
       or (state = 'approved' and used_at is null and use_before > clock_timestamp())) order by requested_at`,
    [session, instance, JSON.stringify(action)],
  )
  return rows.map(approvalOf)
}

/** Requests on one card at the most, and seconds in which they come together. */
const MOST_ON_CARD = 20
const CARD_SECONDS = 60

/**
 * The card of requests that are alike and wait now: of one agent at work for one user's one purpose, the same operation, asked of
 * the same people under the same policies. Null when there is none with room; what is unusual stands alone.
 */
export async function cardFor(tx: Transaction, asked: NewRequest): Promise<Id<"bundle"> | null> {
  if (asked.facts.arguments.some(({ unusual }) => unusual !== null)) return null
  const { type, resource, operation } = asked.action
  const [row] = await tx.query<{ bundle: Id<"bundle"> }>(
    `select bundle from approvals.requests where agent = $1 and root = $2 and purpose = $3 and action @> $4
     and requirements = $5 and policy_version is not distinct from $6 and user_id is not distinct from $7
     and requested_at > clock_timestamp() - make_interval(secs => $8)
     group by bundle having count(*) < $9 and min(requested_at) > clock_timestamp() - make_interval(secs => $8)
     and bool_or(state = 'requested' and expires_at > clock_timestamp())
     and not bool_or(jsonb_path_exists(facts, '$.arguments[*].unusual ? (@ != null)'))
     order by min(requested_at) desc limit 1`,
    [
      asked.agent,
      asked.root,
      asked.purpose,
      JSON.stringify({ type, resource, operation }),
      JSON.stringify(asked.requirements),
      asked.policyVersion,
      asked.user,
      CARD_SECONDS,
      MOST_ON_CARD,
    ],
  )
  return row?.bundle ?? null
}

/** Whose requests are listed: all that a person may have a say in, one session's, an agent's, a card's, or all. */
export type RequestsOf = {
  person?: Person | undefined
  session?: string | undefined
  agent?: string | undefined
  bundle?: string | undefined
  state?: string | undefined
  /** At most; 100 unless told. */
  limit?: number | undefined
}

/** Newest first. */
export async function listRequests(database: Queryable, of: RequestsOf): Promise<Approval[]> {
  const { person, session = null, agent = null, bundle = null, state = null, limit = 100 } = of
  const members = person && [person, ...(person.inPlaceOf ?? []).map(({ member }) => member)]
  const asked = members?.map(({ provider, sub }) => JSON.stringify([{ members: [{ provider, subject: sub }] }]))
  const rows = await database.query<Row>(
    `select ${COLUMNS} from approvals.requests where ($1::text is null or user_id = $1 or requirements @> any($2::jsonb[]))
     and ($3::text is null or session = $3) and ($4::text is null or agent = $4) and ($5::text is null or bundle = $5)
     and ($6::text is null or state = $6) order by requested_at desc, id limit $7`,
    [person?.id ?? null, asked ?? null, session, agent, bundle, state, limit],
  )
  return rows.map(approvalOf)
}

/** What one person said of a request. */
export type NewDecision = {
  request: string
  approver: string
  decision: Decided["decision"]
  way: string
  countsFor: string[]
  standsFor: Decided["standsFor"]
}

/** False when they said something before. */
export async function insertDecision(tx: Transaction, decision: NewDecision): Promise<boolean> {
  const rows = await tx.query(
    `insert into approvals.decisions (request, approver, decision, way, counts_for, stands_for)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning request`,
    [
      ...[decision.request, decision.approver, decision.decision, decision.way],
      ...[JSON.stringify(decision.countsFor), JSON.stringify(decision.standsFor)],
    ],
  )
  return rows.length === 1
}

/** Ends a request that is locked, and open or now reported; with `useWithinSeconds` it may be used so long. */
export async function endRequest(
  tx: Transaction,
  id: string,
  to: { state: Approval["state"]; reason?: string | null; useWithinSeconds?: number },
): Promise<void> {
  await tx.query(
    `update approvals.requests set state = $2, reason = $3, decided_at = clock_timestamp(),
     use_before = clock_timestamp() + make_interval(secs => $4) where id = $1 and (state = 'requested' or $2 = 'reported')`,
    [id, to.state, to.reason ?? null, to.useWithinSeconds ?? null],
  )
}

/** Uses an approval up, once. False when it cannot be used (any more). */
export async function useRequest(
  tx: Transaction,
  use: { id: string; entry: string; key: string | null },
): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.requests set used_at = clock_timestamp(), used_by = $2, used_key = $3
     where id = $1 and state = 'approved' and used_at is null and use_before > clock_timestamp() returning id`,
    [use.id, use.entry, use.key],
  )
  return rows.length === 1
}

/** Takes a use back that nothing came of. */
export async function giveBackUse(tx: Transaction, { id, entry }: { id: string; entry: string }): Promise<void> {
  await tx.query(
    "update approvals.requests set used_at = null, used_by = null, used_key = null where id = $1 and used_by = $2",
    [id, entry],
  )
}

/** What ends requests that wait, and approvals that wait to be used; sessions and agents also where it was handed on through them. */
export type WithdrawnOf =
  | { session: string }
  | { agent: string }
  | { instance: string }
  /** Only as that agent's. */
  | { user: string; agent?: string }
  | { ids: readonly string[] }

/** Withdraws them. */
export async function withdrawRequests(tx: Transaction, of: WithdrawnOf, reason: string): Promise<Approval[]> {
  const {
    session = null,
    agent = null,
    user = null,
    ids = null,
    instance = null,
  } = of as { [of: string]: string | string[] }
  const through = (hop: object) => JSON.stringify([hop])
  const rows = await tx.query<Row>(
    `update approvals.requests set state = 'withdrawn', reason = $8, decided_at = clock_timestamp()
     where id in (
       select id from approvals.requests where state = 'requested'
       union all
       select id from approvals.requests where state = 'approved' and used_at is null and use_before > clock_timestamp())
     and ($1::text is null or session = $1 or chain @> $2::jsonb)
     and ($3::text is null or agent = $3 or chain @> $4::jsonb) and ($5::text is null or user_id = $5)
     and ($6::text[] is null or id = any($6)) and ($7::text is null or instance = $7) returning ${COLUMNS}`,
    [session, through({ session }), agent, through({ agent }), user, ids, instance, reason],
  )
  return rows.map(approvalOf)
}

/** Expires what nobody decided in time; of many servers each takes others. */
export async function expireRequests(tx: Transaction, limit: number): Promise<Approval[]> {
  const rows = await tx.query<Row>(
    `update approvals.requests set state = 'expired', decided_at = clock_timestamp() where id in (
       select id from approvals.requests where state = 'requested' and expires_at <= clock_timestamp()
       order by expires_at limit $1 for update skip locked) and state = 'requested' returning ${COLUMNS}`,
    [limit],
  )
  return rows.map(approvalOf)
}

/** Forgets what was asked and shown of those that are long over. */
export async function forgetRequests(database: Queryable): Promise<void> {
  await database.query(
    `update approvals.requests set action = null, facts = null where state <> 'requested' and action is not null
     and greatest(decided_at, used_at, use_before) < clock_timestamp() - make_interval(secs => $1)`,
    [KEPT_SECONDS],
  )
}

/** Milliseconds until the next one expires; null when none waits. */
export async function nextExpiryMs(database: Queryable): Promise<number | null> {
  const [row] = await database.query<{ ms: number | null }>(
    `select ceil(extract(epoch from min(expires_at) - clock_timestamp()) * 1000)::float8 as ms
     from approvals.requests where state = 'requested'`,
  )
  return row?.ms ?? null
}

/** A hint to whoever waits for the request. */
export async function announce(tx: Transaction, id: string): Promise<void> {
  await tx.query("select pg_notify('approvals_changed', $1)", [id])
}

/** Replaces the configuration's part. False when it was the same before. */
export async function writePart(tx: Transaction, definition: Json): Promise<boolean> {
  const rows = await tx.query(
    `insert into approvals.configuration as c (definition) values ($1)
     on conflict (only_one) do update set definition = excluded.definition where c.definition <> excluded.definition
     returning only_one`,
    [JSON.stringify(definition)],
  )
  return rows.length === 1
}

/** As it stands in the database: not checked; null before the first. */
export async function readPart(database: Queryable): Promise<unknown> {
  const [row] = await database.query<{ definition: unknown }>("select definition from approvals.configuration")
  return row?.definition ?? null
}
