import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { authorizeBackchannel } from "./authorize.ts"
import { type BackchannelForm, backchannelForm } from "./parameters.ts"

/** OpenID CIBA towards agents; the token endpoint has its grant. */
export function cibaRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, BackchannelForm>({
      method: "POST",
      path: "/oauth2/bc-authorize",
      listeners: ["agents", "web"],
      right: "agent",
      events: [
        "gate.action-held",
        "approvals.requested",
        "approvals.withdrawn",
        "gate.action-denied",
        "gate.approval-not-asked",
      ],
      summary:
        "Ask for the approval of one action by OpenID CIBA: the answer is what the token endpoint is polled with",
      body: backchannelForm,
      bodyType: "form",
      answer: z.object({ auth_req_id: z.string(), expires_in: z.int(), interval: z.int() }),
      async handle({ caller, body }) {
        if (caller?.kind !== "agent") throw new Refusal("wrong-role", "Only agents ask for approval.")
        return await authorizeBackchannel(rooms, caller, body)
      },
    }),
  ]
}
