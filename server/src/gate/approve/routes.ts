import { z } from "zod"
import type { Principal } from "#agents"
import { type Approval, rungOf, unknownApproval } from "#approvals"
import { type Route, route } from "#kernel"
import type { Rooms } from "../rooms.ts"

/** Seconds that an agent waits between two looks, unless it waits with a look. */
const POLL_AFTER_SECONDS = 2
/** Longest wait of one request. */
const MAX_WAIT_SECONDS = 25

const waiting = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, "must be a number of seconds")
    .optional(),
}) as unknown as z.ZodType<Record<string, string>>

/** What an agent is told of a request that it waits for: neither who decides, nor what they said to whom. */
export function heldView(approval: Approval) {
  const { id, state, requirements, expiresAt, useBefore, usedAt } = approval
  return {
    id,
    state,
    rung: rungOf(requirements),
    expiresAt: expiresAt.toISOString(),
    useBefore: useBefore?.toISOString() ?? null,
    used: usedAt !== null,
    pollAfterSeconds: POLL_AFTER_SECONDS,
  }
}

/** What agents ask about approvals. */
export function approvalRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/{id}",
      listeners: ["agents", "web"],
      right: "agent",
      events: null,
      summary: "What became of a request for approval; with wait, as soon as it is decided, or after so many seconds",
      query: waiting,
      async handle({ caller, params, query }) {
        const { approvals } = rooms
        const find = async () => {
          const found = await approvals.find(params["id"]!)
          const isOwn = caller?.kind === "agent" && found?.instance === caller.instance && found.agent === caller.name
          // Somebody else's is not found: nobody watches what others wait for.
          if (!isOwn || (caller.onlySession ?? found.session) !== found.session) throw unknownApproval()
          return found
        }
        const found = await find()
        const waitMs = Math.min(Number(query["wait"] ?? 0), MAX_WAIT_SECONDS) * 1000
        if (found.state !== "requested" || waitMs === 0) return heldView(found)
        await approvals.waitFor(found.id, "requested", waitMs)
        return heldView(await find())
      },
    }),
  ]
}
