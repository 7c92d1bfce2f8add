import type { ActionDetail } from "#sessions"

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
    for (const rule of rules.flatMap((each) => ("anyOf" in each ? each.anyOf : [each]))) {
      const path = `arguments.${argument}`
      if ("userClaim" in rule && !named.claims.has(rule.userClaim)) {
        return { path, problem: `no provider maps a claim to "${rule.userClaim}".` }
      }
      if ("parameter" in rule && named.parameters?.has(rule.parameter) === false) {
        return { path, problem: `the purpose has no parameter "${rule.parameter}".` }
      }
      if ("lookedUp" in rule && named.lookups?.has(rule.lookedUp) === false) {
        return { path, problem: `the purpose has no look-up "${rule.lookedUp}".` }
      }
    }
  }
  return null
}
