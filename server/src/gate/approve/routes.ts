import { z } from "zod"
import type { Principal } from "#agents"
import { unknownApproval } from "#approvals"
import { type Route, route } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { quietUntil } from "./quiet.ts"
import { approvalView, heldView } from "./views.ts"

/** Longest wait of one request. */
const MAX_WAIT_SECONDS = 25

const waiting = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, "must be a number of seconds")
    .optional(),
}) as unknown as z.ZodType<Record<string, string>>

/** What agents ask about approvals. */
export function approvalRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/{id}",
      listeners: ["agents", "web"],
      right: "read-sessions",
      events: null,
      summary: "What became of a request for approval; with wait, as soon as it is decided, or after so many seconds",
      query: waiting,
      async handle({ caller, params, query }) {
        const { approvals } = rooms
        if (caller?.kind === "operator") {
          const shown = await approvals.find(params["id"]!)
          if (shown === null) throw unknownApproval()
          return approvalView(shown)
        }
        const find = async () => {
          const found = await approvals.find(params["id"]!)
          const isOwn = caller?.kind === "agent" && found?.instance === caller.instance && found.agent === caller.name
          // Somebody else's is not found: nobody watches what others wait for.
          if (!isOwn || (caller.onlySession ?? found.session) !== found.session) throw unknownApproval()
          return found
        }
        const found = await find()
        const waitMs = Math.min(Number(query["wait"] ?? 0), MAX_WAIT_SECONDS) * 1000
        if (found.state === "requested" && waitMs > 0) await approvals.waitFor(found.id, "requested", waitMs)
        const now = waitMs > 0 ? await find() : found
        return heldView(now, await quietUntil(rooms, now))
      },
    }),
  ]
}
