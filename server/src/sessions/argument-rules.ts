import type { ArgumentRule } from "#agents"

/** A value that an argument may be compared with. */
type Scalar = string | number | boolean

/** True when the value satisfies the rule; false for a kind or a value that is not understood. */
export function holds(rule: ArgumentRule, value: unknown): boolean {
  const values = valuesOf(rule)
  if (values !== null) return values.some((allowed) => allowed === value)
  if ("atMost" in rule) return typeof value === "number" && value <= rule.atMost
  return false
}

/** True when every value that satisfies `a` satisfies `b`. May be false where it holds, never true where it does not. */
export function implies(a: ArgumentRule, b: ArgumentRule): boolean {
  const values = valuesOf(a)
  if (values !== null) return values.every((value) => holds(b, value))
  if ("atMost" in a && "atMost" in b) return a.atMost <= b.atMost
  return false
}

function valuesOf(rule: ArgumentRule): Scalar[] | null {
  if ("constant" in rule) return [rule.constant]
  if ("oneOf" in rule) return rule.oneOf
  return null
}
