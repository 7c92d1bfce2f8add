import { z } from "zod"
import { actionDetails } from "#agents"
import { parseWith } from "./action-details.ts"

const DAY = 86_400

/** Defaults of a session: 15 minutes, at most 8 hours, and not longer than 15 minutes unused; credentials for 5 minutes. */
const sessionSchema = z.strictObject({
  lifetimeSeconds: z.int().min(1).max(DAY).default(900),
  hardEndSeconds: z
    .int()
    .min(1)
    .max(30 * DAY)
    .default(28_800),
  idleSeconds: z.int().min(1).max(DAY).default(900),
  leaseSeconds: z.int().min(1).max(DAY).default(300),
})

const parameterSchema = z.strictObject({
  /** Shown to people, beside the value. */
  description: z.string().trim().min(1).max(200),
  type: z.enum(["string", "number", "boolean"]).default("string"),
  isRequired: z.boolean().default(true),
})

const named = z.string().min(1).max(200)

const lookupSchema = z.strictObject({
  /** Shown to people: `your landlord's account`. */
  description: z.string().trim().min(1).max(200),
  /** The system of record, and the operation there whose rights the query has: the agent needs, and gets, nothing of it. */
  resource: named,
  operation: named,
  /** In the resource's own language. Nothing that an agent says reaches it. */
  query: z.string().trim().min(1).max(4_000),
  /** Bound to `$1`, `$2`, … of the query: a parameter of this purpose, or a claim of which the user has one value. */
  parameters: z
    .array(z.union([z.strictObject({ parameter: named }), z.strictObject({ claim: named })]))
    .max(16)
    .default([]),
})

const purposeSchema = z.strictObject({
  /** Shown to people: what an agent does when it serves this purpose. */
  description: z.string().trim().min(1).max(500),
  /** The template of every mandate for this purpose. */
  actions: z.array(actionDetails).min(1).max(64),
  /** What a session is about, beyond its purpose: said by the user or an application, never by the agent. */
  parameters: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/), parameterSchema).default({}),
  /** Values that are looked up in a system of record when an action is decided, for rules of the kind `lookedUp`. */
  lookups: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/), lookupSchema).default({}),
  /** `required`: only with a user, who delegated; `none`: an agent may open it with its own key alone. */
  consent: z.enum(["required", "none"]).default("none"),
  /** How far a session may be handed on from agent to agent; 0 is not at all. */
  chain: z.strictObject({ maxDepth: z.int().min(0).max(8).default(0) }).prefault({}),
  session: sessionSchema.prefault({}),
})

/** The `purposes` of safeconduct.yaml. */
export const purposesSchema = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "a purpose's name is a-z, 0-9 and hyphens"),
  purposeSchema,
)

/** What sessions may be opened for, with what each of them may do at the most, and for how long. */
export type PurposeDefinition = z.infer<typeof purposeSchema>

/** A purpose under its name. */
export type Purpose = PurposeDefinition & { name: string }

/** The `purposes` part of a configuration, defaults filled in. */
export type PurposesPart = { [name: string]: PurposeDefinition }

/** Checks the value of `purposes:`. Throws `policy-invalid` with the place in `detail.path`; unknown fields are refused. */
export function parsePurposes(value: unknown): PurposesPart {
  return parseWith(purposesSchema, value ?? {}, "purposes")
}
