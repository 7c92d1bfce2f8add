import { type Approval, digestOfJson, type Shown } from "#approvals"
import type { Json } from "#kernel"

/** What a provider may show of a request (RFC 9396): validated facts, and not a word of the agent's own. */
export function detailsFor({ id, facts, purpose, agent }: Approval): { [name: string]: Json } | null {
  if (facts === null) return null
  return {
    approval: id,
    actions: [`${facts.operation.type}:${facts.operation.name}`],
    locations: [facts.resource.name],
    agent,
    purpose,
    arguments: Object.fromEntries(facts.arguments.map(({ name, value }) => [name, value])),
  }
}

/**
 * What a provider's own page is called in a statement: not a card of ours, but whatever it makes of these details. The digest is
 * over them, whether or not that provider shows any.
 */
export function shownAtProvider(approval: Approval): Shown {
  return { version: "provider/1", locale: "und", digest: digestOfJson(detailsFor(approval)) }
}
