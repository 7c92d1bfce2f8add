import type { Id, Json } from "#kernel"

/** open → ended, once. */
export type SessionState = "open" | "ended"

/** ended: by its agent or an operator · lapsed: not renewed in time · expired: hard end · suspended: with its agent. */
export const endReasons = ["ended", "lapsed", "expired", "suspended"] as const
/** One of the reasons that a session ends for. */
export type EndReason = (typeof endReasons)[number]

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
  user: Json
  /** Hops of the delegation; empty for such a session. */
  chain: Json[]
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

/** What HTTP shows of a session: everything but its signed mandate. */
export function sessionView(session: Session) {
  const { id, agent, instance, purpose, state, endReason } = session
  return {
    id,
    agent,
    instance,
    purpose,
    state,
    endReason,
    openedAt: session.openedAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    hardEndAt: session.hardEndAt.toISOString(),
    lastUsedAt: session.lastUsedAt.toISOString(),
    endedAt: session.endedAt?.toISOString() ?? null,
  }
}
