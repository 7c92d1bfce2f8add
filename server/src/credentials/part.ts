import { z } from "zod"
import { type Json, Refusal } from "#kernel"

/** What is allowed to exist at a resource at once. Engines add limits of their own. */
export type Limits = { leases: number; leasesPerSession: number } & { [name: string]: Json }

/** A resource as safeconduct.yaml describes it, checked by its engine. Fields beyond these three are the engine's. */
export type ResourcePart = {
  engine: string
  operations: { [operation: string]: Json }
  limits: Limits
} & { [name: string]: Json }

/** The limits of a kind of resource that no credential is made for. */
export const NO_LEASES = { leases: 0, leasesPerSession: 0 } as const satisfies Limits

/** False for a resource that is only described: no account is held there, and nothing connects to it. */
export function givesCredentials({ limits }: Pick<ResourcePart, "limits">): boolean {
  return limits.leases > 0
}

/** True for an operation that shows each user their own part: there is no credential of it without a user. */
export function bindsUser(part: ResourcePart, operation: string): boolean {
  return saysOf(part, operation, "bindsUser") === true
}

/** True for an operation whose credential is for one approved action: the resource itself refuses any other, and a second. */
export function requiresApproval(part: ResourcePart, operation: string): boolean {
  return saysOf(part, operation, "approval") === "required"
}

function saysOf(part: ResourcePart, operation: string, option: string): Json | undefined {
  const named = Object.hasOwn(part.operations, operation) ? part.operations[operation] : undefined
  return typeof named === "object" && named !== null && !Array.isArray(named) ? named[option] : undefined
}

/** Something protected, under its name. */
export type Resource = { name: string; part: ResourcePart }

/** All resources in force, by name. */
export type ResourcesPart = { [name: string]: ResourcePart }

/** Limits that every engine shares, with their defaults: open leases of the resource, and of one session there. */
export const commonLimits = {
  leases: z.int().min(1).max(100_000).default(1_000),
  leasesPerSession: z.int().min(1).max(1_000).default(5),
}

/** Parses with a schema; the first mistake becomes a `policy-invalid` that names its place in `detail.path`. */
export function parsePart<Part>(schema: z.ZodType<Part>, value: unknown, at: string): Part {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw invalidPart([at, ...(issue?.path ?? [])].map(String).join("."), issue?.message ?? "not valid")
}

/** A `policy-invalid` that names the place of the mistake. */
export function invalidPart(at: string, problem: string): Refusal {
  return new Refusal("policy-invalid", `${at}: ${problem}`, { detail: { path: at, problem } })
}
