import { z } from "zod"
import type { AgentPrincipal, Principal } from "#agents"
import { Refusal, type Route, type RouteRequest, route, Secret } from "#kernel"
import { refuseOtherSession } from "#sessions"
import { linksOf } from "./behalf.ts"
import type { Lease } from "./lease.ts"
import type { Credentials } from "./open.ts"
import { type ResourceView, unknownLease } from "./views.ts"

const states = ["intended", "live", "revoking", "revoked", "expired", "stuck"] as const
const text = z.string().min(1).max(200)
const leasesQuery = z.strictObject({
  session: text.optional(),
  state: z.enum(states).optional(),
}) as unknown as z.ZodType<Record<string, string>>

const time = z.iso.datetime()
const leaseAnswer = z.object({
  id: z.string(),
  session: z.string(),
  agent: z.string(),
  instance: z.string(),
  purpose: z.string(),
  user: z.string().nullable().meta({ description: "On whose behalf; null for the agent's own" }),
  application: z.string().nullable().meta({ description: "The application that invoked the agent" }),
  chain: z
    .array(z.object({ session: z.string(), agent: z.string() }))
    .meta({ description: "Sessions that this one was handed on through, the first that was opened first" }),
  resource: z.string(),
  operation: z.string(),
  state: z.enum(states),
  lookup: z
    .string()
    .nullable()
    .meta({ description: "The look-up that Safeconduct made it for; null: it was handed out" }),
  approval: z.string().nullable().meta({ description: "The approval it was made for, and for that action alone" }),
  role: z.string().meta({ description: "Name of the account at the resource" }),
  intendedAt: time,
  liveAt: time.nullable(),
  expiresAt: time,
  hardEndAt: time,
  lastActiveAt: time.nullable(),
  endedAt: time.nullable(),
  why: z.string().nullable().meta({ description: "Why it ended or is ending" }),
  attempts: z.int().meta({ description: "Failed tries to take it away" }),
  evidence: z.record(z.string(), z.unknown()),
})
const resourceAnswer = z.object({
  name: z.string(),
  engine: z.string(),
  operations: z.array(z.string()),
  limits: z.record(z.string(), z.unknown()),
  username: z.string().nullable().meta({ description: "The account that Safeconduct holds there; null: none yet" }),
  openLeases: z.int(),
  problem: z.string().nullable().meta({ description: "What went wrong when this server last asked it for something" }),
})
const finding = z.object({ level: z.enum(["reject", "problem", "warning"]), what: z.string(), fix: z.string() })
const rootBody = z.strictObject({ username: z.string().min(1).max(63), password: z.string().min(1).max(1_000) })

/** What touches this room alone; renewing and ending a lease also touch its session and are the gate's. */
export function routes(credentials: Credentials): Route<Principal, never>[] {
  return [
    route({
      method: "GET",
      path: "/v1/credentials/leases",
      listeners: ["agents", "web"],
      right: "read-credentials",
      tokenOf: "either",
      events: null,
      summary: "List leases, newest first; an agent sees its own",
      query: leasesQuery,
      answer: z.object({ leases: z.array(leaseAnswer) }),
      handle: async ({ caller, query }: RouteRequest<Principal, never>) => {
        const own = caller.kind === "agent" ? ownLeases(caller) : {}
        return { leases: (await credentials.leases({ ...query, ...own })).map(leaseView) }
      },
    }),
    route({
      method: "GET",
      path: "/v1/credentials/leases/{id}",
      listeners: ["agents", "web"],
      right: "read-credentials",
      tokenOf: "either",
      events: null,
      summary: "Read one lease; an agent sees its own",
      answer: leaseAnswer,
      handle: async ({ caller, params }: RouteRequest<Principal, never>) => {
        const lease = await credentials.lease(params["id"]!)
        if (caller.kind === "agent" && lease.instance !== caller.instance) throw unknownLease()
        refuseOtherSession(caller, lease.session)
        return leaseView(lease)
      },
    }),
    route({
      method: "GET",
      path: "/v1/credentials/resources",
      listeners: ["agents"],
      right: "read-credentials",
      events: null,
      summary: "List the resources in force, for operators",
      answer: z.object({ resources: z.array(resourceAnswer) }),
      handle: async ({ caller }: RouteRequest<Principal, never>) => {
        if (caller.kind === "agent") throw new Refusal("wrong-role", "Agents do not see which resources there are.")
        return { resources: (await credentials.resources()).map(resourceView) }
      },
    }),
    route({
      method: "PUT",
      path: "/v1/credentials/resources/{name}/root",
      listeners: ["agents"],
      right: "manage-credentials",
      events: ["credentials.root-rotating", "credentials.root-configured"],
      summary: "Hand over the account that credentials are made with; its password is changed at once",
      body: rootBody,
      answer: z.object({ resource: z.string(), username: z.string(), warnings: z.array(finding) }),
      handle: async ({ caller, params, body }: RouteRequest<Principal, z.infer<typeof rootBody>>) =>
        await credentials.configure(
          params["name"]!,
          { username: body.username, password: new Secret(body.password) },
          caller.spiffeId,
        ),
    }),
  ]
}

/** What an agent may list: its instance's leases, with a session's token that session's alone. */
function ownLeases({ instance, onlySession }: AgentPrincipal): { instance: string; session?: string } {
  return { instance, ...(onlySession === undefined ? {} : { session: onlySession }) }
}

function resourceView({ name, part, username, openLeases, problem }: ResourceView): z.infer<typeof resourceAnswer> {
  const operations = Object.keys(part.operations)
  return { name, engine: part.engine, operations, limits: part.limits, username, openLeases, problem }
}

/** A lease as callers see it: never the credential. */
export function leaseView(lease: Lease): z.infer<typeof leaseAnswer> {
  const at = (time: Date | null) => time?.toISOString() ?? null
  return {
    id: lease.id,
    session: lease.session,
    agent: lease.agent,
    instance: lease.instance,
    purpose: lease.purpose,
    user: lease.user,
    application: lease.application,
    chain: linksOf(lease.chain),
    resource: lease.resource,
    operation: lease.operation,
    state: lease.state,
    lookup: lease.lookup,
    approval: lease.approval?.id ?? null,
    role: lease.roleName,
    intendedAt: lease.intendedAt.toISOString(),
    liveAt: at(lease.liveAt),
    expiresAt: lease.expiresAt.toISOString(),
    hardEndAt: lease.hardEndAt.toISOString(),
    lastActiveAt: at(lease.lastActiveAt),
    endedAt: at(lease.revokedAt),
    why: lease.ending,
    attempts: lease.attempts,
    evidence: lease.evidence,
  }
}
