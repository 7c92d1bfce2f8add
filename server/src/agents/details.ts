import { z } from "zod"

const action = z
  .string()
  .regex(/^(tool|sql|http|credential|delegate):[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$/, "must be <action type>:<operation>")
const location = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/, "must be the name of a resource")
const argumentName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/)

/** What an argument may be compared with. Lists and objects never satisfy a rule. */
const scalar = z.union([z.string().max(1_000), z.number(), z.boolean()])

/**
 * One thing that must hold of an argument. A kind is its only member, so that a kind which this version does not know is
 * refused, not skipped. Later kinds (stands in the user's request, looked up, made in this session) are added to this list,
 * and to what `sessions` says that they mean.
 */
const argumentRule = z.union([
  z.strictObject({ constant: scalar }),
  z.strictObject({ oneOf: z.array(scalar).min(1).max(256) }),
  z.strictObject({ atMost: z.number() }),
])

/** A parsed rule. */
export type ArgumentRule = z.infer<typeof argumentRule>

/**
 * One authorization detail (RFC 9396 §2) of the type `safeconduct_action`: in ceilings, purposes, mandates and tokens. Unknown
 * fields are refused. What its rules and limits mean is for sessions to say.
 */
export const actionDetails = z.strictObject({
  type: z.literal("safeconduct_action"),
  /** What may be done: `credential:read`, `tool:refund`. */
  actions: z.array(action).min(1).max(256),
  /** Names of resources. */
  locations: z.array(location).min(1).max(256),
  /** Rules by argument, all of which must hold; an argument that has rules must be there. Others are free. */
  arguments: z.record(argumentName, z.array(argumentRule).min(1).max(64)).optional(),
  /** Most allowed actions in one session under this detail. */
  limits: z.strictObject({ uses: z.int().min(0) }).optional(),
})

/** What may be done (`<action type>:<operation>`), where (names of resources), and within which bounds. */
export type ActionDetails = z.infer<typeof actionDetails>
