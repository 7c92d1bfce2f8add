import { z } from "zod"
import { agentsSchema } from "#agents"
import { approvalsSchema } from "#approvals"
import { engines } from "#credentials"
import type { Json } from "#kernel"
import { applicationsSchema, providersSchema, purposesSchema } from "#sessions"

/**
 * The JSON Schema (2020-12) of safeconduct.yaml, for editors: put together from what each room checks its own part with.
 * `apply` checks more, such as names that one part uses and another must have.
 */
export function documentJsonSchema(): { [name: string]: Json } {
  const files = (description: string) => z.array(z.string().min(1)).optional().meta({ description })
  const [first, ...others] = engines.map(({ schema }) => schema)
  const schema = z.strictObject({
    purposes: purposesSchema.optional(),
    providers: providersSchema.optional(),
    applications: applicationsSchema.optional(),
    resources: z.record(z.string(), z.union([first!, ...others])).optional(),
    agents: agentsSchema.optional(),
    approvals: approvalsSchema.optional(),
    policies: files("Cedar files beside this one, as patterns; policies/*.cedar when absent"),
    schemas: files("Cedar schemas, as patterns: the types that other enforcement points ask about (AuthZEN)"),
    entities: files("Cedar entities as JSON, as patterns: what is known of them"),
  })
  return {
    ...(z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" }) as { [name: string]: Json }),
    $id: "https://safeconduct.example/contract/safeconduct.schema.json",
    title: "safeconduct.yaml",
  }
}
