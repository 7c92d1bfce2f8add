import { z } from "zod"

/** What an argument may be compared with. Lists and objects never satisfy a rule. */
const scalar = z.union([z.string().max(1_000), z.number(), z.boolean()])
type Scalar = z.infer<typeof scalar>

/**
 * One thing that must hold of an argument. A kind is its only member, so that a kind which this version does not know is
 * refused, not skipped. Later kinds (stands in the user's request, looked up, made in this session) are added to this list,
 * to holds() and to implies().
 */
export const ruleSchema = z.union([
  z.strictObject({ constant: scalar }),
  z.strictObject({ oneOf: z.array(scalar).min(1).max(256) }),
  z.strictObject({ atMost: z.number() }),
])
/** A parsed rule. */
export type Rule = z.infer<typeof ruleSchema>

/** All rules of an argument must hold. */
export const rulesSchema = z.array(ruleSchema).min(1).max(64)

/** True when the value satisfies the rule; false for a kind or a value that is not understood. */
export function holds(rule: Rule, value: unknown): boolean {
  const values = valuesOf(rule)
  if (values !== null) return values.some((allowed) => allowed === value)
  if ("atMost" in rule) return typeof value === "number" && value <= rule.atMost
  return false
}

/** True when every value that satisfies `a` satisfies `b`. May be false where it holds, never true where it does not. */
export function implies(a: Rule, b: Rule): boolean {
  const values = valuesOf(a)
  if (values !== null) return values.every((value) => holds(b, value))
  if ("atMost" in a && "atMost" in b) return a.atMost <= b.atMost
  return false
}

function valuesOf(rule: Rule): Scalar[] | null {
  if ("constant" in rule) return [rule.constant]
  if ("oneOf" in rule) return rule.oneOf
  return null
}
