import { z } from "zod"
import type { Principal } from "#agents"
import { type Route, route } from "#kernel"
import { sessionView } from "#sessions"
import { type Explanation, explainSession } from "./explain.ts"
import type { Rooms } from "./rooms.ts"

const time = z.iso.datetime()
const answer = z.object({
  session: z.looseObject({ id: z.string() }),
  description: z.string().nullable(),
  requestText: z.enum(["none", "consent", "application", "passkey"]),
  may: z.array(
    z.object({
      action: z.string(),
      location: z.string(),
      words: z.string(),
      verdict: z.enum(["allow", "deny", "ask"]),
      reasons: z.array(z.string()),
      limits: z.array(
        z.object({ measure: z.string(), perSeconds: z.int().nullable(), atMost: z.number(), left: z.number() }),
      ),
    }),
  ),
  used: z.array(z.object({ measure: z.string(), spent: z.number() })),
  labels: z.array(z.object({ label: z.string(), since: time })),
})

/** What a session may do now, in words: for its agent, and for operators. */
export function explanationRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal, undefined>({
      method: "GET",
      path: "/v1/sessions/{id}/explanation",
      listeners: ["agents", "web"],
      right: "read-sessions",
      tokenOf: "either",
      events: null,
      summary: "What a session may do now, in words, and what it has used up and seen",
      answer,
      handle: async ({ caller, params }) => view(await explainSession(rooms, caller, params["id"] ?? "")),
    }),
  ] as Route<never, never>[] as Route<Principal | null, never>[]
}

function view({ session, labels, ...rest }: Explanation) {
  const seen = labels.map(({ label, since }) => ({ label, since: since.toISOString() }))
  return { session: sessionView(session), ...rest, labels: seen }
}
