import { z } from "zod"
import { type ActionDetails, type ArgumentRule, actionDetails } from "#agents"
import { canonical, type Json, Refusal } from "#kernel"
import { holds, implies } from "./argument-rules.ts"

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

/** What was counted so far in the session. A limit whose count is not given allows nothing. */
export type Counts = { uses?: number }

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

/** True when a detail allows the action. What does not parse allows nothing. */
export function allows(details: unknown, asked: AskedAction, counts: Counts = {}): boolean {
  return (understood(details) ?? []).some((detail) => covers(detail, asked) && isWithin(detail.limits, counts))
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

function both(a: ActionDetail, b: ActionDetail): ActionDetail | null {
  const actions = a.actions.filter((one) => b.actions.includes(one))
  const locations = a.locations.filter((place) => b.locations.includes(place))
  if (actions.length === 0 || locations.length === 0) return null
  const names = [...new Set([...Object.keys(a.arguments ?? {}), ...Object.keys(b.arguments ?? {})])]
  const rules = names.map((name) => [name, joined(rulesOf(a, name), rulesOf(b, name))] as const)
  const limits = [a.limits, b.limits].filter((limit) => limit !== undefined)
  return {
    type: "safeconduct_action",
    actions,
    locations,
    ...(rules.length > 0 ? { arguments: Object.fromEntries(rules) } : {}),
    ...(limits.length > 0 ? { limits: { uses: Math.min(...limits.map(({ uses }) => uses)) } } : {}),
  }
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

function covers(detail: ActionDetail, asked: AskedAction): boolean {
  if (!detail.actions.includes(`${asked.type}:${asked.operation}`) || !detail.locations.includes(asked.resource))
    return false
  const given = asked.arguments ?? {}
  return Object.entries(detail.arguments ?? {}).every(
    ([name, rules]) => Object.hasOwn(given, name) && rules.every((rule) => holds(rule, given[name])),
  )
}

function isWithin(limits: ActionDetail["limits"], counts: Counts): boolean {
  return limits === undefined || (counts.uses !== undefined && counts.uses < limits.uses)
}

/** True when everything that `outer` demands of arguments and counts, `inner` demands too. */
function isConstrained(inner: ActionDetail, outer: ActionDetail): boolean {
  const rules = Object.entries(outer.arguments ?? {})
  const isRuled = rules.every(([name, demanded]) =>
    demanded.every((rule) => rulesOf(inner, name).some((own) => implies(own, rule))),
  )
  const isLimited = outer.limits === undefined || (inner.limits !== undefined && inner.limits.uses <= outer.limits.uses)
  return isRuled && isLimited
}

function rulesOf(detail: ActionDetail, name: string): ArgumentRule[] {
  const rules = detail.arguments ?? {}
  return Object.hasOwn(rules, name) ? rules[name]! : []
}

const parsedLists = new WeakMap<object, ActionDetail[] | null>()

/** The details as a list, or null when they do not parse; remembered by identity, because decisions ask again and again. */
function understood(value: unknown): ActionDetail[] | null {
  if (!Array.isArray(value)) return null
  const known = parsedLists.get(value)
  if (known !== undefined) return known
  const list = prototypePath(value, "") === null ? (detailsSchema.safeParse(value).data ?? null) : null
  parsedLists.set(value, list)
  return list
}
