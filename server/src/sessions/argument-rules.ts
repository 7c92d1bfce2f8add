import { type ArgumentRule, isOfForm, type SimpleRule } from "#agents"
import { canonical, type Json } from "#kernel"
import type { Evidence } from "./mandates/evidence.ts"
import { isShort, leadsIn } from "./mandates/leads.ts"
import { isNamed, isWithin, lookupOf, namesAny } from "./mandates/looked-up.ts"
import { type Part, partOf } from "./mandates/request-part.ts"
import { says, standsIn } from "./mandates/request-text.ts"

/** A value that an argument may be compared with. */
export type Scalar = string | number | boolean

/** What comes of a rule: it holds, it does not, or nobody can tell from what is trusted. */
export type Finding = "verified" | "failed" | "unverifiable"

/** Where a value that was verified comes from, or what it was held against. */
export type Origin =
  | ("constant" | "bound" | "form" | "absent" | "request" | "claim" | "parameter" | "made" | "lookup" | "approval")
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
  if ("anyOf" in rule) return best(rule.anyOf, value, restricted(evidence, rule.part))
  if (!("eachOf" in rule)) return { rule, ...checkOne(rule, value, evidence) }
  return checkEach(rule.eachOf, value, restricted(evidence, rule.part))
}

function checkEach(rules: readonly SimpleRule[], value: unknown, evidence: Evidence): Checked {
  // A list of nothing is none: whether it may be left out, the alternatives say.
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
    return best(rules, null, evidence)
  }
  if (!Array.isArray(value)) return { rule: rules[0]!, ...found("form", false) }
  const items = value.map((item) => (isScalar(item) ? best(rules, item, evidence) : null))
  if (items.length > MAX_ITEMS || items.includes(null)) return { rule: rules[0]!, ...found("form", false) }
  return items.reduce((worst, each) => (compareFindings(each!.finding, worst!.finding) < 0 ? each : worst))!
}

const MAX_ITEMS = 256

function restricted(evidence: Evidence, part: Part | undefined): Evidence {
  const { requestText } = evidence
  return part === undefined || requestText === null ? evidence : { ...evidence, requestText: partOf(requestText, part) }
}

function best(rules: readonly SimpleRule[], value: unknown, evidence: Evidence): Checked {
  const checked = rules.map((rule) => ({ rule, ...checkOne(rule, value, evidence) }))
  return checked.reduce((one, each) => (compareFindings(each.finding, one.finding) > 0 ? each : one))
}

type Found = { finding: Finding; origin: Origin }

function checkOne(rule: SimpleRule, value: unknown, evidence: Evidence): Found {
  if ("constant" in rule || "oneOf" in rule) return found("constant", holds(rule, value))
  if ("atMost" in rule || "atLeast" in rule) return found("bound", holds(rule, value))
  if ("pattern" in rule) return found("form", holds(rule, value))
  if ("absent" in rule) return found("absent", value === undefined || value === null)
  // Even when there is nothing to approve but that it was left out.
  if ("approval" in rule) return unverifiable("approval")
  const { requestText } = evidence
  if ("requestSays" in rule) return found("request", requestText === null ? null : says(requestText, rule.requestSays))
  if (!isScalar(value)) return { finding: "failed", origin: originOf(rule) }
  if ("inRequest" in rule) return found("request", requestText === null ? null : standsIn(requestText, value))
  if ("plainText" in rule) return found("form", isPlain(rule.plainText, value, requestText))
  if ("userClaim" in rule) return found("claim", among(own(evidence.user?.claims, rule.userClaim), String(value)))
  if ("parameter" in rule) {
    const wanted = own(evidence.parameters, rule.parameter)
    return found("parameter", wanted === undefined ? null : wanted === value)
  }
  if ("madeHere" in rule) return found("made", among(own(evidence.made, rule.madeHere), String(value)))
  return checkLookedUp(rule, value, evidence)
}

