import type { Draft } from "#audit"
import type { Id, Json } from "#kernel"
import type { Approved } from "./approved.ts"
import { type Binding, type Hop, linksOf, type Parameters, type Person } from "./behalf.ts"
import type { Evidence } from "./engine.ts"
import type { ResourcePart } from "./part.ts"

/**
 * intended: recorded, nothing at the resource yet · live: handed out · revoking: being taken away ·
 * revoked, expired: read back and gone · stuck: revoking failed for long; still tried, and an alarm.
 */
export type LeaseState = "intended" | "live" | "revoking" | "revoked" | "expired" | "stuck"

/** One credential, made for one session; the row holds everything that taking it away needs. */
export type Lease = {
  id: Id<"lease">
  session: string
  agent: string
  instance: string
  /** Certificate serial of the SVID that asked, hexadecimal. */
  svid: string
  purpose: string
  /** On whose behalf; null for the agent's own. */
  user: Id<"user"> | null
  /** Registered application that invoked the agent; null when none is known. */
  application: string | null
  /** Sessions that this one was handed on through, the first that was opened first. */
  chain: Hop[]
  /** Who the user is at their provider, and what it says of them; null without one, and when nothing is left at the resource. */
  person: Person | null
  /** Values of the purpose's parameters; none when nothing is left at the resource. */
  parameters: Parameters
  /** What it is made for alone; null where nobody was asked. Without the arguments when nothing is left at the resource. */
  approval: Approved | null
  resource: string
  operation: string
  part: ResourcePart
  state: LeaseState
  /** Name of the account at the resource, derived from the lease's id; at most 63 characters. */
  roleName: string
  /** The resource's own reference of the account, which no other account ever had; null until it is made. */
  roleOid: string | null
  sealed: string | null
  /** The purpose's look-up that the account was made for, whose credential nobody is handed; null for an agent's lease. */
  lookup: string | null
  idempotencyKey: string
  intendedAt: Date
  liveAt: Date | null
  expiresAt: Date
  hardEndAt: Date
  lastActiveAt: Date | null
  ending: string | null
  droppedAt: Date | null
  revokedAt: Date | null
  /** Failed tries to take it away. */
  attempts: number
  evidence: Evidence | Record<string, never>
  beginEntry: string | null
  /** Milliseconds from the database's clock to `expiresAt`, when the row was read. */
  remainingMs: number
}

/** Whose leases: one session's, an instance's, or all of an agent's, and all beneath them. Each name is that of a column. */
export type Whose = { session: string } | { instance: string } | { agent: string }

/** True for a lease of theirs, or of a session that they handed on. */
export function isTheirs(lease: Lease, whose: Whose): boolean {
  const names = Object.entries(whose) as ["session" | "instance" | "agent", string][]
  return [lease, ...lease.chain].some((hop) => names.every(([column, name]) => hop[column] === name))
}

/** What a listing is narrowed to. */
export type LeaseFilter = { session?: string; state?: string; instance?: string }

/** What a new row is made of; the rest has defaults. */
export type NewLease = Pick<
  Lease,
  | "id"
  | "session"
  | "agent"
  | "instance"
  | "svid"
  | "purpose"
  | "user"
  | "application"
  | "chain"
  | "person"
  | "parameters"
  | "approval"
  | "resource"
  | "operation"
  | "part"
  | "roleName"
  | "lookup"
> & { idempotencyKey: string; leaseSeconds: number; hardEndAt: Date }

/** The account's name at the resource: `sc_<deployment>_<lease id without its prefix>`, 38 characters. */
export function roleName(deployment: string, lease: Id<"lease">): string {
  return `${rolePrefix(deployment)}${lease.slice("lease_".length)}`
}

/** What every account of a deployment begins with. */
export function rolePrefix(deployment: string): string {
  return `sc_${deployment}_`
}

/** True when nothing of the lease can be left at the resource. */
export function hasEnded(lease: Lease): boolean {
  return lease.state === "revoked" || lease.state === "expired"
}

/** What the resource is told of a lease. */
export function bindingOf({ id, session, purpose, agent, user, person, ...lease }: Lease): Binding {
  const { application, chain, parameters, approval } = lease
  const known = user === null || person === null ? null : { ...person, id: user }
  return { lease: id, session, purpose, agent, user: known, application, chain: linksOf(chain), parameters, approval }
}

/** An entry about a lease: who it was for, and where. */
export function draftOf(lease: Lease, event: string, more: { by?: string; data?: Record<string, Json> } = {}): Draft {
  return {
    event,
    by: more.by ?? "server",
    agent: { name: lease.agent, instance: lease.instance, svid: lease.svid },
    session: lease.session,
    purpose: lease.purpose,
    ...(lease.user === null ? {} : { user: lease.user }),
    ...(lease.application === null ? {} : { application: lease.application }),
    ...(lease.chain.length === 0 ? {} : { chain: linksOf(lease.chain) }),
    data: {
      lease: lease.id,
      resource: lease.resource,
      operation: lease.operation,
      role: lease.roleName,
      ...(lease.approval === null ? {} : { approval: lease.approval.id }),
      ...(lease.lookup === null ? {} : { lookup: lease.lookup }),
      ...more.data,
    },
  }
}
