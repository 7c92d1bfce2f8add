import { z } from "zod"
import type { AgentPrincipal, Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"
import { requireClient } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { type PresentedForm, presentedForm, type TokenForm, tokenForm } from "./form.ts"
import { grant } from "./grant.ts"
import { introspect } from "./introspect.ts"
import { revokeToken } from "./revoke.ts"

const tokenAnswer = z.object({
  access_token: z.string(),
  token_type: z.enum(["Bearer", "DPoP"]),
  expires_in: z.int(),
  issued_token_type: z.string().optional(),
  authorization_details: z.array(z.looseObject({})).optional(),
  safeconduct_session: z.string().optional(),
  id_token: z.string().optional(),
  scope: z.string().optional(),
})

/** OAuth's endpoints for tokens. Opening and ending sessions cross rooms, and so they are the gate's. */
export function tokenRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, TokenForm>({
      method: "POST",
      path: "/oauth2/token",
      listeners: ["agents", "web"],
      right: "agent",
      events: [
        "sessions.opened",
        "sessions.token-issued",
        "sessions.user-known",
        "sessions.code-replayed",
        "approvals.token-issued",
        "gate.session-refused",
      ],
      summary:
        "An access token: for a session of one's own, for a user's code, in exchange for a user's token, or for what was approved by CIBA. Clients authenticate by mutual TLS (RFC 8705), or by private_key_jwt and DPoP (RFC 7523, 9449)",
      body: tokenForm,
      bodyType: "form",
      answer: tokenAnswer,
      handle: ({ caller, body }) => grant(rooms, agentOf(caller), body),
    }),
    route<Principal | null, PresentedForm>({
      method: "POST",
      path: "/oauth2/introspect",
      listeners: ["agents", "web"],
      right: "application",
      events: null,
      summary: "What an access token is now (RFC 7662), for a registered application that guards resources of its own",
      body: presentedForm,
      bodyType: "form",
      answer: z.looseObject({ active: z.boolean() }),
      handle: async ({ body }) => introspect(rooms, await rooms.sessions.authenticateApplication(body), body.token),
    }),
    route<Principal | null, PresentedForm>({
      method: "POST",
      path: "/oauth2/revoke",
      listeners: ["agents", "web"],
      right: "agent",
      events: ["sessions.ended", "credentials.lease-revoked", "approvals.withdrawn"],
      summary:
        "Revoke an access token of one's own (RFC 7009): the session that it is of ends, with all its credentials; of an approval, that alone",
      body: presentedForm,
      bodyType: "form",
      answer: z.object({}),
      async handle({ caller, body }) {
        const agent = agentOf(caller)
        requireClient(body, agent)
        await revokeToken(rooms, agent, body.token)
        return {}
      },
    }),
  ]
}

function agentOf(caller: Principal | null): AgentPrincipal {
  if (caller?.kind === "agent") return caller
  throw new Refusal("wrong-role", "Only agents ask for tokens.")
}
