import { bumpEpoch, type Id, type Queryable, type Transaction } from "#kernel"
import type { Agent, AgentDefinition, AgentState, Operator, OperatorRole } from "./principal.ts"
import type { PrincipalKind } from "./spiffe-id.ts"

/** One key that stands for an agent or operator, for good. */
export type Instance = {
  id: Id<"instance">
  kind: PrincipalKind
  /** Id of the agent or operator. */
  owner: string
  name: string
  keyThumbprint: string
}

/** Its public key: SubjectPublicKeyInfo, DER. */
export type EnrolledKey = { spki: Buffer }

/** One at a time in the whole deployment, until the transaction ends. */
export async function lock(tx: Transaction, what: "authority" | "registry"): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext($1))", [`agents.${what}`])
}

/** Every change of a registration: servers reload, and decisions made meanwhile are thrown away. */
export async function bumpRevision(tx: Transaction): Promise<void> {
  await tx.query("update agents.revision set revision = revision + 1")
  await bumpEpoch(tx)
}

/** The number that moves with every change of a registration. */
export async function readRevision(database: Queryable): Promise<number> {
  const [row] = await database.query<{ revision: number }>("select revision from agents.revision")
  return row!.revision
}

const AGENT = 'id, name, owner, description, purposes, ceiling, redirect_uris as "redirectUris", backchannel, state'

/** Every agent, retired ones too; the newest registration of a name last. */
export async function readAgents(database: Queryable): Promise<Agent[]> {
  const rows = await database.query<AgentRow>(`select ${AGENT} from agents.agents order by name, created_at`)
  return rows.map(agentOf)
}

type AgentRow = Omit<Agent, "backchannel"> & { backchannel: Agent["backchannel"] | null }

/** One that may not ask by CIBA says nothing of it, as its configuration does. */
function agentOf({ backchannel, ...agent }: AgentRow): Agent {
  return backchannel === null ? agent : { ...agent, backchannel }
}

/** The registration of that name that is not retired, locked against a change of its state; null when there is none. */
export async function readAgent(tx: Transaction, name: string): Promise<Agent | null> {
  const [row] = await tx.query<AgentRow>(
    `select ${AGENT} from agents.agents where name = $1 and state <> 'retired' for share`,
    [name],
  )
  return row === undefined ? null : agentOf(row)
}

