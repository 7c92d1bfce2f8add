import { z } from "zod"
import { commonOperation, commonResource } from "../../described.ts"
import { NO_LEASES, parsePart, type ResourcePart } from "../../part.ts"

/** A resource of engine `tools` in safeconduct.yaml. */
export const toolsSchema = z.strictObject({
  engine: z.literal("tools"),
  ...commonResource,
  operations: z
    .record(
      // As actions name them.
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$/, "must be the name of a tool"),
      z.strictObject(commonOperation),
    )
    .refine((operations) => Object.keys(operations).length > 0, "at least one operation"),
})

/** Checks a resource of engine `tools`. Throws `policy-invalid`. No lease can exist there. */
export function parseTools(value: unknown, at: string): ResourcePart {
  return { ...parsePart(toolsSchema, value, at), limits: NO_LEASES } as ResourcePart
}
