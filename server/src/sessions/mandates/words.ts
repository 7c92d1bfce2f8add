import type { ActionLimit, ArgumentRule, SimpleRule } from "#agents"
import type { ActionDetail } from "../action-details.ts"
import type { Parameters } from "../delegation.ts"
import { lookupOf } from "./looked-up.ts"

/** A resource in the words of whoever configured it; all of them may be missing. */
export type DescribedResource = {
  description?: string | undefined
  operations?: { [operation: string]: { description?: string | undefined } } | undefined
}

/** What names of a mandate stand for. */
export type Described = {
  /** Null for a resource that there is not (any more). */
  resource?: (name: string) => DescribedResource | null
  /** Values of the purpose's parameters in this session. */
  parameters?: Parameters
  /** What a look-up of the purpose is, such as `your landlord's account`. */
  lookup?: (name: string) => string | null
}

/**
 * What details allow, for people: one short phrase for each thing that may be done, such as `read your orders in the shop
 * database` or `refund in the shop, amount at most 50, at most 5 times`. They go on from "… may".
 */
export function inWords(details: readonly ActionDetail[], described: Described = {}): string[] {
  const phrases = details.flatMap((detail) =>
    detail.actions.flatMap((action) =>
      detail.locations.map((location) =>
        [whatInWords(action, location, described), ...boundsInWords(detail, described)].join(", "),
      ),
    ),
  )
  return [...new Set(phrases)]
}

function whatInWords(action: string, location: string, { resource }: Described): string {
  const [type, operation] = [action.slice(0, action.indexOf(":")), action.slice(action.indexOf(":") + 1)]
  if (type === "delegate") return `hand a part of this on to the agent ${location}, for ${operation}`
  const known = resource?.(location) ?? null
  const where = known?.description ?? location
  const operations = known?.operations ?? {}
  const words = Object.hasOwn(operations, operation) ? operations[operation]?.description : undefined
  return `${words === undefined ? operation : startingSmall(words)} in ${startingSmall(where)}`
}

/** `Read your orders.` in the middle of a sentence; `IBAN` and `PostgreSQL` stay as they are. */
function startingSmall(words: string): string {
  const plain = words.replace(/\.$/, "")
  return /^\p{Lu}(?:\p{Ll}*(?: |$)|$)/u.test(plain) ? plain.charAt(0).toLowerCase() + plain.slice(1) : plain
}

function boundsInWords(detail: ActionDetail, described: Described): string[] {
  const rules = Object.entries(detail.arguments ?? {}).flatMap(([name, list]) =>
    list.map((rule) => ruleInWords(name, rule, described)),
  )
  const bare = (detail.sinks ?? []).filter((sink) => !Object.hasOwn(detail.arguments ?? {}, sink))
  const approved = bare.map((sink) => ruleInWords(sink, { approval: "user" }, described))
  return [...rules, ...approved, ...tightest(detail.limits ?? []).map(limitInWords)]
}

/** What a rule demands of an argument: `amount at most 50`. */
export function ruleInWords(name: string, rule: ArgumentRule, described: Described = {}): string {
  if ("anyOf" in rule || "eachOf" in rule) {
    const [rules, what] = "anyOf" in rule ? [rule.anyOf, name] : [rule.eachOf, `each ${name}`]
    const where = rule.part === undefined ? "" : `, where your request says ${someOf(rule.part.from)}`
    return rules.map((each) => ruleInWords(what, each, described)).join(" or ") + where
  }
  if ("constant" in rule) return `${name} ${shown(rule.constant)}`
  if ("oneOf" in rule) return `${name} one of ${rule.oneOf.map(shown).join(", ")}`
  if ("atMost" in rule) return `${name} at most ${rule.atMost}`
  if ("atLeast" in rule) return `${name} at least ${rule.atLeast}`
  if ("absent" in rule) return `${name} left out`
  if ("inRequest" in rule) return `${name} as it stands in your request`
  if ("userClaim" in rule) return `${name} your own (${rule.userClaim})`
  if ("parameter" in rule) return parameterInWords(name, rule.parameter, described)
  if ("madeHere" in rule) return `${name} a ${rule.madeHere} that was made in this session`
  if ("pattern" in rule) return `${name} of the form ${rule.pattern}`
  if ("plainText" in rule) {
    return `${name} at most ${rule.plainText} characters that lead nowhere but where your request does`
  }
  if ("requestSays" in rule) return `only as your request says ${someOf(rule.requestSays)}`
  if ("fromSource" in rule) return `${name} out of what your request refers to, as you approve it each time`
  const found = lookedUpInWords(rule, described)
  if (found !== null) return `${name} ${found}`
  return `${name} as you approve it each time`
}

function lookedUpInWords(rule: SimpleRule, { lookup }: Described): string | null {
  const name = lookupOf(rule)
  if (name === null) return null
  const what = lookup?.(name) ?? `as found by ${name}`
  if ("atMostLookedUp" in rule) return `at most ${what}`
  if ("named" in rule) return `${what}, by a name that stands in your request`
  return "choice" in rule ? `${what}, as you choose each time` : what
}

/** Words that are said in many forms would be a long list. */
function someOf(words: readonly string[]): string {
  const shown = words.slice(0, 4).map((word) => `"${word}"`)
  return `${shown.join(", ")}${words.length > shown.length ? " or the like" : ""}`
}

function parameterInWords(name: string, parameter: string, { parameters = {} }: Described): string {
  if (Object.hasOwn(parameters, parameter)) return `${name} ${shown(parameters[parameter]!)}`
  return `${name} the ${parameter} that this is about`
}

function shown(value: string | number | boolean): string {
  return typeof value === "string" ? `"${value}"` : String(value)
}

/** What a limit counts, and up to which number: `at most 5 times in 1 hour`. */
export function limitInWords(limit: ActionLimit): string {
  const time = limit.perSeconds === undefined ? "" : ` in ${secondsInWords(limit.perSeconds)}`
  if ("sum" in limit) return `${limit.sum} at most ${limit.atMost}${time === "" ? " in all" : time}`
  return `at most ${limit.uses} ${limit.uses === 1 ? "time" : "times"}${time}`
}

/** Of limits that count the same over the same time, the one that is reached first: what people need to know. */
function tightest(limits: readonly ActionLimit[]): ActionLimit[] {
  const kept = new Map<string, ActionLimit>()
  for (const limit of limits) {
    const key = JSON.stringify(["sum" in limit ? limit.sum : null, limit.perSeconds ?? null])
    const other = kept.get(key)
    if (other === undefined || mostOf(limit) < mostOf(other)) kept.set(key, limit)
  }
  return [...kept.values()]
}

function mostOf(limit: ActionLimit): number {
  return "sum" in limit ? limit.atMost : limit.uses
}

const UNITS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
] as const

function secondsInWords(seconds: number): string {
  const [size, unit] = UNITS.find(([each]) => seconds % each === 0)!
  const count = seconds / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}
