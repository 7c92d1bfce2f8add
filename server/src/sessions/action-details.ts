import { z } from "zod"
import { type ActionDetails, type ArgumentRule, actionDetails } from "#agents"
import { canonical, type Json, Refusal } from "#kernel"
import { implies } from "./argument-rules.ts"
import { impliesLimit, joinedLimits, limitsOf, mostOf } from "./mandates/limits.ts"

/** Authorization details: what any of them allows is allowed. An empty list allows nothing. */
export const detailsSchema = z.array(actionDetails).max(256)

/** A parsed detail. */
export type ActionDetail = ActionDetails

/** What of an action decides whether a detail allows it. */
export type AskedAction = {
  type: string
  resource: string
  operation: string
  arguments?: { readonly [name: string]: unknown }
}

/** Details out of a configuration, a token or a row. Throws `policy-invalid` with `detail.path`; unknown fields are refused. */
export function parseDetails(value: unknown, path = "authorization_details"): ActionDetail[] {
  return parseWith(detailsSchema, value, path)
}

/** Parses with a schema; the first mistake becomes a `policy-invalid` with its place in `detail.path`. */
export function parseWith<Value>(schema: z.ZodType<Value>, value: unknown, path: string): Value {
  const odd = prototypePath(value, path)
  const parsed = schema.safeParse(value)
  if (odd === null && parsed.success) return parsed.data
  const issue = parsed.error?.issues[0]
  const at = odd ?? [path, ...(issue?.path ?? [])].map(String).join(".")
  const problem = odd === null ? (issue?.message ?? "not valid") : "this name is not taken"
  throw new Refusal("policy-invalid", `${at}: ${problem}.`, { detail: { path: at, problem } })
}

/** Zod's records drop a member named __proto__ without a word: a rule under that name would be no rule. */
function prototypePath(value: unknown, path: string): string | null {
  if (typeof value !== "object" || value === null) return null
  for (const [name, item] of Object.entries(value)) {
    if (name === "__proto__") return `${path}.__proto__`
    const found = prototypePath(item, `${path}.${name}`)
    if (found !== null) return found
  }
  return null
}

/**
 * True when `a` asks nothing that `b` does not allow. Total: false when either does not parse. May be false where a
 * cleverer comparison of rules would find it true, never the other way.
 */
export function narrower(a: unknown, b: unknown): boolean {
  const [inner, outer] = [understood(a), understood(b)]
  if (inner === null || outer === null) return false
  return inner.every((detail) =>
    detail.actions.every((one) =>
      detail.locations.every((place) =>
        outer.some(
          (other) => other.actions.includes(one) && other.locations.includes(place) && isConstrained(detail, other),
        ),
      ),
    ),
  )
}

/** What both allow, with the rules and limits of both. Empty when either does not parse. */
export function intersect(a: unknown, b: unknown): ActionDetail[] {
  const pairs = (understood(a) ?? []).flatMap((left) => (understood(b) ?? []).map((right) => both(left, right)))
  const unique = new Map(pairs.flatMap((detail) => (detail === null ? [] : [[canonical(detail as Json), detail]])))
  return [...unique.values()]
}

/**
 * What somebody asks for or grants, for intersect(): its rules bind as any others, but it declares no sinks. What is verified
 * by a rule that the asker wrote would otherwise pass for verified by the purpose.
 */
export function asBounds(details: unknown): ActionDetail[] {
  return (understood(details) ?? []).map((detail) => {
    const rules = writtenNames(detail).map((name) => [name, writtenRules(detail, name)] as const)
    const limits = limitsOf(detail)
    return {
      ...detail,
      ...(rules.length > 0 ? { arguments: Object.fromEntries(rules) } : {}),
      ...(limits.length > 0 ? { limits } : {}),
      sinks: [],
    }
  })
}

