import { z } from "zod"
import type { OperatorPrincipal, Principal } from "#agents"
import type { Approval, FatigueReport, Grant, Report } from "#approvals"
import { Refusal, type Route, route } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { leaveView, revokeLeave } from "./leave.ts"
import { liftReport } from "./report.ts"
import { approvalAnswer, approvalView, heldAnswer, heldView, states } from "./views.ts"

const text = z.string().min(1).max(200)
const time = z.iso.datetime()
type Query = z.ZodType<Record<string, string>>
const listQuery = z.strictObject({
  state: z.enum(states).optional(),
  agent: text.optional(),
  session: text.optional(),
}) as unknown as Query
const grantsQuery = z.strictObject({ user: text.optional(), session: text.optional() }) as unknown as Query
const reportQuery = z.strictObject({
  hours: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, "a number of hours")
    .optional(),
}) as unknown as Query
const reasonBody = z.strictObject({ reason: z.string().min(1).max(500).default("no reason given") })

/** A week. */
const REPORTED_HOURS = 168

const grantAnswer = z.object({
  id: z.string(),
  approval: z.string(),
  user: z.string(),
  agent: z.string(),
  session: z.string(),
  resource: z.string(),
  operation: z.string(),
  isStanding: z.boolean(),
  of: z.int(),
  left: z.int().meta({ description: "Uses; amounts may end it before" }),
  until: time,
  givenAt: time,
  endedAt: time.nullable(),
  endedBy: z.string().nullable(),
})
const reportAnswer = z.object({
  id: z.string(),
  approval: z.string(),
  agent: z.string(),
  reporter: z.string(),
  user: z.string().nullable().meta({ description: "Whom alone it is stopped for; null: everybody" }),
  reportedAt: time,
  liftedAt: time.nullable(),
  liftedBy: z.string().nullable(),
})

/** What operators see of approvals, and take back. */
export function approvalOperatorRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  const { approvals, audit } = rooms
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals",
      listeners: ["agents"],
      right: "read-sessions",
      tokenOf: "either",
      events: null,
      summary:
        "List requests for approval, newest first, without what was shown; an agent sees its own, and not who decides",
      query: listQuery,
      answer: z.object({ approvals: z.array(z.union([approvalAnswer, heldAnswer])) }),
      async handle({ caller, query }) {
        if (caller?.kind !== "agent") return { approvals: (await approvals.list(query)).map(approvalView) }
        const { name, instance, onlySession } = caller
        const own = await approvals.list({ ...query, agent: name, ...(onlySession && { session: onlySession }) })
        const asked = (approval: Approval) => approval.instance === instance && (query["agent"] ?? name) === name
        const isOther = onlySession !== undefined && (query["session"] ?? onlySession) !== onlySession
        return { approvals: isOther ? [] : own.filter(asked).map((each) => heldView(each)) }
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/report",
      listeners: ["agents"],
      right: "read-audit",
      events: null,
      summary: "How much people are asked, how they decide, and what to change; of the last 168 hours unless told",
      query: reportQuery,
      async handle({ query }) {
        const hours = Number(query["hours"] ?? REPORTED_HOURS)
        const since = new Date(rooms.clock.nowMs() - hours * 3_600_000)
        const actions = await audit.count(["gate.action-begun", "gate.action-denied", "gate.action-held"], since)
        return fatigueView(await approvals.fatigue({ hours, actions }))
      },
    }),
    ...grantRoutes(rooms),
    ...reportRoutes(rooms),
  ]
}

function grantRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/grants",
      listeners: ["agents"],
      right: "read-audit",
      events: null,
      summary: "List leave that users gave agents for more of the same, those that stand first",
      query: grantsQuery,
      answer: z.object({ grants: z.array(grantAnswer) }),
      handle: async ({ query }) => {
        const grants = await rooms.approvals.grants.list(query)
        return { grants: await Promise.all(grants.map((grant) => grantView(rooms, grant))) }
      },
    }),
    route<Principal | null, undefined>({
      method: "DELETE",
      path: "/v1/approvals/grants/{id}",
      listeners: ["agents"],
      right: "manage-agents",
      events: ["approvals.grant-revoked"],
      summary: "Take back leave that a user gave: what it covers is asked about again",
      handle: async ({ caller, params }) => {
        return grantView(rooms, await revokeLeave(rooms, { id: params["id"]! }, operatorOf(caller).spiffeId))
      },
    }),
  ]
}

function reportRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/reports",
      listeners: ["agents"],
      right: "read-audit",
      events: null,
      summary: "List agents that somebody reported, those that are stopped first",
      answer: z.object({ reports: z.array(reportAnswer) }),
      handle: async () => ({ reports: (await rooms.approvals.reports.list()).map(reportView) }),
    }),
    route<Principal | null, z.infer<typeof reasonBody>>({
      method: "DELETE",
      path: "/v1/approvals/reports/{id}",
      listeners: ["agents"],
      right: "manage-agents",
      events: ["approvals.report-lifted", "agents.resumed"],
      summary: "Lift a report that somebody else made, so that the agent may act again",
      body: reasonBody,
      answer: reportAnswer,
      handle: async ({ caller, params, body }) =>
        reportView(await liftReport(rooms, operatorOf(caller), params["id"]!, body.reason)),
    }),
  ]
}

async function grantView(rooms: Rooms, grant: Grant): Promise<z.infer<typeof grantAnswer>> {
  const { id, approval, user, agent, session, resource, operation, isStanding, endedBy } = grant
  const { left, of, until } = await leaveView(rooms, grant)
  return {
    ...{ id, approval, user, agent, session, resource, operation, isStanding, of, left, until, endedBy },
    givenAt: grant.givenAt.toISOString(),
    endedAt: grant.endedAt?.toISOString() ?? null,
  }
}

function reportView({ reportedAt, liftedAt, ...rest }: Report): z.infer<typeof reportAnswer> {
  return { ...rest, reportedAt: reportedAt.toISOString(), liftedAt: liftedAt?.toISOString() ?? null }
}

function fatigueView({ since, ...rest }: FatigueReport) {
  return { since: since.toISOString(), ...rest }
}

/** The right was checked; this tells the compiler. */
function operatorOf(caller: Principal | null): OperatorPrincipal {
  if (caller?.kind !== "operator") throw new Refusal("wrong-role", "Only an operator may do this.")
  return caller
}
