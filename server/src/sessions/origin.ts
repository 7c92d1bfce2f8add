import { Refusal } from "#kernel"
import { asBounds } from "./action-details.ts"
import { attenuate } from "./chain.ts"
import type { Offer } from "./delegations/store.ts"
import type { Opening } from "./lifecycle.ts"
import { type Compiled, compile } from "./mandate.ts"
import type { Purpose } from "./purposes.ts"
import type { Session } from "./session.ts"
import type { Standing } from "./standings.ts"

/** The offer that a sub-session is opened on, and the session that made it. */
export type Beneath = { offer: Offer; parent: Standing }

/** What a session is made of that comes from elsewhere: what it may do, for whom, and through whom. */
export type Origin = {
  compiled: Compiled
  of: Pick<Session, "user" | "application" | "delegation" | "providerSession" | "parent" | "chain">
}

/** Of a session of its own: the purpose within the agent's ceiling, and what a user granted. */
export function ownOrigin(purpose: Purpose, { caller, ceiling, delegation }: Opening): Origin {
  if (delegation === undefined && purpose.consent === "required") {
    throw new Refusal("consent-required", `A session for ${purpose.name} needs a user who delegates it.`)
  }
  const details = compile(purpose, [
    { name: `The ceiling of agent ${caller.name}`, details: ceiling },
    ...(delegation === undefined ? [] : [{ name: "What the user granted", details: asBounds(delegation.details) }]),
  ])
  const { user = null, application = null, requestText = null, parameters = {} } = delegation ?? {}
  return {
    compiled: { details, requestText, parameters, maxDepth: purpose.chain.maxDepth },
    of: {
      ...{ user, application, parent: null, chain: [] },
      ...{ delegation: delegation?.by ?? null, providerSession: delegation?.providerSession ?? null },
    },
  }
}

/**
 * Of a session beneath another: what was offered, as far as it can be handed on now. User, request and parameters are the
 * parent's: whoever hands on, or takes up, adds nothing to them.
 */
export function handedOrigin(
  purpose: Purpose,
  opening: Opening,
  { offer, parent }: Beneath,
  maxDepthNow: number,
): Origin {
  const { caller, purposes, ceiling } = opening
  const to = { name: caller.name, purposes, ceiling }
  const { details, chain, maxDepth } = attenuate({ parent, to, purpose, requested: offer.details, maxDepthNow })
  const { requestText, parameters } = parent.mandate
  const { id, user, application, delegation, providerSession } = parent.session
  return {
    compiled: { details, requestText, parameters, maxDepth },
    of: { user, application, delegation, providerSession, parent: id, chain },
  }
}
