import { z } from "zod"
import { canonical, type Json, Refusal } from "#kernel"
import type { Bounds } from "../statement.ts"

const argument = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/)
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
const few = 32

/** How far a grant goes beyond the one action: what is signed, and what every use is held against. */
const schema = z
  .strictObject({
    kind: z.literal("grant"),
    /** How many more actions. */
    uses: z.int().min(1).max(1_000),
    /** Amounts: at most so much in each action. */
    each: z.record(argument, amount),
    /** At most so much in all of them together. */
    total: z.record(argument, amount),
    /** Arguments that have one of these values. */
    fixed: z.record(argument, z.array(z.json()).min(1).max(few)),
    /** Arguments that may be anything. Never one that decides where the effect lands. */
    free: z.array(argument).max(few),
    /** RFC 3339. */
    until: z.iso.datetime(),
    session: z.string().max(100),
  })
  .refine(({ each, total }) => canonical(Object.keys(each).sort()) === canonical(Object.keys(total).sort()), {
    error: "each amount has a most in all",
  })
  .refine(
    ({ each, fixed, free }) => {
      const names = [...Object.keys(each), ...Object.keys(fixed), ...free]
      return names.length <= few && new Set(names).size === names.length
    },
    { error: "an argument is named once" },
  )

/** The same, checked. */
export type GrantBounds = z.infer<typeof schema>

/** Checks bounds that somebody signed. Throws `bounds-invalid`. */
export function parseBounds(bounds: Bounds): GrantBounds {
  const parsed = schema.safeParse(bounds)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Refusal("bounds-invalid", `The bounds are not valid: ${issue?.path.join(".")} ${issue?.message}.`)
}

/** Arguments by name, as an action has them. */
export type Given = { readonly [name: string]: unknown }

/** True when every argument is within the bounds, and none is there that they do not name. Pure. */
export function isWithin({ each, fixed, free }: GrantBounds, given: Given): boolean {
  const bounded = [...Object.keys(each), ...Object.keys(fixed)]
  const isNamed = Object.keys(given).every((name) => bounded.includes(name) || free.includes(name))
  if (!isNamed || !bounded.every((name) => Object.hasOwn(given, name))) return false
  return bounded.every((name) => {
    const value = given[name]
    if (Object.hasOwn(fixed, name)) return fixed[name]!.some((one) => canonical(one) === canonical(value as Json))
    return isAmount(value) && value <= each[name]!
  })
}

/** What an action within the bounds takes of them: one use, and its amounts. */
export function takingsOf({ uses, total }: GrantBounds, given: Given) {
  const sums = Object.entries(total).map(([name, atMost]) => {
    return { measure: `sum:${name}`, amount: given[name] as number, atMost }
  })
  return [{ measure: "uses", amount: 1, atMost: uses }, ...sums]
}

/** What is offered to begin with: how often, how long, and which arguments are amounts. */
export type Offer = { uses: number; until: Date; session: string; amounts: readonly string[]; sinks: readonly string[] }

/**
 * The smallest bounds that would be of use to somebody who approves the like of what they approved before: the values that they
 * have seen, and no more. Null when the two have no bounds in common, or an amount is none.
 */
export function suggest(
  given: Given,
  before: Given,
  { uses, until, session, amounts, sinks }: Offer,
): GrantBounds | null {
  const bounds: GrantBounds = {
    ...{ kind: "grant", uses, each: {}, total: {}, fixed: {}, free: [] },
    ...{ until: until.toISOString(), session },
  }
  const names = Object.keys(given)
  if (names.length > few || !names.every((name) => Object.hasOwn(before, name) && argument.safeParse(name).success)) {
    return null
  }
  for (const name of names) {
    const [now, then] = [given[name] as Json, before[name] as Json]
    const isSame = canonical(now) === canonical(then)
    if (amounts.includes(name)) {
      if (!isAmount(now) || !isAmount(then)) return null
      bounds.each[name] = Math.max(now, then)
      bounds.total[name] = exactly(bounds.each[name], uses)
    } else if (isSame || sinks.includes(name)) bounds.fixed[name] = isSame ? [now] : [then, now]
    else bounds.free.push(name)
  }
  return bounds
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0
}

/** The product without what binary fractions add to it: 3 × 0.1 is 0.3. */
function exactly(value: number, times: number): number {
  return Number((value * times).toPrecision(15))
}
