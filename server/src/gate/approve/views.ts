import { z } from "zod"
import { type Approval, rungOf } from "#approvals"

/** Seconds that an agent waits between two looks, unless it waits with a look. */
const POLL_AFTER_SECONDS = 2

/** States of a request. */
export const states = ["requested", "approved", "denied", "reported", "expired", "withdrawn"] as const
const time = z.iso.datetime()

/** What operators are answered of a request. */
export const approvalAnswer = z.object({
  id: z.string(),
  bundle: z.string().meta({ description: "Requests that one card shows together" }),
  state: z.enum(states),
  reason: z.string().nullable(),
  rung: z.enum(["tap", "sign", "quorum"]),
  requirements: z.array(z.object({ of: z.string(), rung: z.string(), required: z.int() })),
  agent: z.string(),
  session: z.string(),
  purpose: z.string(),
  user: z.string().nullable(),
  resource: z.string().nullable().meta({ description: "Null once it is long over: the log keeps it" }),
  operation: z.string().nullable(),
  policies: z.array(z.string()),
  requestedAt: time,
  expiresAt: time,
  decidedAt: time.nullable(),
  usedAt: time.nullable(),
  usedBy: z.string().nullable().meta({ description: "The entry that allowed the action" }),
  decisions: z.array(z.object({ approver: z.string(), decision: z.string(), way: z.string(), decidedAt: time })),
})
/** What agents are answered of one of theirs. */
export const heldAnswer = z.object({
  id: z.string(),
  state: z.enum(states),
  rung: z.enum(["tap", "sign", "quorum"]),
  expiresAt: time,
  useBefore: time.nullable().meta({ description: "An approval is good until then" }),
  used: z.boolean(),
  quietUntil: time.nullable().meta({ description: "Nobody is disturbed before; null: now, or that is not known" }),
  pollAfterSeconds: z.int(),
})

/** What an operator is shown of a request: neither arguments nor what people were shown, which are personal. */
export function approvalView(approval: Approval): z.infer<typeof approvalAnswer> {
  const { id, bundle, state, reason, requirements, agent, session, purpose, user, action, policies } = approval
  return {
    ...{ id, bundle, state, reason, agent, session, purpose, user, policies },
    rung: rungOf(requirements),
    requirements: requirements.map(({ of, rung, required }) => ({ of, rung, required })),
    resource: action?.resource ?? null,
    operation: action?.operation ?? null,
    requestedAt: approval.requestedAt.toISOString(),
    expiresAt: approval.expiresAt.toISOString(),
    decidedAt: approval.decidedAt?.toISOString() ?? null,
    usedAt: approval.usedAt?.toISOString() ?? null,
    usedBy: approval.usedBy,
    decisions: approval.decisions.map(({ approver, decision, way, decidedAt }) => {
      return { approver, decision, way, decidedAt: decidedAt.toISOString() }
    }),
  }
}

/** What an agent is told of a request that it waits for: neither who decides, nor what they said to whom. */
export function heldView(approval: Approval, quiet: Date | null = null): z.infer<typeof heldAnswer> {
  const { id, state, requirements, expiresAt, useBefore, usedAt } = approval
  return {
    id,
    state,
    rung: rungOf(requirements),
    expiresAt: expiresAt.toISOString(),
    useBefore: useBefore?.toISOString() ?? null,
    used: usedAt !== null,
    quietUntil: quiet?.toISOString() ?? null,
    pollAfterSeconds: POLL_AFTER_SECONDS,
  }
}
