import { Refusal } from "#kernel"
import type { EngineKind } from "../../engine.ts"
import { parseTools, toolsSchema } from "./part.ts"

/**
 * Tools of an agent's own: a resource that is described, so that policy can speak of what its tools do, and people can be
 * shown it. There is nothing to connect to, no account is held there, and no credential is made for it.
 */
export const tools: EngineKind = {
  name: "tools",
  schema: toolsSchema,
  parse: parseTools,
  open({ name }) {
    throw new Refusal("resource-unknown", `There are no credentials for "${name}": its operations are tools.`)
  },
}
