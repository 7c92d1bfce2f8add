import type { Entities, Uid } from "./entities.ts"
import type { Vocabulary } from "./vocabulary.ts"

/** A Cedar file as it was applied. */
export type PolicyFile = { file: string; text: string }

/** What an approval takes: a tap of whoever is signed in, a signature over the very action, or those of several people. */
export type AskRung = (typeof RUNGS)[number]

const RUNGS = ["tap", "sign", "quorum"] as const

/** True when the one is as strong as the other, or stronger. */
export function isAtLeast(rung: AskRung, other: AskRung): boolean {
  return RUNGS.indexOf(rung) >= RUNGS.indexOf(other)
}

/** One policy that was parsed and validated. */
export type Policy = {
  /** Its `@id`, unique in the set. */
  id: string
  effect: "permit" | "forbid"
  /** Cedar text of this policy alone. */
  text: string
  file: string
  /** 1-based line in the file. */
  line: number
  /** Its `@purpose`: it counts only in sessions for that purpose. Null counts everywhere. */
  purpose: string | null
  /** Its `@reason`: the words of a denial that it causes. */
  reason: string | null
  /** Its `@ask`: who may lift this forbid by approving the action; the user, or a group of approvers of that name. */
  ask: string | null
  /** Its `@rung`: of a forbid with `@ask` what the approval takes, of a permit that the person is told; null when it says nothing. */
  rung: AskRung | "tell" | null
  /** Entities that its text names. */
  mentions: readonly Uid[]
}

/** What parse() made of all files: every policy is valid against the schema. Immutable. */
export type PolicySet = {
  files: readonly PolicyFile[]
  policies: readonly Policy[]
  /** What questions can speak of; our own alone where the configuration has no schema. */
  vocabulary: Vocabulary
  /** Entities of the configuration's own schema. */
  entities: Entities
  /** Digest of the document that these stand in; null for a set that is not in force. */
  version: string | null
}

/** The policies that count for one purpose. */
export type Slice = {
  all: readonly Policy[]
  /** Without `@ask` forbids; the same array as `all` when there are none. */
  withoutAsk: readonly Policy[]
}

const slicesOf = new WeakMap<PolicySet, Map<string, Slice>>()

/**
 * Every policy without `@purpose` and those of the purpose, so that a global forbid is in every slice. Purposes that no
 * policy names share one slice.
 */
export function slice(set: PolicySet, purpose: string): Slice {
  const slices = slicesOf.get(set) ?? new Map<string, Slice>()
  slicesOf.set(set, slices)
  const isNamed = set.policies.some((policy) => policy.purpose === purpose)
  // A purpose's name is never empty.
  const key = isNamed ? purpose : ""
  const known = slices.get(key)
  if (known !== undefined) return known
  const all = set.policies.filter((policy) => policy.purpose === null || policy.purpose === purpose)
  const hasAsk = all.some((policy) => policy.ask !== null)
  const made = { all, withoutAsk: hasAsk ? all.filter((policy) => policy.ask === null) : all }
  slices.set(key, made)
  return made
}
