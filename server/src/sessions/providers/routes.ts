import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, type RouteRequest, route, Secret } from "#kernel"
import type { Providers } from "./open.ts"

const providerAnswer = z.object({
  name: z.string(),
  issuer: z.string(),
  profile: z.string(),
  clientId: z.string(),
  clientAuthentication: z.string(),
  network: z.string(),
  hasSecret: z.boolean().nullable().meta({ description: "Null where no secret is needed" }),
  problem: z.string().nullable().meta({ description: "What is wrong with it now; null when it answers" }),
  supports: z
    .object({
      pushedRequests: z.boolean(),
      issuerInResponse: z.boolean(),
      introspection: z.boolean(),
      backchannelLogout: z.boolean(),
      logout: z.boolean(),
      authorizationDetails: z.boolean(),
    })
    .nullable()
    .meta({ description: "What it says that it can do; null while it does not answer" }),
})
const secretBody = z.strictObject({ secret: z.string().min(1).max(1_000) })

/** What operators do about the providers in force. Signing in crosses rooms and is the gate's. */
export function providerRoutes(providers: Providers): Route<never, never>[] {
  return [
    route({
      method: "GET",
      path: "/v1/sessions/providers",
      listeners: ["agents"],
      right: "read-sessions",
      events: null,
      summary: "OpenID providers in force, and whether they answer; for operators",
      answer: z.object({ providers: z.array(providerAnswer) }),
      handle: async ({ caller }: RouteRequest<Principal, never>) => {
        if (caller.kind === "agent") throw new Refusal("wrong-role", "Agents do not see which providers there are.")
        return { providers: await providers.list() }
      },
    }),
    route({
      method: "PUT",
      path: "/v1/sessions/providers/{name}/secret",
      listeners: ["agents"],
      right: "manage-credentials",
      events: ["sessions.provider-secret-set"],
      summary: "Hand over the client secret by which a provider knows us; for its present issuer and client alone",
      body: secretBody,
      answer: z.object({ provider: z.string() }),
      handle: async ({ caller, params, body }: RouteRequest<Principal, z.infer<typeof secretBody>>) => {
        await providers.setSecret(params["name"]!, new Secret(body.secret), caller.spiffeId)
        return { provider: params["name"]! }
      },
    }),
  ]
}
