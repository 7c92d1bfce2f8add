import { z } from "zod"
import type { Change } from "#audit"
import { Refusal, type Route, type RouteRequest, route } from "#kernel"
import { principalName } from "./document.ts"
import type { Agents } from "./index.ts"
import type { JoinRequest } from "./join.ts"
import type { Principal } from "./principal.ts"

const operatorRole = z.enum(["admin", "operator", "auditor", "approver"])
const csr = z.string().max(8_192)

const enrolment = z.object({
  spiffeId: z.string(),
  instance: z.string(),
  svid: z.string(),
  bundle: z.string(),
  trustDomain: z.string(),
  notAfter: z.string(),
})
const joinToken = z.object({ token: z.string(), expiresAt: z.string() })
const time = z.string().nullable()
const instances = z.array(z.object({ id: z.string(), enrolledAt: z.string(), revokedAt: time, svidNotAfter: time }))
const agent = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  description: z.string(),
  purposes: z.array(z.string()),
  ceiling: z.array(z.unknown()),
  redirectUris: z.array(z.string()),
  state: z.enum(["active", "suspended", "retired"]),
  instances,
})
const operator = z.object({
  id: z.string(),
  name: z.string(),
  roles: z.array(operatorRole),
  state: z.enum(["active", "retired"]),
  user: z
    .string()
    .nullable()
    .meta({ description: "Who signs in as this operator; null for one that joins with tokens" }),
  signedInUntil: time.meta({ description: "When the last of their sign-ins ends; null when none is open" }),
  instances,
})

type Request<Body = unknown> = RouteRequest<Principal | null, Body>

/**
 * The HTTP of this room alone; suspension, resumption and retirement of agents end sessions and are the gate's. `alone` goes
 * with what lets an operator in: its work refuses where one operator is not enough for that.
 */
export function routes(agents: Agents, alone: () => Change<void>): Route<Principal | null, never>[] {
  const handOut = async (request: JoinRequest, by: string) => {
    const allowed = request.kind === "operator" ? alone() : undefined
    const { token, expiresAt } = await agents.createJoinToken(request, by, allowed)
    return { token: token.reveal(), expiresAt: expiresAt.toISOString() }
  }

  return [
    route({
      method: "POST",
      path: "/v1/agents/enrolments",
      listeners: ["agents"],
      right: "enrol",
      events: ["agents.instance-enrolled", "agents.svid-issued"],
      summary: "Turn a join token and a signing request into an instance with its first SVID",
      body: z.strictObject({ token: z.string().max(200), csr }),
      answer: enrolment,
      status: 201,
      handle: ({ body }: Request<{ token: string; csr: string }>) => agents.enrol(body),
    }),
    route({
      method: "POST",
      path: "/v1/agents/renewals",
      listeners: ["agents", "web"],
      right: "identified",
      tokenOf: "agent",
      events: ["agents.svid-issued"],
      summary: "Renew the caller's SVID for its registered key; one that expired at most 24 hours ago is enough",
      body: z.strictObject({ csr }),
      answer: enrolment,
      status: 201,
      handle: ({ caller, body }: Request<{ csr: string }>) => agents.renew(identified(caller), body.csr),
    }),
    route({
      method: "GET",
      path: "/v1/agents",
      listeners: ["agents"],
      right: "read-agents",
      events: null,
      summary: "Agents with their instances",
      answer: z.object({ agents: z.array(agent) }),
      handle: async () => ({ agents: await agents.list() }),
    }),
    route({
      method: "GET",
      path: "/v1/agents/bundle",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "The trust domain's SPIFFE bundle, a JWK set",
      answer: z.object({ keys: z.array(z.unknown()), spiffe_sequence: z.int(), spiffe_refresh_hint: z.int() }),
      handle: () => agents.bundle(),
    }),
    route({
      method: "GET",
      path: "/v1/agents/operators",
      listeners: ["agents"],
      right: "read-agents",
      events: null,
      summary: "Operators with their roles and instances",
      answer: z.object({ operators: z.array(operator) }),
      handle: async () => ({ operators: await agents.operators() }),
    }),
    route({
      method: "POST",
      path: "/v1/agents/operators",
      listeners: ["agents"],
      right: "manage-operators",
      events: ["agents.operator-registered", "agents.operator-changed", "agents.join-token-created"],
      summary: "Name an operator and hand out its first join token",
      body: z.strictObject({ name: principalName, roles: z.array(operatorRole).min(1) }),
      answer: joinToken,
      status: 201,
      handle: ({ caller, body }: Request<{ name: string; roles: z.infer<typeof operatorRole>[] }>) =>
        handOut({ kind: "operator", ...body }, identified(caller).spiffeId),
    }),
    route({
      method: "POST",
      path: "/v1/agents/operators/{name}/join-tokens",
      listeners: ["agents"],
      right: "manage-operators",
      events: ["agents.operator-registered", "agents.operator-changed", "agents.join-token-created"],
      summary: "Hand out a join token for an operator; roles, where given, replace the ones it has",
      body: z.strictObject({ roles: z.array(operatorRole).min(1).optional() }),
      answer: joinToken,
      status: 201,
      handle: ({ caller, params, body }: Request<{ roles?: z.infer<typeof operatorRole>[] | undefined }>) =>
        handOut(
          { kind: "operator", name: params.name!, ...(body.roles === undefined ? {} : { roles: body.roles }) },
          identified(caller).spiffeId,
        ),
    }),
    route({
      method: "POST",
      path: "/v1/agents/operators/{name}/retirement",
      listeners: ["agents"],
      right: "manage-operators",
      events: ["agents.operator-retired"],
      summary: "End an operator's rights for good",
      body: z.strictObject({ reason: z.string().min(1).max(500) }),
      answer: z.object({ name: z.string(), state: z.literal("retired") }),
      handle: async ({ caller, params, body }: Request<{ reason: string }>) => {
        const { name } = await agents.retireOperator(params.name!, body.reason, identified(caller).spiffeId)
        return { name, state: "retired" }
      },
    }),
    route({
      method: "GET",
      path: "/v1/agents/{name}",
      listeners: ["agents"],
      right: "read-agents",
      events: null,
      summary: "One agent with its instances",
      answer: agent,
      handle: async ({ params }: Request) => {
        const found = (await agents.list()).find(({ name }) => name === params.name)
        if (found === undefined) throw new Refusal("not-found", "There is no such agent.")
        return found
      },
    }),
    route({
      method: "POST",
      path: "/v1/agents/{name}/join-tokens",
      listeners: ["agents"],
      right: "manage-agents",
      events: ["agents.join-token-created"],
      summary: "Hand out a single-use token that makes one instance of the agent",
      answer: joinToken,
      status: 201,
      handle: ({ caller, params }: Request) =>
        handOut({ kind: "agent", name: params.name! }, identified(caller).spiffeId),
    }),
  ]
}

/** The caller of a route whose right nobody without identity has. */
function identified(caller: Principal | null): Principal {
  if (caller === null) throw new Refusal("no-identity", "This needs a client certificate (an SVID).")
  return caller
}
