import type { AgentPrincipal } from "#agents"
import { canonical, refusalCode } from "#kernel"
import type { Evidence, Mandate, Purpose, Standing } from "#sessions"
import { actionReference, nameAction } from "./action.ts"
import type { Rooms } from "./rooms.ts"

type Definition = Purpose["lookups"][string]

/**
 * What the look-ups of those names find now, for one decision. Null for one that found nothing certain, whatever the reason:
 * what it should have said is then unverifiable.
 */
export async function lookUpAll(
  rooms: Rooms,
  caller: AgentPrincipal,
  standing: Standing,
  names: readonly string[],
): Promise<Evidence["lookups"]> {
  const found = names.map(async (name) => [name, await lookUp(rooms, caller, standing, name)] as const)
  return Object.fromEntries(await Promise.all(found))
}

/**
 * We ask, not the agent: with the rights of the operation that the purpose names, as this session and its user have them. The
 * agent's ceiling and the mandate need not include that operation, because nothing of it reaches the agent but the decision; the
 * query is the configuration's, and what is bound to it the user's and the application's.
 */
async function lookUp(rooms: Rooms, caller: AgentPrincipal, standing: Standing, name: string) {
  const { session, mandate } = standing
  const { id, purpose, user, application, chain, hardEndAt } = session
  try {
    const definition = definitionOf(rooms, standing, name)
    const values = definition === null ? null : boundTo(definition, mandate)
    if (definition === null || values === null) return null
    const { resource, operation, query } = definition
    const action = actionReference(nameAction({ type: "credential", resource, operation, arguments: {} }))
    const behalf = { user, application, chain, parameters: mandate.parameters }
    return await rooms.credentials.lookUp({
      ...{ session: id, purpose, behalf, caller, action, hardEndAt },
      ...{ name, query, values },
    })
  } catch (error) {
    const { code = null } = ((error as Error).cause ?? {}) as { code?: string }
    rooms.log.warn("a value could not be looked up", { lookup: name, purpose, refusal: refusalCode(error), code })
    return null
  }
}

/**
 * What the name stands for in every purpose of the chain that has it: rules of those above are held against the same values.
 * Null where they do not agree.
 */
function definitionOf({ sessions }: Rooms, { session, ancestors }: Standing, name: string): Definition | null {
  const definitions = [...ancestors.map((each) => each.session.purpose), session.purpose].flatMap((purpose) => {
    const lookups = sessions.purpose(purpose)?.lookups ?? {}
    return Object.hasOwn(lookups, name) ? [lookups[name]!] : []
  })
  const [first, ...others] = definitions
  return first !== undefined && others.every((each) => canonical(each) === canonical(first)) ? first : null
}

/** Null when one is not there, or has more than one value. */
function boundTo({ parameters }: Definition, mandate: Mandate): string[] | null {
  const own = <Value>(named: { readonly [name: string]: Value } = {}, name: string) =>
    Object.hasOwn(named, name) ? named[name] : undefined
  const values = parameters.map((each) => {
    if ("parameter" in each) return own(mandate.parameters, each.parameter)
    const claim = own(mandate.user?.claims, each.claim) ?? []
    return claim.length === 1 ? claim[0] : undefined
  })
  return values.every((value) => value !== undefined) ? values.map(String) : null
}