/** What needs a look-up, or may. */
function checkLookedUp(rule: SimpleRule, value: Scalar, { requestText, lookups }: Evidence): Found {
  const name = lookupOf(rule)
  const values = (name === null ? [] : own(lookups, name)) ?? null
  if ("fromSource" in rule) {
    // Nobody says where else it came from; who wrote what the request refers to is not known, so that it verifies nothing.
    if (requestText === null || says(requestText, rule.fromSource.words ?? [])) return unverifiable("request")
    return values === null || namesAny(requestText, values) ? unverifiable("request") : found("request", false)
  }
  if (values === null) return unverifiable("lookup")
  if ("lookedUp" in rule) return found("lookup", values.includes(value))
  if ("atMostLookedUp" in rule) return found("lookup", isWithin(value, values))
  if ("choice" in rule) return values.includes(value) ? unverifiable("lookup") : found("lookup", false)
  if ("named" in rule) return found("lookup", requestText === null ? null : isNamed(requestText, value, values))
  return { finding: "failed", origin: "constant" }
}

/** Null without a request, where something in it leads somewhere. */
function isPlain(atMost: number, value: Scalar, requestText: Evidence["requestText"]): boolean | null {
  if (!isShort(value, atMost)) return false
  const leads = leadsIn(value)
  if (leads.length === 0) return true
  return requestText === null ? null : leads.every((lead) => standsIn(requestText, lead))
}

/** True when `a` and nothing else of what `a` allows is out of `b`'s reach: whatever comes of `a`, nothing worse comes of `b`. */
export function implies(a: ArgumentRule, b: ArgumentRule): boolean {
  // Of different parts of a request nobody says which holds more: a name may be another's in a longer one.
  if (isOfPart(a) || isOfPart(b)) return canonical(a as Json) === canonical(b as Json)
  if ("anyOf" in a) return a.anyOf.every((each) => implies(each, b))
  if ("eachOf" in a) {
    return "eachOf" in b && a.eachOf.every((each) => b.eachOf.some((other) => implies(each, other)))
  }
  if ("eachOf" in b) return false
  if ("anyOf" in b) return b.anyOf.some((each) => implies(a, each))
  const values = valuesOf(a)
  if (values !== null) return values.every((value) => holds(b, value))
  if ("atMost" in a && "atMost" in b) return a.atMost <= b.atMost
  if ("atLeast" in a && "atLeast" in b) return a.atLeast >= b.atLeast
  if ("plainText" in a && "plainText" in b) return a.plainText <= b.plainText
  if ("requestSays" in a && "requestSays" in b) return a.requestSays.every((word) => b.requestSays.includes(word))
  return canonical(a as Json) === canonical(b as Json)
}

function isOfPart(rule: ArgumentRule): boolean {
  return ("anyOf" in rule || "eachOf" in rule) && rule.part !== undefined
}

/** True when the value satisfies a rule that needs no evidence; false for every other rule. */
function holds(rule: SimpleRule, value: unknown): boolean {
  const values = valuesOf(rule)
  if (values !== null) return values.some((allowed) => allowed === value)
  if ("atMost" in rule) return typeof value === "number" && value <= rule.atMost
  if ("atLeast" in rule) return typeof value === "number" && value >= rule.atLeast
  if ("pattern" in rule) return typeof value === "string" && isOfForm(rule.pattern, value)
  if ("plainText" in rule) return isShort(value, rule.plainText) && leadsIn(value).length === 0
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

function unverifiable(origin: Origin): Found {
  return { finding: "unverifiable", origin }
}

function found(origin: Origin, holds: boolean | null): Found {
  return { finding: holds === null ? "unverifiable" : holds ? "verified" : "failed", origin }
}

function originOf(rule: SimpleRule): Origin {
  if ("inRequest" in rule || "fromSource" in rule) return "request"
  if ("plainText" in rule) return "form"
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
