import { z } from "zod"
import { canonical, type Json } from "#kernel"
import type { CardFacts } from "../card/facts.ts"
import type { Statement } from "../statement.ts"
import { type OpenedEntry, refused } from "./entries.ts"

const named = z.looseObject({ name: z.string() })

/** What a card tells of that the log's entries tell of as well. */
const told = z.looseObject({
  operation: z.looseObject({ type: z.string(), name: z.string() }),
  resource: named,
  agent: named,
  through: z.array(z.string()),
  application: named.nullable(),
  purpose: named,
  user: z.looseObject({}).nullable(),
  arguments: z.array(z.looseObject({ name: z.string(), value: z.json() })),
  policies: z.array(z.string()),
})

/**
 * Holds what a card was drawn from against what was asked. People see the one and sign the other as well: a server that shows them a
 * small raise and has them sign a large one is found by this, and by nothing else that they signed. Throws `not-verified`.
 */
export function requireTold(
  given: Json,
  { requested, held, action }: { requested: OpenedEntry; held: OpenedEntry; action: Statement["action"] },
): CardFacts {
  const { data: facts } = told.safeParse(given)
  if (facts === undefined) throw something()
  const { operation, resource, agent, through, application, purpose, user, policies } = facts
  const { leaf } = requested
  const isApplication = application === null || application.name === leaf.application
  if (!isApplication || (user === null) !== (leaf.user === undefined)) throw something()
  const shown = {
    ...{ type: operation.type, operation: operation.name, resource: resource.name },
    ...{ agent: agent.name, through, purpose: purpose.name, policies },
    arguments: valuesOf(facts.arguments, action.arguments),
  }
  const asked = {
    ...{ type: action.type, operation: action.operation, resource: action.resource },
    ...{ agent: held.leaf.agent?.name ?? null, through: (leaf.chain ?? []).map((hop) => hop.agent) },
    ...{ purpose: leaf.purpose ?? null, policies: leaf.data?.["policies"] ?? [] },
    arguments: action.arguments,
  }
  if (canonical(shown) !== canonical(asked)) throw something()
  return given as unknown as CardFacts
}

/** Arguments by name, each once. What was not given may stand on the card as null. */
function valuesOf(
  shown: readonly { name: string; value: Json }[],
  given: { [name: string]: Json },
): { [name: string]: Json } {
  if (new Set(shown.map(({ name }) => name)).size < shown.length) throw something()
  const isThere = ({ name, value }: { name: string; value: Json }) => value !== null || Object.hasOwn(given, name)
  return Object.fromEntries(shown.filter(isThere).map(({ name, value }) => [name, value]))
}

function something() {
  return refused("the card told of something else than what was asked")
}