function both(a: ActionDetail, b: ActionDetail): ActionDetail | null {
  const actions = a.actions.filter((one) => b.actions.includes(one))
  const locations = a.locations.filter((place) => b.locations.includes(place))
  if (actions.length === 0 || locations.length === 0) return null
  const names = [...new Set([...writtenNames(a), ...writtenNames(b)])]
  const rules = names.map((name) => [name, joined(writtenRules(a, name), writtenRules(b, name))] as const)
  const sinks = [...new Set([...declaredSinks(a), ...declaredSinks(b)])]
  const limits = joinedLimits([...limitsOf(a), ...limitsOf(b)])
  const labels = [...new Set([...(a.labels ?? []), ...(b.labels ?? [])])].sort()
  const only = a.only === undefined ? b.only : a.only.filter((name) => b.only?.includes(name) !== false)
  const detail: ActionDetail = {
    type: "safeconduct_action",
    actions,
    locations,
    ...(rules.length > 0 ? { arguments: Object.fromEntries(rules) } : {}),
    ...(only === undefined ? {} : { only }),
    ...(limits.length > 0 ? { limits } : {}),
    ...(labels.length > 0 ? { labels } : {}),
  }
  const isDefault =
    sinks.length === declaredSinks(detail).length && declaredSinks(detail).every((name) => sinks.includes(name))
  return isDefault ? detail : { ...detail, sinks }
}

/** Both lists without the rules that another one makes needless. */
function joined(a: ArgumentRule[], b: ArgumentRule[]): ArgumentRule[] {
  const kept: ArgumentRule[] = []
  for (const rule of [...a, ...b]) {
    if (kept.some((other) => implies(other, rule))) continue
    kept.splice(0, kept.length, ...kept.filter((other) => !implies(rule, other)), rule)
  }
  return kept
}

/** True when everything that `outer` demands of arguments and counts, `inner` demands too, and is labelled with no less. */
function isConstrained(inner: ActionDetail, outer: ActionDetail): boolean {
  const isRuled = ruledNames(outer).every((name) =>
    rulesOf(outer, name).every((rule) => rulesOf(inner, name).some((own) => implies(own, rule))),
  )
  const isKnown = outer.only === undefined || inner.only?.every((name) => outer.only?.includes(name)) === true
  const isLimited = limitsOf(outer).every((limit) => limitsOf(inner).some((own) => impliesLimit(own, limit)))
  return isRuled && isKnown && isLimited && (outer.labels ?? []).every((label) => inner.labels?.includes(label))
}

/** Arguments that decide where the effect lands: those that are declared, or all that have rules. */
export function declaredSinks(detail: ActionDetail): readonly string[] {
  return detail.sinks ?? ruledNames(detail)
}

/** Arguments that something must hold of. */
export function ruledNames(detail: ActionDetail): string[] {
  const sums = (detail.limits ?? []).flatMap((limit) => ("sum" in limit ? [limit.sum] : []))
  return [...new Set([...writtenNames(detail), ...sums])]
}

/** All that must hold of an argument. What is summed up must be a number, none below zero and none beyond the sum. */
export function rulesOf(detail: ActionDetail, name: string): ArgumentRule[] {
  const sums = (detail.limits ?? []).filter((limit) => "sum" in limit && limit.sum === name)
  return [...writtenRules(detail, name), ...sums.flatMap((limit) => [{ atLeast: 0 }, { atMost: mostOf(limit) }])]
}

function writtenNames({ arguments: rules = {}, sinks = [] }: ActionDetail): string[] {
  return [...new Set([...Object.keys(rules), ...sinks])]
}

/** A sink without a rule is verified by nothing but an approval, and stays so when it is narrowed by whoever asks for less. */
function writtenRules({ arguments: rules = {}, sinks = [] }: ActionDetail, name: string): ArgumentRule[] {
  if (Object.hasOwn(rules, name)) return rules[name]!
  return sinks.includes(name) ? [{ approval: "user" }] : []
}

const parsedLists = new WeakMap<object, ActionDetail[] | null>()

/** The details as a list, or null when they do not parse; remembered by identity, because decisions ask again and again. */
export function understood(value: unknown): ActionDetail[] | null {
  if (!Array.isArray(value)) return null
  const known = parsedLists.get(value)
  if (known !== undefined) return known
  const list = prototypePath(value, "") === null ? (detailsSchema.safeParse(value).data ?? null) : null
  parsedLists.set(value, list)
  return list
}
