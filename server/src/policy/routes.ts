import { z } from "zod"
import { type Route, route } from "#kernel"
import type { Policy } from "./in-force.ts"

const answer = z.object({
  digest: z.string().nullable(),
  appliedAt: z.string().nullable(),
  appliedBy: z.string().nullable(),
  document: z.unknown(),
})

/** Routes that touch only policy; applying one crosses rooms and is the gate's. */
export function routes(policy: Policy): Route<never, never>[] {
  return [
    route({
      method: "GET",
      path: "/v1/policy",
      listeners: ["agents"],
      right: "read-policy",
      events: null,
      summary: "The version in force: policies, purposes, resources and agents, with its digest",
      answer,
      handle() {
        const version = policy.version()
        return {
          digest: version?.digest ?? null,
          appliedAt: version?.appliedAt.toISOString() ?? null,
          appliedBy: version?.appliedBy ?? null,
          document: version?.document ?? null,
        }
      },
    }),
  ]
}
