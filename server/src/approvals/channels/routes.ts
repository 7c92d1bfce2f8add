import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, type RouteRequest, route, Secret } from "#kernel"
import { channelNames } from "./channel.ts"
import type { Channels } from "./open.ts"

const channelAnswer = z.object({
  name: z.enum(channelNames),
  hasSecret: z.boolean().nullable().meta({ description: "Null where no secret is needed" }),
})
const secretBody = z.strictObject({ secret: z.string().min(1).max(1_000) })

/** What operators do about channels. */
export function channelRoutes(channels: Channels): Route<never, never>[] {
  return [
    route({
      method: "GET",
      path: "/v1/approvals/channels",
      listeners: ["agents"],
      right: "read-sessions",
      events: null,
      summary: "Ways to tell people that something waits for them, as configured; for operators",
      answer: z.object({ channels: z.array(channelAnswer) }),
      handle: async ({ caller }: RouteRequest<Principal, never>) => {
        if (caller.kind === "agent") throw new Refusal("wrong-role", "Agents do not see how people are reached.")
        return { channels: await channels.list() }
      },
    }),
    route({
      method: "PUT",
      path: "/v1/approvals/channels/{name}/secret",
      listeners: ["agents"],
      right: "manage-credentials",
      events: ["approvals.channel-secret-set"],
      summary: "Hand over the secret by which a channel's server knows us; for its present place alone",
      body: secretBody,
      answer: z.object({ channel: z.string() }),
      handle: async ({ caller, params, body }: RouteRequest<Principal, z.infer<typeof secretBody>>) => {
        await channels.setSecret(params["name"]!, new Secret(body.secret), caller.spiffeId)
        return { channel: params["name"]! }
      },
    }),
  ]
}
