import { randomUUID } from "node:crypto"
import type { Principal } from "#agents"
import type { ApiRoute } from "#api"
import { Refusal, type RouteRequest, route } from "#kernel"

/** Where a request is one of several of an interaction (FAPI 1.0 Baseline §6.2.1, 11). */
const INTERACTION = "x-fapi-interaction-id"
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * A protected resource that does nothing, as often as it is asked: for clients that want to see that their token of an approved
 * request is taken here, and no other one. For development alone.
 */
export const resource: ApiRoute = route<Principal | null, undefined>({
  method: "GET",
  path: "/dev/resource",
  listeners: ["agents"],
  right: "agent",
  takesApproval: true,
  events: null,
  summary: "Say which approval the access token is",
  handle({ caller, headers }: RouteRequest<Principal | null, undefined>) {
    if (caller?.kind !== "agent" || caller.onlyApproval === undefined) {
      throw new Refusal("token-invalid", "This takes the access token of an approved request, as a Bearer token.")
    }
    const given = headers.get(INTERACTION) ?? ""
    const interaction = UUID.test(given) ? given : randomUUID()
    const answer = { client: caller.spiffeId, approval: caller.onlyApproval }
    return Response.json(answer, { headers: { "cache-control": "no-store", [INTERACTION]: interaction } })
  },
}) as ApiRoute
