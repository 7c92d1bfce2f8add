import { z } from "zod"
import type { Principal } from "#agents"
import { isId, Refusal, type Route, type RouteRequest, route } from "#kernel"
import type { People } from "./open.ts"

/** What operators do about people. */
export function peopleRoutes(people: People): Route<never, never>[] {
  return [
    route({
      method: "DELETE",
      path: "/v1/approvals/people/{id}",
      listeners: ["agents"],
      right: "manage-agents",
      events: ["approvals.person-forgotten"],
      summary: "Erase how a person is reached: browsers, addresses, numbers and quiet hours",
      answer: z.object({ user: z.string(), contacts: z.int().meta({ description: "How many there were" }) }),
      handle: async ({ caller, params }: RouteRequest<Principal, never>) => {
        const user = params["id"]!
        if (!isId("user", user)) throw new Refusal("not-found", "A person is named by the id that stands for them.")
        return { user, contacts: await people.forget(user, caller.spiffeId) }
      },
    }),
  ]
}
