import type { OperatorPrincipal, Principal } from "#agents"
import type { Approval } from "#approvals"
import { isId, Refusal, type Route, type RouteRequest, route } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { isAskedBy } from "./asked-by.ts"
import { type Submission, submissionSchema, submit } from "./submit.ts"

/** Problem types of the profile, and their HTTP status. */
const PROBLEMS = {
  not_requestable: 400,
  invalid_denial_binding: 400,
  duplicate_request: 409,
  expired_denial: 410,
  unknown_task: 404,
} as const
const TYPE = "urn:openid:authzen:access-request:error:"
const PATH = "/access/v1/requests"

/** AuthZEN Access Request and Approval Profile, draft 1: requests for what was denied. `agentsUrl` is where they are served. */
export function accessRequestRoutes(rooms: Rooms, agentsUrl: () => string): Route<Principal | null, never>[] {
  return [
    route<Principal | null, Submission>({
      method: "POST",
      path: PATH,
      listeners: ["agents"],
      right: "request-access",
      events: ["gate.access-requested", "approvals.requested"],
      summary: "Ask for the approval of what an evaluation denied and said can be requested (AuthZEN Access Request)",
      body: submissionSchema,
      isOtherTypeBad: true,
      async handle({ caller, body, headers }) {
        const submitted = await submit(
          rooms,
          operatorOf(caller),
          body,
          headers.get("idempotency-key")?.slice(0, 200) ?? null,
        )
        if ("problem" in submitted) return problem(submitted.problem, submitted.detail)
        const answer = taskOf(submitted.approval, agentsUrl())
        return Response.json(answer, {
          status: 202,
          headers: { location: answer.task.status_endpoint, "cache-control": "no-store" },
        })
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: `${PATH}/{id}`,
      listeners: ["agents"],
      right: "ask-policy",
      events: null,
      summary: "What became of an access request of one's own (AuthZEN Access Request)",
      async handle({ caller, params }: RouteRequest<Principal | null, undefined>) {
        const found = await findOwn(rooms, operatorOf(caller), params["id"]!)
        return found === null
          ? problem("unknown_task", "There is no such request of yours.")
          : taskOf(found, agentsUrl())
      },
    }),
  ]
}

async function findOwn(rooms: Rooms, caller: OperatorPrincipal, id: string): Promise<Approval | null> {
  const found = isId("approval", id) ? await rooms.approvals.find(id) : null
  return found !== null && (await isAskedBy(rooms, caller, found)) ? found : null
}

const STATUS = {
  requested: "pending",
  approved: "approved",
  denied: "denied",
  reported: "denied",
  expired: "expired",
  withdrawn: "cancelled",
} as const

/** Neither who decides nor what they said: an enforcement point learns what became of it. */
function taskOf({ id, state, isOpen, expiresAt, decidedAt, useBefore }: Approval, agentsUrl: string) {
  const status = state === "requested" && !isOpen ? "expired" : STATUS[state]
  const task = { id, status, status_endpoint: `${agentsUrl}${PATH}/${id}`, expires_at: expiresAt.toISOString() }
  if (state !== "approved") return { task }
  const approval = { id, approved_at: decidedAt!.toISOString(), approved_until: useBefore!.toISOString() }
  return { task, result: { mode: "reevaluate", approval } }
}

/** RFC 9457, with the type that the profile gives it. */
function problem(type: keyof typeof PROBLEMS, detail: string): Response {
  const status = PROBLEMS[type]
  const body = { type: TYPE + type, title: type.replaceAll("_", " "), status, detail }
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" }
  return new Response(JSON.stringify(body), { status, headers })
}

/** The right "ask-policy" was checked, and no agent has it; this tells the compiler. */
function operatorOf(caller: Principal | null): OperatorPrincipal {
  if (caller?.kind !== "operator") throw new Refusal("wrong-role", "Only an operator may ask policy.")
  return caller
}
