import { z } from "zod"
import type { AgentPrincipal, OperatorPrincipal, Principal } from "#agents"
import { leaseView } from "#credentials"
import { Refusal, type Route, route } from "#kernel"
import { sessionView } from "#sessions"
import { type Acted, act, complete } from "./act.ts"
import { actionSchema } from "./action.ts"
import { evidenceRoutes } from "./approve/evidence-routes.ts"
import { approvalOperatorRoutes } from "./approve/operator-routes.ts"
import { quietUntil } from "./approve/quiet.ts"
import { approvalRoutes } from "./approve/routes.ts"
import { heldView } from "./approve/views.ts"
import { waysRoutes } from "./approve/ways-routes.ts"
import { askRoutes } from "./ask-routes.ts"
import { changeRoutes } from "./change-routes.ts"
import { cibaRoutes } from "./ciba/routes.ts"
import { consentRoutes } from "./consent/routes.ts"
import { takeUp } from "./delegate.ts"
import { delegationRoutes } from "./delegation-routes.ts"
import { endOwnSession } from "./end.ts"
import { explanationRoutes } from "./explanation-routes.ts"
import { renewLease, revokeLease } from "./lease.ts"
import { type Opened, openSession, renewSession } from "./open.ts"
import { operatorSignInRoutes } from "./operators/routes.ts"
import { notificationRoutes } from "./phone/notifications-routes.ts"
import { passkeyRoutes } from "./phone/passkeys-routes.ts"
import { phoneRoutes } from "./phone/routes.ts"
import type { Rooms } from "./rooms.ts"
import { revokeInstance, setAgentState } from "./stop.ts"
import { tokenRoutes } from "./tokens/routes.ts"
import { accepted } from "./unrecorded.ts"

const approvalId = z.string().regex(/^approval_[0-9a-hjkmnp-tv-z]{26}$/, "must be what the action was answered")
const seconds = z
  .int()
  .min(1)
  .max(30 * 86_400)
const openSchema = z
  .strictObject({
    purpose: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be the name of a purpose")
      .optional(),
    delegation: z
      .string()
      .regex(/^delegation_[0-9a-hjkmnp-tv-z]{26}$/, "must be what the other agent was answered")
      .optional(),
    lifetimeSeconds: seconds.optional(),
    hardEndSeconds: seconds.optional(),
  })
  .refine(({ purpose, delegation }) => (purpose === undefined) !== (delegation === undefined), {
    path: ["purpose"],
    message: "either this or a delegation must be there",
  })
const actSchema = z.strictObject({
  session: z.string().max(100),
  action: actionSchema,
  approval: approvalId.optional(),
  justification: z.string().max(200).optional(),
})
const outcomeSchema = z.strictObject({
  outcome: z.enum(["succeeded", "failed"]),
  detail: z.string().max(500).optional(),
})
const reasonSchema = z.strictObject({ reason: z.string().min(1).max(500).default("no reason given") })

/** Every effect that crosses rooms, whatever noun its URL carries. */
export function routes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, z.infer<typeof openSchema>>({
      method: "POST",
      path: "/v1/sessions",
      listeners: ["agents", "web"],
      right: "agent",
      tokenOf: "agent",
      events: ["sessions.opened", "sessions.token-issued", "gate.session-refused"],
      summary: "Open a session for a purpose, or the sub-session that another agent's session was handed on for",
      body: openSchema,
      status: 201,
      async handle({ caller, body: { purpose = "", delegation, ...times } }) {
        const agent = agentOf(caller)
        if (delegation !== undefined) return openedView(await takeUp(rooms, agent, { delegation, ...times }))
        return openedView(await openSession(rooms, agent, { purpose, ...times }))
      },
    }),
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/sessions/{id}/renewal",
      listeners: ["agents", "web"],
      right: "agent",
      events: ["sessions.renewed", "sessions.token-issued"],
      summary: "Extend a session that is in use, and get a new token",
      handle: async ({ caller, params }) => openedView(await renewSession(rooms, agentOf(caller), params.id!)),
    }),
    route<Principal | null, undefined>({
      method: "DELETE",
      path: "/v1/sessions/{id}",
      listeners: ["agents", "web"],
      right: "end-sessions",
      tokenOf: "either",
      events: ["sessions.ended", "credentials.lease-revoked"],
      summary: "End a session: every lease is revoked and its connections are cut before the answer",
      handle: async ({ caller, params }) => {
        const { leases, ...ended } = await endOwnSession(rooms, caller!, params.id!)
        if ("entry" in ended) return accepted({ session: null, leases }, ended.entry)
        return { session: sessionView(ended.session), leases }
      },
    }),
    route<Principal | null, z.infer<typeof actSchema>>({
      method: "POST",
      path: "/v1/actions",
      listeners: ["agents", "web"],
      right: "agent",
      events: [
        "gate.action-begun",
        "gate.action-denied",
        "gate.action-held",
        "gate.action-discarded",
        "approvals.requested",
        "sessions.labelled",
        "credentials.lease-intended",
        "credentials.lease-issued",
      ],
      summary: "Ask for an action: the verdict, and where it is allowed the credential",
      body: actSchema,
      takesApproval: true,
      async handle({ caller, body, headers }) {
        const agent = agentOf(caller)
        const approval = approvalOf(agent, body.approval)
        const acted = await act(rooms, agent, { ...body, approval, idempotencyKey: idempotencyKey(headers) })
        return actedView(acted, acted.held && (await quietUntil(rooms, acted.held)))
      },
    }),
    route<Principal | null, z.infer<typeof outcomeSchema>>({
      method: "POST",
      path: "/v1/actions/{id}/outcome",
      listeners: ["agents", "web"],
      right: "agent",
      events: ["gate.action-succeeded", "gate.action-failed"],
      summary: "Report what became of an allowed action, by the entry that allowed it",
      body: outcomeSchema,
      handle: async ({ caller, params, body }) => {
        await complete(rooms, agentOf(caller), params.id!, body)
        return {}
      },
    }),
    ...approvalRoutes(rooms),
    ...evidenceRoutes(rooms),
    ...approvalOperatorRoutes(rooms),
    ...cibaRoutes(rooms),
    ...waysRoutes(rooms),
    ...delegationRoutes(rooms),
    ...explanationRoutes(rooms),
    ...tokenRoutes(rooms),
    ...consentRoutes(rooms),
    ...passkeyRoutes(rooms),
    ...notificationRoutes(rooms),
    ...phoneRoutes(rooms),
    ...operatorSignInRoutes(rooms),
    ...leaseRoutes(rooms),
    ...operatorRoutes(rooms),
    ...changeRoutes(rooms),
    ...askRoutes(rooms),
  ]
}

function leaseRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/credentials/leases/{id}/renewal",
      listeners: ["agents", "web"],
      right: "agent",
      events: ["credentials.lease-renewed", "gate.renewal-denied"],
      summary: "Extend a lease within its session; open connections stay",
      handle: async ({ caller, params }) => leaseView(await renewLease(rooms, agentOf(caller), params.id!)),
    }),
    route<Principal | null, undefined>({
      method: "DELETE",
      path: "/v1/credentials/leases/{id}",
      listeners: ["agents", "web"],
      right: "end-sessions",
      tokenOf: "either",
      events: ["credentials.lease-revoked"],
      summary: "Revoke a lease: its connections are cut before the answer",
      handle: ({ caller, params }) => revokeLease(rooms, caller!, params.id!),
    }),
  ]
}

function operatorRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  const stop = (path: string, method: "POST" | "DELETE", to: "suspended" | "active" | "retired", summary: string) =>
    route<Principal | null, z.infer<typeof reasonSchema>>({
      method,
      path,
      listeners: ["agents"],
      right: "manage-agents",
      events: [{ suspended: "agents.suspended", active: "agents.resumed", retired: "agents.retired" }[to]],
      summary,
      body: reasonSchema,
      handle: async ({ caller, params, body }) => {
        const { entry, ...stopped } = await setAgentState(rooms, operatorOf(caller), params.name!, to, body.reason)
        return entry === undefined ? stopped : accepted(stopped, entry)
      },
    })
  return [
    stop(
      "/v1/agents/{name}/suspension",
      "POST",
      "suspended",
      "Stop an agent: sessions, leases and connections end at once",
    ),
    stop("/v1/agents/{name}/suspension", "DELETE", "active", "Let a suspended agent work again"),
    stop("/v1/agents/{name}/retirement", "POST", "retired", "Stop an agent for good"),
    route<Principal | null, z.infer<typeof reasonSchema>>({
      method: "DELETE",
      path: "/v1/agents/{name}/instances/{id}",
      listeners: ["agents"],
      right: "manage-agents",
      events: ["agents.instance-revoked", "sessions.ended", "credentials.lease-revoked"],
      summary:
        "Revoke one instance of an agent: its sessions, leases and connections end at once, its key is refused for good",
      body: reasonSchema,
      handle: async ({ caller, params, body }) => {
        const of = { agent: params.name!, instance: params.id! }
        const { entry, ...revoked } = await revokeInstance(rooms, operatorOf(caller), of, body.reason)
        return entry === undefined ? revoked : accepted(revoked, entry)
      },
    }),
  ]
}

function openedView({ session, token }: Opened) {
  const { accessToken, tokenType, expiresIn } = token
  return { session: sessionView(session), accessToken, tokenType, expiresIn }
}

/** The action is known by the entry that holds its decision: that is what an outcome refers to. */
function actedView({ action, decision, entry, held, paced, leave, handed }: Acted, quiet: Date | null) {
  const { verdict, reasons, policies } = decision
  const under = leave === null ? {} : { grant: leave }
  const answer = { id: entry, entry, digest: action.digest, verdict, reasons, policies, ...under }
  if (paced !== null) return { ...answer, code: paced.code, retryAfterSeconds: paced.retryAfterSeconds }
  if (held !== null) return { ...answer, approval: heldView(held, quiet) }
  if (handed === null) return answer
  return { ...answer, lease: leaseView(handed.lease), credential: handed.credential.reveal() }
}

/** The approval that the access token is, or that is named; an agent that says two of them is told so. */
function approvalOf({ onlyApproval }: AgentPrincipal, named: string | undefined): string | undefined {
  if (onlyApproval === undefined || named === undefined || named === onlyApproval) return onlyApproval ?? named
  throw new Refusal(
    "invalid-request",
    "The access token is another approval than the body names. Leave one of them out.",
  )
}

/** The right "agent" was checked; this tells the compiler. */
function agentOf(caller: Principal | null): AgentPrincipal {
  if (caller?.kind !== "agent") throw new Refusal("wrong-role", "Only an agent may do this.")
  return caller
}

function operatorOf(caller: Principal | null): OperatorPrincipal {
  if (caller?.kind !== "operator") throw new Refusal("wrong-role", "Only an operator may do this.")
  return caller
}

/** draft-ietf-httpapi-idempotency-key-header: the same key is the same request, and gets the same lease. */
function idempotencyKey(headers: Headers): string | null {
  const key = headers.get("idempotency-key")
  if (key !== null && !/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new Refusal("invalid-request", "Idempotency-Key must be 1 to 200 printable characters without spaces.")
  }
  return key
}
