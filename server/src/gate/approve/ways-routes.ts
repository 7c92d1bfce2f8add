import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, route, Secret } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { takeChannel } from "./channel.ts"

/** Keycloak's AuthenticationChannelRequest. Only what ties it to a request of ours is read: whom it names, its bearer says. */
const channelBody = z.looseObject({ binding_message: z.string().max(64) })
/** CIBA Core §10.2. The answer is fetched, so the id is not looked at. */
const pingBody = z.looseObject({ auth_req_id: z.string().max(8_192) })
/** Ways to people through their providers, as far as others call us. */
export function waysRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, z.infer<typeof channelBody>>({
      method: "POST",
      path: "/sign-in/{provider}/ciba-channel",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "Where Keycloak has us ask one of its users (its HTTP authentication channel), for a request of ours",
      body: channelBody,
      answer: z.object({}),
      status: 201,
      async handle({ params, body, headers }) {
        const asked = { bearer: bearerOf(headers), bindingMessage: body.binding_message }
        await takeChannel(rooms, params["provider"]!, asked)
        return {}
      },
    }),
    route<Principal | null, z.infer<typeof pingBody>>({
      method: "POST",
      path: "/sign-in/{provider}/ciba-ping",
      listeners: ["web"],
      right: "public",
      events: null,
      summary:
        "Where a provider tells that a user of its has answered (OpenID CIBA, ping); the answer is fetched from it",
      body: pingBody,
      status: 204,
      async handle({ params, headers }) {
        const isKnown = await rooms.approvals.ways.hasten(params["provider"]!, bearerOf(headers))
        if (!isKnown) throw new Refusal("token-invalid", "Nothing is waited for by that bearer.")
        return new Response(null, { status: 204 })
      },
    }),
  ]
}

/** RFC 6750 §2.1. Throws `token-invalid`. */
function bearerOf(headers: Headers): Secret {
  const [, bearer] = /^Bearer ([A-Za-z0-9\-._~+/]{1,8192}=*)$/i.exec(headers.get("authorization") ?? "") ?? []
  if (bearer !== undefined) return new Secret(bearer)
  throw new Refusal("token-invalid", "This takes the bearer that the request was made with.")
}
