import type { Id } from "#kernel"
import type { Approved } from "./approved.ts"

/** A person as a resource's own rules know them: issuer and subject (OpenID Connect Core §2), and mapped claims. */
export type Person = { iss: string; sub: string; claims: { [name: string]: string[] } }

/** A session that handed a part of what it might do on to the next, and its agent. */
export type Link = { session: Id<"session">; agent: string }

/** The same with the one instance whose session it is: what is taken away from that is taken away from all beneath. */
export type Hop = Link & { instance: string }

/** Values of parameters that a purpose declares, as trusted as the user's own words. */
export type Parameters = { [name: string]: string | number | boolean }

/** On whose behalf a lease is made, as its session has it. */
export type Behalf = {
  /** Null in a session that an agent opened with its own key. */
  user: (Person & { id: Id<"user"> }) | null
  /** Registered application that invoked the agent; null when none is known. */
  application: string | null
  /** Sessions that this one was handed on through, the first that was opened first. */
  chain: readonly Hop[]
  parameters?: Parameters
}

/** Nobody's but the agent's. */
export const OWN: Behalf = { user: null, application: null, chain: [] }

/** Whose an account at a resource is. */
export type Binding = Omit<Required<Behalf>, "chain"> & {
  lease: Id<"lease">
  session: string
  purpose: string
  agent: string
  chain: readonly Link[]
  /** What it is made for alone; null where nobody was asked. */
  approval: Approved | null
}

/** A chain as it is told of: which sessions, and whose. */
export function linksOf(chain: readonly Hop[]): Link[] {
  return chain.map(({ session, agent }) => ({ session, agent }))
}
