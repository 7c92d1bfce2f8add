import type { Id } from "#kernel"
import type { DelegatedBy } from "./delegation.ts"
import type { User } from "./user.ts"

/** open → ended, once. */
export type SessionState = "open" | "ended"

/**
 * ended: by its agent or an operator · lapsed: not renewed in time · expired: hard end · suspended: with its agent ·
 * withdrawn: by its user · logged-out: by the user's provider · parent-ended: with the session that handed it on.
 */
export const endReasons = [
  "ended",
  "lapsed",
  "expired",
  "suspended",
  "withdrawn",
  "logged-out",
  "parent-ended",
] as const
/** One of the reasons that a session ends for. */
export type EndReason = (typeof endReasons)[number]

/** A session that handed a part of its mandate on, and whose it is. */
export type Hop = { session: Id<"session">; agent: string; instance: string }

/** One agent instance, at work for one purpose. Times are the database's. */
export type Session = {
  id: Id<"session">
  /** Name of the agent. */
  agent: string
  /** Id of the one instance that may use it. */
  instance: string
  /** Certificate serial of the SVID that opened it, hexadecimal. */
  svid: string
  purpose: string
  /** Compact JWS; mandate.ts reads it. */
  mandate: string
  /** Who delegated; null for a session that an agent opened with its own key. */
  user: User | null
  /** Registered application that invoked the agent; null when none is known. */
  application: string | null
  /** How the user delegated; null without one. In a sub-session, how it was delegated to the first of the chain. */
  delegation: DelegatedBy | null
  /** Id of the user's session at the provider, when it named one. */
  providerSession: string | null
  /** The session that handed this one on; the last of the chain. */
  parent: Id<"session"> | null
  /** Sessions that it was handed on through, the first that was opened first; empty for a session of its own. */
  chain: Hop[]
  lifetimeSeconds: number
  /** Unused for longer, it is not renewed. */
  idleSeconds: number
  /** Longest life of a credential before it is renewed. */
  leaseSeconds: number
  state: SessionState
  endReason: EndReason | null
  openedAt: Date
  expiresAt: Date
  hardEndAt: Date
  lastUsedAt: Date
  endedAt: Date | null
}

/** The first session of the chain that this one belongs to: itself, when nobody handed it on. */
export function rootOf({ id, chain }: Pick<Session, "id" | "chain">): Id<"session"> {
  return chain[0]?.session ?? id
}

/** What HTTP shows of a session: everything but its signed mandate. */
export function sessionView(session: Session) {
  const { id, agent, instance, purpose, user, application, parent, chain, state, endReason } = session
  return {
    id,
    agent,
    instance,
    purpose,
    user: user === null ? null : { id: user.id, provider: user.provider, iss: user.iss, sub: user.sub },
    application,
    parent,
    chain: chain.map(({ session: of, agent: name }) => ({ session: of, agent: name })),
    state,
    endReason,
    openedAt: session.openedAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    hardEndAt: session.hardEndAt.toISOString(),
    lastUsedAt: session.lastUsedAt.toISOString(),
    endedAt: session.endedAt?.toISOString() ?? null,
  }
}

/** What an entry says of a session, beside who acted: whose it is, what for, and through whom. */
export function aboutSession({ id, purpose, user, application, chain }: Session) {
  return {
    session: id,
    purpose,
    ...(user === null ? {} : { user: user.id }),
    ...(application === null ? {} : { application }),
    ...(chain.length === 0 ? {} : { chain: chain.map(({ session, agent }) => ({ session, agent })) }),
  }
}
