import { givesCredentials, type ResourcesPart, requiresApproval } from "#credentials"
import { type ActionDetail, lookupOf, type Purpose, simpleRules } from "#sessions"

/** What rules of arguments may name; null where it is not known, as in an agent's ceiling, which is for many purposes. */
export type Named = {
  claims: ReadonlySet<string>
  parameters: ReadonlySet<string> | null
  lookups: ReadonlySet<string> | null
}

/**
 * What the rules of a detail name and there is not, in words, with its place beneath the detail: a rule that nothing can ever
 * verify would have every action asked about. Null when there is all of it.
 */
export function missingOf(detail: ActionDetail, named: Named): { path: string; problem: string } | null {
  for (const [argument, rules] of Object.entries(detail.arguments ?? {})) {
    for (const rule of rules.flatMap(simpleRules)) {
      const path = `arguments.${argument}`
      if ("userClaim" in rule && !named.claims.has(rule.userClaim)) {
        return { path, problem: `no provider maps a claim to "${rule.userClaim}".` }
      }
      if ("parameter" in rule && named.parameters?.has(rule.parameter) === false) {
        return { path, problem: `the purpose has no parameter "${rule.parameter}".` }
      }
      const lookup = lookupOf(rule)
      if (lookup !== null && named.lookups?.has(lookup) === false) {
        return { path, problem: `the purpose has no look-up "${lookup}".` }
      }
    }
  }
  return null
}

/**
 * The same of a purpose's look-ups. A look-up needs an operation of a resource and nothing in a ceiling or a mandate: those say
 * what the agent may do, and it is handed nothing of this. What allows it is the configuration alone.
 */
export function missingOfLookups(
  { lookups, parameters }: Pick<Purpose, "lookups" | "parameters">,
  resources: ResourcesPart,
  claims: ReadonlySet<string>,
): { path: string; problem: string } | null {
  for (const [name, { resource, operation, parameters: bound }] of Object.entries(lookups)) {
    const part = Object.hasOwn(resources, resource) ? resources[resource]! : null
    if (part === null) return { path: `${name}.resource`, problem: `there is no resource "${resource}".` }
    if (!givesCredentials(part) || !Object.hasOwn(part.operations, operation)) {
      return {
        path: `${name}.operation`,
        problem: `there is no operation "${operation}" of ${resource} that has a credential.`,
      }
    }
    if (requiresApproval(part, operation)) {
      return { path: `${name}.operation`, problem: `each ${operation} of ${resource} is for an approved action.` }
    }
    for (const [at, each] of bound.entries()) {
      const path = `${name}.parameters.${at}`
      if ("claim" in each && !claims.has(each.claim)) {
        return { path, problem: `no provider maps a claim to "${each.claim}".` }
      }
      if ("parameter" in each && !Object.hasOwn(parameters, each.parameter)) {
        return { path, problem: `the purpose has no parameter "${each.parameter}".` }
      }
    }
  }
  return null
}
