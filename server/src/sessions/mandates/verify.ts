import type { SimpleRule } from "#agents"
import {
  type ActionDetail,
  type AskedAction,
  declaredSinks,
  ruledNames,
  rulesOf,
  understood,
} from "../action-details.ts"
import { check, compareFindings, type Finding, type Origin } from "../argument-rules.ts"
import { type Evidence, noEvidence } from "./evidence.ts"
import { type Charge, chargesOf } from "./limits.ts"
import { lookupOf, simpleRules } from "./looked-up.ts"

/** What came of one argument, by which rule, and where its value comes from. */
export type SinkFound = {
  finding: Finding
  rule: SimpleRule
  origin: Origin
  /** False for a bound that is no sink: that it holds says nothing of where the effect lands. */
  isSink: boolean
}

/** What came of an action under a list of details. */
export type Verified = {
  /** `failed` also when nothing covers the action, and when all that does is used up. */
  finding: Finding
  /** Each argument that has a rule, or needs one, in the detail that decided; empty where nothing covers the action. */
  sinks: { readonly [argument: string]: SinkFound }
  /** Why it failed; null when it did not. */
  because: "not-covered" | "arguments" | "used-up" | null
  /** What the action takes of limits when it happens. */
  charges: Charge[]
  /** What the session has seen from then on. */
  labels: string[]
}

/** True when as much as that is left of a limit. */
export type Fits = (charge: Charge) => boolean

/**
 * Holds an action against details, what any of which allows is allowed. Of several that do, the one decides under which most is
 * verified; what it is labelled with, all of them say. Total: what does not parse allows nothing. Pure.
 */
export function verify(
  details: unknown,
  asked: AskedAction,
  evidence: Evidence = noEvidence,
  fits: Fits = () => true,
): Verified {
  const found = covering(details, asked)
  if (found.length === 0) return failed("not-covered", {})
  if (found.every(boundsNothing)) {
    return { finding: "verified", sinks: {}, because: null, charges: [], labels: labelsOf(found) }
  }
  const examined = found.map((detail) => examine(detail, asked, evidence))
  const allowing = examined.filter(({ finding }) => finding !== "failed")
  const fitting = allowing.filter(({ charges }) => charges.every(fits))
  const { finding, sinks, charges } = (fitting.length > 0 ? fitting : examined).reduce(better)
  if (fitting.length === 0) return failed(allowing.length > 0 ? "used-up" : "arguments", sinks)
  return { finding, sinks, because: null, charges, labels: labelsOf(allowing.map(({ detail }) => detail)) }
}

/** True when a detail allows the action, or would with the user's approval. What does not parse allows nothing. */
export function allows(details: unknown, asked: AskedAction, evidence: Evidence = noEvidence): boolean {
  return verify(details, asked, evidence, ({ amount, atMost }) => amount <= atMost).finding !== "failed"
}

/**
 * The same for what these details allowed before, with arguments that nobody kept: they were verified then, and a mandate does
 * not change. Takes of no limit, because nothing happens that did not.
 */
export function verifiedEarlier(details: unknown, asked: AskedAction): Verified {
  const found = covering(details, asked)
  if (found.length === 0) return failed("not-covered", {})
  const sinks = found.flatMap((detail) =>
    ruledNames(detail).map((name): [string, SinkFound] => {
      const rule = rulesOf(detail, name).flatMap(simpleRules)[0]!
      return [name, { finding: "verified", rule, origin: "earlier", isSink: declaredSinks(detail).includes(name) }]
    }),
  )
  return { finding: "verified", sinks: Object.fromEntries(sinks), because: null, charges: [], labels: labelsOf(found) }
}

/** What has to be found out before an action is held against details. */
export type Needs = {
  /** Kinds of objects that may have been made in the session. */
  kinds: string[]
  /** Names of look-ups. */
  lookups: string[]
  /** Limits of which it must be known how much is left. */
  charges: Charge[]
}

/** What verify() will look at for this action; mostly nothing, and then no decision waits for a read. */
export function needsOf(details: unknown, asked: AskedAction): Needs {
  const found = covering(details, asked)
  if (found.every(boundsNothing)) return NOTHING
  const rules = found.flatMap((detail) =>
    Object.values(detail.arguments ?? {})
      .flat()
      .flatMap(simpleRules),
  )
  return {
    kinds: [...new Set(rules.flatMap((rule) => ("madeHere" in rule ? [rule.madeHere] : [])))],
    lookups: [...new Set(rules.flatMap((rule) => lookupOf(rule) ?? []))],
    // A sum of what is no number fails by its rules; nothing is left to ask.
    charges: found.flatMap((detail) => chargesOf(detail, asked)).filter(({ amount }) => Number.isFinite(amount)),
  }
}

const NOTHING: Needs = { kinds: [], lookups: [], charges: [] }

/** What and where is all that it says, as most details do: there is nothing to verify, and nothing to count. */
function boundsNothing({ arguments: rules, sinks, limits, only }: ActionDetail): boolean {
  return rules === undefined && sinks === undefined && limits === undefined && only === undefined
}

function labelsOf(details: readonly ActionDetail[]): string[] {
  return [...new Set(details.flatMap(({ labels }) => labels ?? []))].sort()
}

/** The details that name the action at its resource, whatever they say of its arguments. */
export function covering(details: unknown, { type, operation, resource }: AskedAction): ActionDetail[] {
  const action = `${type}:${operation}`
  return (understood(details) ?? []).filter(
    ({ actions, locations }) => actions.includes(action) && locations.includes(resource),
  )
}

/** What holds of an argument that the detail does not know. */
const LEFT_OUT = { absent: true } as const

type Examined = { detail: ActionDetail; finding: Finding; sinks: Verified["sinks"]; charges: Charge[] }

function examine(detail: ActionDetail, asked: AskedAction, evidence: Evidence): Examined {
  const given = asked.arguments ?? {}
  const declared = declaredSinks(detail)
  const unknown = Object.keys(given).filter((name) => detail.only?.includes(name) === false)
  const sinks = [...new Set([...ruledNames(detail), ...unknown])].map((name): [string, SinkFound] => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    const rules = unknown.includes(name) ? [...rulesOf(detail, name), LEFT_OUT] : rulesOf(detail, name)
    const checked = rules.map((rule) => check(rule, value, evidence))
    const worst = checked.reduce((one, other) => (compareFindings(other.finding, one.finding) < 0 ? other : one))
    return [name, { ...worst, isSink: declared.includes(name) }]
  })
  const finding = sinks.reduce<Finding>(
    (worst, [, sink]) => (compareFindings(sink.finding, worst) < 0 ? sink.finding : worst),
    "verified",
  )
  const charges = finding === "failed" ? [] : chargesOf(detail, asked)
  return { detail, finding, sinks: Object.fromEntries(sinks), charges }
}

/** The first of those under which most is verified. */
function better(one: Examined, other: Examined): Examined {
  return compareFindings(other.finding, one.finding) > 0 ? other : one
}

function failed(because: Verified["because"], sinks: Verified["sinks"]): Verified {
  return { finding: "failed", sinks, because, charges: [], labels: [] }
}