/** Registers an agent, active. */
export async function insertAgent(tx: Transaction, id: Id<"agent">, name: string, to: AgentDefinition): Promise<void> {
  await tx.query(
    `insert into agents.agents (id, name, owner, description, purposes, ceiling, redirect_uris, backchannel)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [id, name, ...valuesOf(to)],
  )
}

/** Takes over another definition; the state stays. */
export async function updateAgent(tx: Transaction, id: string, to: AgentDefinition): Promise<void> {
  await tx.query(
    `update agents.agents set owner = $2, description = $3, purposes = $4, ceiling = $5, redirect_uris = $6,
       backchannel = $7, changed_at = now() where id = $1`,
    [id, ...valuesOf(to)],
  )
}

function valuesOf({ owner, description, purposes, ceiling, redirectUris, backchannel }: AgentDefinition): unknown[] {
  const asked = backchannel === undefined ? null : JSON.stringify(backchannel)
  return [owner, description, purposes, JSON.stringify(ceiling), redirectUris, asked]
}

/** Moves an agent to that state. */
export async function setAgentState(tx: Transaction, id: string, state: AgentState): Promise<void> {
  await tx.query("update agents.agents set state = $2, changed_at = now() where id = $1", [id, state])
}

const OPERATOR = `id, name, roles, state, user_id as "user"`

/** Every operator, retired ones too; the newest of a name last. */
export async function readOperators(database: Queryable): Promise<Operator[]> {
  return await database.query<Operator>(`select ${OPERATOR} from agents.operators order by name, created_at`)
}

/** Names an operator, active. */
export async function insertOperator(tx: Transaction, operator: Omit<Operator, "state" | "user">): Promise<void> {
  await tx.query("insert into agents.operators (id, name, roles) values ($1, $2, $3)", [
    operator.id,
    operator.name,
    operator.roles,
  ])
}

/** Replaces an operator's roles. */
export async function setOperatorRoles(tx: Transaction, id: string, roles: OperatorRole[]): Promise<void> {
  await tx.query("update agents.operators set roles = $2, changed_at = now() where id = $1", [id, roles])
}

/** Ends an operator for good. */
export async function retireOperator(tx: Transaction, id: string): Promise<void> {
  await tx.query("update agents.operators set state = 'retired', changed_at = now() where id = $1", [id])
}

/** True when an active operator has an instance, or a token that could still make one. */
export async function hasOperator(tx: Transaction): Promise<boolean> {
  const [row] = await tx.query<{ found: boolean }>(
    `select exists (
       select from agents.operators o where o.state = 'active' and (
         exists (select from agents.instances i where i.owner = o.id)
         or exists (select from agents.join_tokens t where t.owner = o.id and t.used_at is null and t.expires_at > now())
       )) as found`,
  )
  return row!.found
}

/** A join token as its table has it: everything but itself. */
export type TokenRow = { hash: Buffer; kind: PrincipalKind; owner: string; createdBy: string; lifetimeSeconds: number }

/** Stores the token's hash and says when it expires, by the database's clock. */
export async function insertToken(tx: Transaction, token: TokenRow): Promise<Date> {
  const [row] = await tx.query<{ expires_at: Date }>(
    `insert into agents.join_tokens (hash, kind, owner, created_by, expires_at)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5)) returning expires_at`,
    [token.hash, token.kind, token.owner, token.createdBy, token.lifetimeSeconds],
  )
  return row!.expires_at
}

/** Whose token it is, while this key can use it or has; null for one used by another key, expired or unknown. Uses nothing up. */
export async function findToken(database: Queryable, hash: Buffer, keyThumbprint: string): Promise<TokenOwner | null> {
  const [row] = await database.query<TokenOwner>(
    `select t.kind, t.owner, coalesce(a.name, o.name) as name, coalesce(a.state, o.state) as state
     from agents.join_tokens t
     left join agents.agents a on t.kind = 'agent' and a.id = t.owner
     left join agents.operators o on t.kind = 'operator' and o.id = t.owner
     where t.hash = $1 and (t.used_at is null or t.used_by_key = $2) and t.expires_at > now()`,
    [hash, keyThumbprint],
  )
  return row ?? null
}

/** The instance that this token made of this key, while the token lives; null when there is none. */
export async function findEnrolled(
  tx: Transaction,
  hash: Buffer,
  keyThumbprint: string,
): Promise<Id<"instance"> | null> {
  const [row] = await tx.query<{ id: Id<"instance"> }>(
    `select i.id from agents.join_tokens t join agents.instances i on i.key_thumbprint = t.used_by_key
     where t.hash = $1 and t.used_by_key = $2 and t.expires_at > now() and i.revoked_at is null`,
    [hash, keyThumbprint],
  )
  return row?.id ?? null
}

/** Whom a join token makes an instance of. */
export type TokenOwner = { kind: PrincipalKind; owner: string; name: string; state: AgentState }

/** Uses the token up; false when another was faster or it expired. Atomic: of many at once, one gets true. */
export async function useToken(tx: Transaction, hash: Buffer, keyThumbprint: string): Promise<boolean> {
  const rows = await tx.query(
    `update agents.join_tokens set used_at = now(), used_by_key = $2
     where hash = $1 and used_at is null and expires_at > now() returning hash`,
    [hash, keyThumbprint],
  )
  return rows.length === 1
}

/** State of an agent or operator, locked against a change of it until the transaction ends. */
export async function lockOwner(tx: Transaction, kind: PrincipalKind, id: string): Promise<AgentState> {
  const table = kind === "agent" ? "agents.agents" : "agents.operators"
  const [row] = await tx.query<{ state: AgentState }>(`select state from ${table} where id = $1 for share`, [id])
  return row?.state ?? "retired"
}

/** False when the key already stands for an instance. */
export async function insertInstance(tx: Transaction, instance: Instance & EnrolledKey): Promise<boolean> {
  const rows = await tx.query(
    `insert into agents.instances (id, kind, owner, name, key_thumbprint, spki) values ($1, $2, $3, $4, $5, $6)
     on conflict (key_thumbprint) do nothing returning id`,
    [instance.id, instance.kind, instance.owner, instance.name, instance.keyThumbprint, instance.spki],
  )
  return rows.length === 1
}

/** The instance that the key stands for; null when it is not enrolled. */
export async function findInstance(database: Queryable, keyThumbprint: string): Promise<Instance | null> {
  const [row] = await database.query<Instance>(
    `select id, kind, owner, name, key_thumbprint as "keyThumbprint" from agents.instances where key_thumbprint = $1`,
    [keyThumbprint],
  )
  return row ?? null
}

/** Notes the public key of an instance that was enrolled when none was noted. */
export async function noteKey(tx: Transaction, id: string, { spki }: EnrolledKey): Promise<void> {
  await tx.query("update agents.instances set spki = $2 where id = $1 and spki is null", [id, spki])
}

/** The public key of an instance that is not revoked; null where none is noted, or there is no such instance. */
export async function findKey(database: Queryable, id: string): Promise<Buffer | null> {
  const [row] = await database.query<{ spki: Buffer | null }>(
    "select spki from agents.instances where id = $1 and revoked_at is null",
    [id],
  )
  return row?.spki ?? null
}

/** Instances of agents that were revoked. */
export async function readRevoked(database: Queryable): Promise<{ agent: string; instance: string }[]> {
  return await database.query(
    "select name as agent, id as instance from agents.instances where revoked_at is not null and kind = 'agent'",
  )
}

/** False when it was revoked before; null when none of the owners has such an instance. */
export async function revokeInstance(tx: Transaction, id: string, owners: readonly string[]): Promise<boolean | null> {
  const [found] = await tx.query<{ isRevoked: boolean }>(
    `select revoked_at is not null as "isRevoked" from agents.instances where id = $1 and owner = any ($2)`,
    [id, owners],
  )
  if (found === undefined) return null
  if (!found.isRevoked) await tx.query("update agents.instances set revoked_at = now() where id = $1", [id])
  return !found.isRevoked
}

/** An instance as listings show it. */
export type InstanceListing = {
  id: string
  owner: string
  enrolledAt: Date
  revokedAt: Date | null
  svidNotAfter: Date | null
}

/** Every instance, the oldest first. */
export async function listInstances(database: Queryable): Promise<InstanceListing[]> {
  return await database.query<InstanceListing>(
    `select i.id, i.owner, i.enrolled_at as "enrolledAt", i.revoked_at as "revokedAt", max(s.not_after) as "svidNotAfter"
     from agents.instances i left join agents.svids s on s.instance = i.id
     group by i.id order by i.enrolled_at`,
  )
}

/** Notes an issued certificate; `instance` is null for a server's own. */
export async function insertSvid(
  tx: Transaction,
  svid: { serial: string; instance: string | null; spiffeId: string; notAfterMs: number },
): Promise<void> {
  await tx.query("insert into agents.svids (serial, instance, spiffe_id, not_after) values ($1, $2, $3, $4)", [
    svid.serial,
    svid.instance,
    svid.spiffeId,
    new Date(svid.notAfterMs),
  ])
}

/** The SVID of an instance that ends last. */
export async function findLastSvid(database: Queryable, instance: string): Promise<LastSvid> {
  const [row] = await database.query<{ serial: string; not_after: Date }>(
    "select serial, not_after from agents.svids where instance = $1 order by not_after desc limit 1",
    [instance],
  )
  // Enrolment writes the first one together with the instance, and the last one is kept.
  return { serial: row!.serial, notAfterMs: row!.not_after.getTime() }
}

/** Serial, lower-case hexadecimal, and end of an SVID. */
export type LastSvid = { serial: string; notAfterMs: number }

/** Forgets SVIDs and tokens that ended a week ago; the log remembers them. Keeps each instance's last SVID. */
export async function prune(database: Queryable): Promise<void> {
  await database.query("delete from agents.join_tokens where expires_at < now() - interval '7 days'")
  await database.query(
    `delete from agents.svids s where not_after < now() - interval '7 days' and (instance is null
       or exists (select from agents.svids later where later.instance = s.instance and later.not_after > s.not_after))`,
  )
}
