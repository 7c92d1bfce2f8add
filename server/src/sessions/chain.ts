import { Refusal } from "#kernel"
import { type ActionDetail, asBounds, narrower, understood } from "./action-details.ts"
import { type Bounds, compile } from "./mandate.ts"
import type { Purpose } from "./purposes.ts"
import type { Hop } from "./session.ts"
import type { Standing } from "./standings.ts"

/** Whom a part of a session is handed on to, and what for; everything but `requested` as it is in force now. */
export type HandingOn = {
  parent: Standing
  to: { name: string; purposes: readonly string[]; ceiling: unknown }
  /** Of the sub-session. */
  purpose: Purpose
  /** What the parent's agent asks for; it only narrows. */
  requested: ActionDetail[]
  /** How far the purpose of the chain's first session may be handed on now; 0 when there is no such purpose any more. */
  maxDepthNow: number
}

/** What a sub-session is bounded by, beside its times. */
export type Attenuated = {
  details: ActionDetail[]
  /** Its own, the parent last. */
  chain: Hop[]
  /** What is signed into its mandate: never more than into the parent's. */
  maxDepth: number
}

/** Actions that are asked for at once at the most, each at one place: an agent asks, and every bound is searched for each. */
const MAX_PLACES = 1_024

/**
 * What is left when a session is handed on: the parent's mandate ∩ what is asked for ∩ the ceiling of the agent that gets it ∩
 * the template of its purpose. Whatever is asked for and cannot be handed on is refused and not left out silently; rules and
 * limits of all four are added. Throws `chain-too-deep`, `chain-cycle`, `purpose-not-allowed`, `consent-required`,
 * `delegation-too-wide`. Pure.
 */
export function attenuate({ parent, to, purpose, requested, maxDepthNow }: HandingOn): Attenuated {
  const { session, mandate } = parent
  const chain = [...session.chain, hopOf(parent)]
  const maxDepth = Math.min(mandate.maxDepth, maxDepthNow)
  if (chain.length > maxDepth) {
    const words = maxDepth === 0 ? "is not handed on" : `is handed on ${maxDepth} times at the most`
    throw new Refusal("chain-too-deep", `A session for ${rootPurposeOf(parent)} ${words}.`)
  }
  if (chain.some(({ agent }) => agent === to.name)) {
    throw new Refusal("chain-cycle", `The agent ${to.name} is in this chain already; nothing goes back to it.`)
  }
  if (!to.purposes.includes(purpose.name)) {
    throw new Refusal("purpose-not-allowed", `Agent ${to.name} may not serve purpose ${purpose.name}.`)
  }
  if (mandate.user === null && purpose.consent === "required") {
    throw new Refusal("consent-required", `A session for ${purpose.name} needs a user, and this one has none.`)
  }
  if (new Set(requested.flatMap(placesOf)).size > MAX_PLACES) {
    throw new Refusal(
      "delegation-too-wide",
      `No more than ${MAX_PLACES} actions, each at one place, are handed on at once.`,
    )
  }
  const bounds: Bounds = [
    { name: "The mandate of the session that hands it on", details: mandate.details },
    { name: "What is asked for", details: asBounds(requested) },
    { name: `The ceiling of agent ${to.name}`, details: to.ceiling },
  ]
  for (const bound of [{ name: `The purpose ${purpose.name}`, details: purpose.actions }, ...bounds]) {
    refuseLeftOut(requested, bound)
  }
  const details = compile(purpose, bounds)
  refuseLeftOut(requested, { name: "What all of them allow together", details })
  // So it is by how it was made; a mistake in that must not hand anything on.
  if (!narrower(details, mandate.details)) {
    throw new Refusal("delegation-too-wide", "What is asked for is not within the mandate of this session.")
  }
  return { details, chain, maxDepth }
}

/** The session as the sessions beneath it name it. */
export function hopOf({ session: { id, agent, instance } }: Standing): Hop {
  return { session: id, agent, instance }
}

/** Purpose of the chain's first session. */
export function rootPurposeOf({ session, ancestors }: Standing): string {
  return (ancestors[0]?.session ?? session).purpose
}

/** Everything that is asked for must be there at each place that it is asked for, within whatever rules. */
function refuseLeftOut(requested: readonly ActionDetail[], { name, details }: Bounds[number]): void {
  const places = new Set((understood(details) ?? []).flatMap(placesOf))
  const missing = requested.flatMap(placesOf).find((each) => !places.has(each))
  if (missing === undefined) return
  const what = `${name} does not include ${missing}, so it is not handed on. Ask for less.`
  throw new Refusal("delegation-too-wide", what)
}

/** Each action of a detail at each of its places, in words. */
function placesOf({ actions, locations }: ActionDetail): string[] {
  return actions.flatMap((action) => locations.map((location) => `${action} at ${location}`))
}
