import type { ActionLimit } from "#agents"
import { base64url, digest, type Json } from "#kernel"
import type { ActionDetail, AskedAction } from "../action-details.ts"

/** A limit under the budget that it counts in. */
export type BudgetedLimit = ActionLimit & { budget: string }

/** What an action would take of a limit. */
export type Charge = {
  budget: string
  /** `uses`, or `sum:` and the argument's name. */
  measure: string
  perSeconds: number | null
  amount: number
  /** What all charges together may come to. */
  atMost: number
}

/**
 * The limits of a detail, each with its budget. One that was written without has a budget of its own detail's: it stays the
 * same however often the detail is intersected or split, so that no part of it counts by itself.
 */
export function limitsOf(detail: ActionDetail): BudgetedLimit[] {
  return (detail.limits ?? []).map((limit) => ({ ...limit, budget: limit.budget ?? ownBudget(detail) }))
}

const ownBudgets = new WeakMap<ActionDetail, string>()

/** Remembered by identity: a ceiling's details are asked about at every decision. */
function ownBudget(detail: ActionDetail): string {
  const name = ownBudgets.get(detail) ?? `~${base64url(digest(detail as Json)).slice(0, 22)}`
  ownBudgets.set(detail, name)
  return name
}

/** True when whoever keeps to `a` keeps to `b`. */
export function impliesLimit(a: BudgetedLimit, b: BudgetedLimit): boolean {
  if (keyOf(a) !== keyOf(b)) return false
  return mostOf(a) <= mostOf(b)
}

/** Of limits that count the same, the lowest. */
export function joinedLimits(limits: readonly BudgetedLimit[]): BudgetedLimit[] {
  return limits.filter(
    (limit, at) =>
      !limits.some(
        (other, place) => other !== limit && impliesLimit(other, limit) && (place < at || !impliesLimit(limit, other)),
      ),
  )
}

/** What the action would take of each limit of the detail. Its sums are numbers: the rules of the detail see to that. */
export function chargesOf(detail: ActionDetail, { arguments: given = {} }: AskedAction): Charge[] {
  const amounts = limitsOf(detail).map((limit) => ("sum" in limit ? (given[limit.sum] as number) : 1))
  return chargesOfNothing(detail).map((charge, at) => ({ ...charge, amount: amounts[at]! }))
}

/** The limits of a detail as charges of nothing: to ask how much is left of each. */
export function chargesOfNothing(detail: ActionDetail): Charge[] {
  return limitsOf(detail).map((limit) => ({
    budget: limit.budget,
    measure: measureOf(limit),
    perSeconds: limit.perSeconds ?? null,
    amount: 0,
    atMost: mostOf(limit),
  }))
}

/** Most that a limit lets its count come to. */
export function mostOf(limit: ActionLimit): number {
  return "sum" in limit ? limit.atMost : limit.uses
}

/** What a limit counts. */
export function measureOf(limit: ActionLimit): string {
  return "sum" in limit ? `sum:${limit.sum}` : "uses"
}

function keyOf(limit: BudgetedLimit): string {
  return JSON.stringify([limit.budget, measureOf(limit), limit.perSeconds ?? null])
}
