import type { Json } from "#kernel"
import { valuesOf } from "./claims.ts"
import type { ProviderDefinition } from "./part.ts"
import { type Payload, textOf } from "./token.ts"

/** An agent that acts for the user by a token that the provider issued to it (RFC 8693 §4.1). */
export type Delegated = {
  /** Our name for the agent. */
  agent: string
  /** What the provider calls it: the outermost `act.sub`. */
  actor: string
  /** Who acted before it, newest first. For the record only: they have no say in what is allowed. */
  before: string[]
}

/** An agent that may act for the user, and by which claim the provider says so. */
export type MayAct = { agent: string; claim: string }

type Rules = ProviderDefinition["delegatedTokens"]

const MAX_CHAIN = 8

/** Who acts by this token; null when the user does. Throws for an actor that the configuration does not know as an agent. */
export function delegatedBy(rules: Rules, issuer: string, payload: Payload): Delegated | null {
  if (payload["act"] === undefined) return null
  const chain = chainOf(payload["act"], issuer)
  const actor = chain[0]!
  if (rules === undefined || !Object.hasOwn(rules.agents, actor)) throw new Error("act is no agent of ours")
  if (actor === payload["sub"]) throw new Error("nobody delegates to themselves")
  return { agent: rules.agents[actor]!, actor, before: chain.slice(1) }
}

/** Every agent that the provider lets act for the user: by `may_act`, or by a scope that stands for it. */
export function mayActBy(rules: Rules, issuer: string, payload: Payload): MayAct[] {
  if (rules === undefined) return []
  const found: MayAct[] = []
  const allowed = payload[rules.mayActClaim]
  for (const each of Array.isArray(allowed) ? allowed : allowed === undefined ? [] : [allowed]) {
    const actor = actorOf(each, issuer)
    if (actor !== null && Object.hasOwn(rules.agents, actor)) {
      found.push({ agent: rules.agents[actor]!, claim: rules.mayActClaim })
    }
  }
  const scopes = [payload["scope"], payload["scp"]].flatMap((said) => scopesOf(said))
  for (const scope of new Set(scopes)) {
    if (Object.hasOwn(rules.scopes, scope)) found.push({ agent: rules.scopes[scope]!, claim: `scope ${scope}` })
  }
  return found
}

/** The outermost actor first. Throws for what is no chain of actors, or a long one. */
function chainOf(act: Json | undefined, issuer: string): string[] {
  const chain: string[] = []
  for (let at: Json | undefined = act; at !== undefined; ) {
    if (typeof at !== "object" || at === null || Array.isArray(at) || chain.length === MAX_CHAIN) {
      throw new Error("act is no chain of actors")
    }
    // Whom another issuer calls so is somebody else. Inner actors are not judged, and may be anybody's.
    if (chain.length === 0 && at["iss"] !== undefined && at["iss"] !== issuer)
      throw new Error("act is another issuer's")
    chain.push(textOf(at["sub"], "act.sub"))
    at = at["act"]
  }
  return chain
}

/** `{ sub, iss? }` (RFC 8693 §4.4), or a text. */
function actorOf(value: Json, issuer: string): string | null {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null
  const { sub, iss } = value
  return typeof sub === "string" && (iss === undefined || iss === issuer) ? sub : null
}

/** A list in one text (RFC 6749 §3.3), or a list. */
function scopesOf(said: Json | undefined): string[] {
  return typeof said === "string" ? said.split(" ") : (valuesOf({ said: said ?? null }, "said") ?? [])
}
