import { z } from "zod"

const action = z
  .string()
  .regex(/^(tool|sql|http|credential|delegate):[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$/, "must be <action type>:<operation>")
const location = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/, "must be the name of a resource")

/**
 * One `safeconduct_action` (RFC 9396 §2) of a ceiling. Unknown fields are refused; what its arguments and limits mean, and
 * whether it is understood, is for sessions to say: details that it does not understand allow nothing.
 */
export const actionDetails = z.strictObject({
  type: z.literal("safeconduct_action"),
  actions: z.array(action).min(1).max(256),
  locations: z.array(location).min(1).max(256),
  arguments: z.record(z.string(), z.json()).optional(),
  limits: z.record(z.string(), z.json()).optional(),
})

/** What may be done (`<action type>:<operation>`), where (names of resources), and within which bounds. */
export type ActionDetails = z.infer<typeof actionDetails>
