import type { ArgumentRule, SimpleRule } from "#agents"
import type { Scalar } from "../argument-rules.ts"
import type { RequestText } from "../delegation.ts"
import { names, standsIn } from "./request-text.ts"

/** Rules without alternatives that a rule consists of. */
export function simpleRules(rule: ArgumentRule): SimpleRule[] {
  if ("anyOf" in rule) return rule.anyOf
  return "eachOf" in rule ? rule.eachOf : [rule]
}

/** The look-up that a rule needs; null for one that needs none. */
export function lookupOf(rule: SimpleRule): string | null {
  if ("lookedUp" in rule) return rule.lookedUp
  if ("atMostLookedUp" in rule) return rule.atMostLookedUp
  if ("named" in rule) return rule.named
  if ("choice" in rule) return rule.choice
  return ("fromSource" in rule && rule.fromSource.names) || null
}

/** Whether the value is no more than the largest number that was found; null where what was found holds anything else. */
export function isWithin(value: unknown, found: readonly Scalar[]): boolean | null {
  if (typeof value !== "number") return false
  const numbers = found.filter((each) => typeof each === "number")
  return numbers.length < found.length ? null : numbers.some((each) => value <= each)
}

/** Whether any of what was found stands in the request. */
export function namesAny(request: RequestText, found: readonly Scalar[]): boolean {
  return found.some((each) => typeof each === "string" && standsIn(request, each))
}

/**
 * Whether the request names the value: rows are JSON arrays of a value and its names, and a name stands in the request. Null where
 * a name is that of several values, or stands there within a longer one: somebody else may have given a thing of theirs the same
 * name. Null also when what was found is no such rows.
 */
export function isNamed(request: RequestText, value: Scalar, found: readonly Scalar[]): boolean | null {
  const rows = found.map(rowOf)
  if (rows.some((row) => row === null)) return null
  const named = rows.flatMap((row) => row!.names.map((name) => ({ value: row!.value, name })))
  const standing = named.filter(({ name }) => names(request, name))
  const own = standing.filter((each) => each.value === value)
  if (own.length === 0) return false
  const isSure = own.some(({ name }) => standing.every((other) => other.value === value || !isPartOf(name, other.name)))
  return isSure || null
}

function isPartOf(name: Scalar, other: Scalar): boolean {
  if (typeof name === "string" && typeof other === "string") return other.toLowerCase().includes(name.toLowerCase())
  return name === other
}

function rowOf(found: Scalar): { value: Scalar; names: Scalar[] } | null {
  try {
    const row: unknown = typeof found === "string" ? JSON.parse(found) : null
    if (!Array.isArray(row) || row.length < 2 || !row.every(isText)) return null
    return { value: row[0]!, names: row.slice(1) }
  } catch {
    return null
  }
}

function isText(value: unknown): value is string | number {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value))
}
