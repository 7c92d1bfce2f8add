import { type AgentPrincipal, type OperatorPrincipal, spiffeIdOf } from "#agents"
import type { Approval } from "#approvals"
import type { Change } from "#audit"
import { base64url, type Id, type Json, sha256 } from "#kernel"
import { type AccessQuestion, isOwn, ownAction } from "#policy"
import type { Standing } from "#sessions"
import { type Action, actionSchema, nameAction } from "../action.ts"
import { type Consulted, consult } from "../approve/consult.ts"
import { type Asking, askingFor } from "../approve/hold.ts"
import { judgeApproved } from "../approve/judge-approved.ts"
import type { Judged } from "../judge.ts"
import { learn } from "../known.ts"
import type { Rooms } from "../rooms.ts"
import { isAskedBy } from "./asked-by.ts"

/** A question of what an agent of ours may do in an open session, to something that another enforcement point guards. */
export type InSession = { standing: Standing; caller: AgentPrincipal; action: Action }

/** What another point can enforce. Credentials and sessions are handed out by the gate alone. */
const ENFORCED_ELSEWHERE = ["tool", "sql", "http"]

/**
 * The session that a question is about, where it names an agent, its open session and that one's purpose: then the answer is what
 * the gate would decide, arguments included (action.properties.arguments). Null for any other question.
 */
export async function inSession(rooms: Rooms, asked: AccessQuestion): Promise<InSession | null> {
  const { subject, action, resource, context = {} } = asked
  const isOurs = isOwn(asked) && subject.type === "agents::Agent" && ENFORCED_ELSEWHERE.includes(action.name)
  const own = isOurs ? ownAction(asked) : null
  const { session: id } = context
  if (own === null || typeof id !== "string") return null
  const given = action.properties?.["arguments"] ?? {}
  const parsed = actionSchema.safeParse({
    type: own.type,
    resource: resource.id,
    operation: own.operation,
    arguments: given,
  })
  const standing = parsed.success ? await rooms.sessions.look(id) : null
  if (standing === null) return null
  const { session } = standing
  if (session.agent !== subject.id || session.purpose !== own.purpose) return null
  const caller = await principalOf(rooms, standing)
  return caller === null ? null : { standing, caller, action: parsed.data! }
}

/** Whose session it is, by the key that its instance enrolled. Null when it may not act, or that key is not noted. */
async function principalOf({ agents }: Rooms, { session }: Standing): Promise<AgentPrincipal | null> {
  const agent = agents.agent(session.agent)
  const key = agent?.state === "active" ? await agents.keyOf(session.instance) : null
  if (agent === null || key === null) return null
  const { crv, kty, x, y } = key.export({ format: "jwk" })
  return {
    kind: "agent",
    spiffeId: spiffeIdOf(agents.trustDomain, "agent", agent.name),
    name: agent.name,
    agentId: agent.id,
    instance: session.instance,
    serial: session.svid,
    // RFC 7638 §3
    confirmation: { jkt: base64url(sha256(JSON.stringify({ crv, kty, x, y }))) },
    notAfterMs: session.expiresAt.getTime(),
  }
}

/** What the gate would decide. `asking` is there where somebody could approve it; `using` uses the approval that it stands on up. */
export type Decided = {
  judged: Judged
  asking: Asking | null
  approval: Approval | null
  /** Why the approval that was named does not count; null where it does, or none was named. */
  problem: string | null
  using: ((entry: Id<"entry">) => Change<unknown>) | null
}

/**
 * Decides it, with the approval that is named: it is held against the question as if the agent had asked (consult.ts), and is
 * good once, under one `key`, for the enforcement point that asked for it. What takes of a limit cannot be asked for here: nothing would count what is done elsewhere.
 */
export async function decideIn(
  rooms: Rooms,
  { standing, caller, action: asked }: InSession,
  { asker, approval: named, key }: { asker: OperatorPrincipal; approval: string | null; key: string },
): Promise<Decided> {
  const about = { session: standing.session.id, action: asked, idempotencyKey: key, approval: named }
  const consulted = await ownOf(rooms, asker, await consult(rooms, caller, about))
  const { approval, answered, action } = consulted
  const known = await learn(rooms, caller, standing, asked, null)
  const at = { known, approval: approval ?? answered?.approval ?? null }
  const judged = judgeApproved(rooms, caller, standing, asked, at)
  const problem = consulted.problem ?? (consulted.waiting === null ? null : "Nobody has decided yet.")
  const used = judged.verdict === "allow" ? approval : null
  const isRequestable = judged.verdict === "ask" && judged.takings.length === 0
  const justification = null
  return {
    judged,
    asking: isRequestable
      ? await askingFor(rooms, caller, standing, {
          action: named === null ? action : nameAction(asked),
          judged,
          justification,
        })
      : null,
    approval: used,
    problem: named === null ? null : problem,
    using:
      used === null
        ? null
        : (entry) => rooms.approvals.use({ id: used.id, entry, key, isRepeatable: true }) as Change<unknown>,
  }
}

/**
 * What the agent asked for, or another point, is not this one's to use up: whoever may only ask would take from people what they
 * approved. The same words as for one that there is not.
 */
async function ownOf(rooms: Rooms, asker: OperatorPrincipal, consulted: Consulted): Promise<Consulted> {
  const found = consulted.approval ?? consulted.answered?.approval ?? consulted.waiting
  if (found === null || (await isAskedBy(rooms, asker, found))) return consulted
  const problem = "There is no such approval of yours for this session."
  return { action: consulted.action, problem, approval: null, answered: null, waiting: null }
}

/** The approval that a question names, as the profile has it; null where it names none. */
export function namedApproval({ context = {} }: AccessQuestion): string | null {
  const { approval } = context as { [name: string]: Json }
  if (typeof approval !== "object" || approval === null || Array.isArray(approval)) return null
  return typeof approval["id"] === "string" ? approval["id"] : null
}
