import { z } from "zod"
import type { AgentPrincipal, Principal } from "#agents"
import { actionDetails } from "#agents"
import { type Route, route } from "#kernel"
import { handOn } from "./delegate.ts"
import type { Rooms } from "./rooms.ts"

const name = (of: string) => z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, `must be the name of ${of}`)
const seconds = z
  .int()
  .min(1)
  .max(30 * 86_400)
const handOnSchema = z.strictObject({
  agent: name("an agent"),
  purpose: name("a purpose"),
  authorizationDetails: z.array(actionDetails).min(1).max(16),
  lifetimeSeconds: seconds.optional(),
  hardEndSeconds: seconds.optional(),
})
const offerAnswer = z.object({
  delegation: z.string(),
  expiresAt: z.iso.datetime(),
  authorizationDetails: z.array(actionDetails),
})

/** Handing a part of a session on; whoever it is for opens it as a session of its own (routes.ts). */
export function delegationRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<AgentPrincipal, z.infer<typeof handOnSchema>>({
      method: "POST",
      path: "/v1/sessions/{id}/delegations",
      listeners: ["agents", "web"],
      right: "agent",
      events: ["gate.action-begun", "gate.action-denied", "sessions.delegation-offered", "gate.delegation-refused"],
      summary: "Offer a part of a session to another agent, for one sub-session that it opens within five minutes",
      body: handOnSchema,
      // Each rule is compared with each of everybody's: an agent could ask for so many that nobody else gets a turn.
      maxBodyBytes: 8 * 1024,
      answer: offerAnswer,
      status: 201,
      async handle({ caller, params, body }) {
        const { authorizationDetails: details, ...wanted } = body
        const offer = await handOn(rooms, caller, { ...wanted, details, session: params["id"] ?? "" })
        const { id: delegation, expiresAt } = offer
        // As they were handed on: rules and limits of everybody above are added to what was asked for.
        return { delegation, expiresAt: expiresAt.toISOString(), authorizationDetails: offer.details }
      },
    }),
  ] as Route<never, never>[] as Route<Principal | null, never>[]
}
