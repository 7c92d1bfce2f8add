import type { ArgumentRule, SimpleRule } from "#agents"
import { canonical, type Json } from "#kernel"
import type { Evidence } from "./mandates/evidence.ts"
import { standsIn } from "./mandates/request-text.ts"

/** A value that an argument may be compared with. */
export type Scalar = string | number | boolean

/** What comes of a rule: it holds, it does not, or nobody can tell from what is trusted. */
export type Finding = "verified" | "failed" | "unverifiable"

/** Where a value that was verified comes from, or what it was held against. */
export type Origin =
  | ("constant" | "bound" | "absent" | "request" | "claim" | "parameter" | "made" | "lookup" | "approval")
  /** It was verified when it was first allowed, and nobody kept it. */
  | "earlier"

/** A rule with what came of it; of alternatives, the one that decided. */
export type Checked = { finding: Finding; rule: SimpleRule; origin: Origin }

/** From the worst to the best. */
const ORDER: readonly Finding[] = ["failed", "unverifiable", "verified"]

/** Below zero when `a` is worse than `b`. */
export function compareFindings(a: Finding, b: Finding): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b)
}

/**
 * Holds a value against a rule, undefined for an argument that was not given. Trusts nothing but the rule and the evidence.
 * A kind that is not understood fails.
 */
export function check(rule: ArgumentRule, value: unknown, evidence: Evidence): Checked {
  if (!("anyOf" in rule)) return { rule, ...checkOne(rule, value, evidence) }
  const checked = rule.anyOf.map((each) => ({ rule: each, ...checkOne(each, value, evidence) }))
  return checked.reduce((best, each) => (compareFindings(each.finding, best.finding) > 0 ? each : best))
}

function checkOne(rule: SimpleRule, value: unknown, evidence: Evidence): { finding: Finding; origin: Origin } {
  if ("constant" in rule || "oneOf" in rule) return found("constant", holds(rule, value))
  if ("atMost" in rule || "atLeast" in rule) return found("bound", holds(rule, value))
  if ("absent" in rule) return found("absent", value === undefined || value === null)
  // Even when there is nothing to approve but that it was left out.
  if ("approval" in rule) return { finding: "unverifiable", origin: "approval" }
  if (!isScalar(value)) return { finding: "failed", origin: originOf(rule) }
  if ("inRequest" in rule) {
    const { requestText } = evidence
    return found("request", requestText === null ? null : standsIn(requestText, value))
  }
  if ("userClaim" in rule) return found("claim", among(own(evidence.user?.claims, rule.userClaim), String(value)))
  if ("parameter" in rule) {
    const wanted = own(evidence.parameters, rule.parameter)
    return found("parameter", wanted === undefined ? null : wanted === value)
  }
  if ("madeHere" in rule) return found("made", among(own(evidence.made, rule.madeHere), String(value)))
  if ("lookedUp" in rule) {
    const values = own(evidence.lookups, rule.lookedUp) ?? null
    return found("lookup", values === null ? null : values.includes(value))
  }
  return { finding: "failed", origin: "constant" }
}

/** True when `a` and nothing else of what `a` allows is out of `b`'s reach: whatever comes of `a`, nothing worse comes of `b`. */
export function implies(a: ArgumentRule, b: ArgumentRule): boolean {
  if ("anyOf" in a) return a.anyOf.every((each) => implies(each, b))
  if ("anyOf" in b) return b.anyOf.some((each) => implies(a, each))
  const values = valuesOf(a)
  if (values !== null) return values.every((value) => holds(b, value))
  if ("atMost" in a && "atMost" in b) return a.atMost <= b.atMost
  if ("atLeast" in a && "atLeast" in b) return a.atLeast >= b.atLeast
  return canonical(a as Json) === canonical(b as Json)
}

/** True when the value satisfies a rule that needs no evidence; false for every other rule. */
function holds(rule: SimpleRule, value: unknown): boolean {
  const values = valuesOf(rule)
  if (values !== null) return values.some((allowed) => allowed === value)
  if ("atMost" in rule) return typeof value === "number" && value <= rule.atMost
  if ("atLeast" in rule) return typeof value === "number" && value >= rule.atLeast
  return false
}

function valuesOf(rule: SimpleRule): Scalar[] | null {
  if ("constant" in rule) return [rule.constant]
  if ("oneOf" in rule) return rule.oneOf
  return null
}

/** Null: nothing is known that it could be one of. */
function among(texts: readonly string[] | undefined, text: string): boolean | null {
  return texts === undefined || texts.length === 0 ? null : texts.includes(text)
}

function found(origin: Origin, holds: boolean | null): { finding: Finding; origin: Origin } {
  return { finding: holds === null ? "unverifiable" : holds ? "verified" : "failed", origin }
}

function originOf(rule: SimpleRule): Origin {
  if ("inRequest" in rule) return "request"
  if ("userClaim" in rule) return "claim"
  if ("parameter" in rule) return "parameter"
  return "madeHere" in rule ? "made" : "lookup"
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
}

function own<Value>(named: { readonly [name: string]: Value } | undefined, name: string): Value | undefined {
  return named !== undefined && Object.hasOwn(named, name) ? named[name] : undefined
}
