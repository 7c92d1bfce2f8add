import type { AgentPrincipal } from "#agents"
import type { Change, Draft } from "#audit"
import { type Database, type Id, isId, type Json, newId, Refusal, refusalCode } from "#kernel"
import type { ActionDetail } from "../action-details.ts"
import { attenuate, rootPurposeOf } from "../chain.ts"
import { draftOf } from "../lifecycle.ts"
import type { Beneath } from "../origin.ts"
import type { Purpose } from "../purposes.ts"
import type { Standing, Standings } from "../standings.ts"
import { over, unknownOffer } from "./refused.ts"
import { findOffer, forgetOffers, insertOffer, type Offer } from "./store.ts"

/** What is to be handed on, to whom: `to` is an agent as it is registered now. */
export type HandOn = {
  to: { id: Id<"agent">; name: string; purposes: readonly string[]; ceiling: unknown }
  /** Name of the purpose of the sub-session. */
  purpose: string
  details: ActionDetail[]
  lifetimeSeconds?: number | undefined
  hardEndSeconds?: number | undefined
}

/** The action that was decided, and the entry of the decision. */
export type Decided = { action: NonNullable<Draft["action"]>; entry: Id<"entry"> }

/** What sessions hand on. An offer is good once, within five minutes, while its session is open. */
export interface Delegations {
  /**
   * Offers a part of the caller's session to another agent. Throws `purpose-unknown` and what attenuate() does; its work
   * `session-ended`.
   */
  offer(caller: AgentPrincipal, parent: Standing, wanted: HandOn, decided: Decided): Change<Offer>
  /**
   * An offer to the caller's agent, and the session that made it, both read now. Throws `delegation-unknown`, also for another
   * agent's and for another registration of the name; `delegation-over`; `outside-mandate`.
   */
  find(id: string, caller: AgentPrincipal): Promise<Beneath>
  /** Forgets what ran out long ago. */
  forget(): Promise<void>
}

type Parts = { database: Database; standings: Standings; purpose: (name: string) => Purpose | null }

/** Opens them. */
export function openDelegations({ database, standings, purpose }: Parts): Delegations {
  return {
    offer(caller, parent, wanted, { action, entry }) {
      const { to, purpose: name, details: requested, lifetimeSeconds = null, hardEndSeconds = null } = wanted
      const served = purpose(name)
      if (served === null) throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force.")
      const maxDepthNow = purpose(rootPurposeOf(parent))?.chain.maxDepth ?? 0
      const { details } = attenuate({ parent, to, purpose: served, requested, maxDepthNow })
      const { session } = parent
      const offer = {
        ...{ id: newId("delegation"), session: session.id, agent: to.name, agentId: to.id, purpose: name, details },
        ...{ lifetimeSeconds, hardEndSeconds, entry },
      }
      return {
        async work(tx) {
          const made = await insertOffer(tx, offer)
          if (made === null) throw new Refusal("session-ended", "The session is over; nothing of it is handed on.")
          return made
        },
        entries: ({ id, expiresAt }) => [
          {
            ...draftOf(session, "sessions.delegation-offered", {
              by: caller.spiffeId,
              caller,
              data: { offer: id, to: to.name, for: name, expiresAt: expiresAt.toISOString() },
              // What an agent asks for may hold somebody's words.
              personal: { authorizationDetails: details as Json },
            }),
            action,
          },
        ],
      }
    },
    async find(id, caller) {
      const found = isId("delegation", id) ? await findOffer(database, id) : null
      if (found === null || found.agent !== caller.name || found.agentId !== caller.agentId) throw unknownOffer()
      const { isAccepted, hasExpired, ...offer } = found
      if (isAccepted || hasExpired) throw over()
      return { offer, parent: await stillStanding(standings, offer.session) }
    },
    forget: () => forgetOffers(database),
  }
}

async function stillStanding(standings: Standings, session: string): Promise<Standing> {
  try {
    return await standings.any(session)
  } catch (error) {
    const code = refusalCode(error) ?? ""
    throw ["session-ended", "session-expired", "session-unknown"].includes(code) ? over() : error
  }
}
