import { z } from "zod"
import { agentsSchema } from "#agents"
import { engines } from "#credentials"
import type { Json } from "#kernel"
import { purposesSchema } from "#sessions"

/**
 * The JSON Schema (2020-12) of safeconduct.yaml, for editors: put together from what each room checks its own part with.
 * `apply` checks more, such as names that one part uses and another must have.
 */
export function documentJsonSchema(): { [name: string]: Json } {
  const [first, ...others] = engines.map(({ schema }) => schema)
  const schema = z.strictObject({
    purposes: purposesSchema.optional(),
    resources: z.record(z.string(), z.union([first!, ...others])).optional(),
    agents: agentsSchema.optional(),
    policies: z
      .array(z.string().min(1))
      .optional()
      .meta({ description: "Cedar files beside this one, as patterns; policies/*.cedar when absent" }),
  })
  return {
    ...(z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" }) as { [name: string]: Json }),
    $id: "https://safeconduct.example/contract/safeconduct.schema.json",
    title: "safeconduct.yaml",
  }
}
