import type { OperatorPrincipal } from "#agents"
import { newId } from "#kernel"
import type { AccessQuestion } from "#policy"
import { type Asked, askPolicy } from "../ask.ts"
import { decisionView } from "../authzen.ts"
import type { Rooms } from "../rooms.ts"
import { type Decided, decideIn, inSession, namedApproval } from "./in-session.ts"

/** How long a denial may be requested, milliseconds. */
export const REQUESTABLE_MS = 600_000

/**
 * Answers a question about an open session (AuthZEN Access Request and Approval Profile, draft 1): a denial that somebody could
 * lift says so, and an approval that is shown with the same question lifts it, once. Null for a question about none.
 */
export async function evaluateInSession(
  rooms: Rooms,
  caller: OperatorPrincipal,
  question: AccessQuestion,
  asked: Asked,
): Promise<object | null> {
  if ((await inSession(rooms, question)) === null) return null
  // The same request, however often it is answered anew: what it uses up it may use again.
  const key = newId("evaluation")
  const { answer, entry, at } = await askPolicy(rooms, caller, asked, async () => {
    const found = await inSession(rooms, question)
    const decided =
      found === null ? null : await decideIn(rooms, found, { asker: caller, approval: namedApproval(question), key })
    const judged = decided?.judged
    return {
      answer: decided,
      data: {
        verdicts: [judged?.verdict ?? "deny"],
        policies: judged?.policies.map(({ id }) => id) ?? [],
        policyVersion: judged?.version ?? null,
        requestable: decided?.asking != null,
        ...(found === null ? {} : { session: found.standing.session.id }),
        ...(judged?.verdict === "allow" && namedApproval(question) !== null
          ? { approval: namedApproval(question) }
          : {}),
      },
      ...(decided?.using && { using: decided.using }),
    }
  })
  return answer === null ? over(entry) : view(answer, entry, at)
}

/** It ended while the question was answered. */
function over(entry: string): object {
  return { decision: false, context: { entry, reason_admin: { en: "The session is over." }, next_action: "none" } }
}

function view({ judged, asking, approval, problem }: Decided, entry: string, at: string): object {
  const { decision, context } = decisionView(judged, entry)
  const evaluated = { evaluation_id: entry, evaluated_at: at }
  if (decision) {
    const until = approval?.useBefore?.toISOString()
    return {
      decision,
      context: { ...context, ...evaluated, ...(approval && { approval: { id: approval.id, approved_until: until } }) },
    }
  }
  const expiresAt = new Date(Date.parse(at) + REQUESTABLE_MS).toISOString()
  const isRequestable = asking !== null
  return {
    decision,
    context: {
      ...context,
      ...evaluated,
      ...(isRequestable ? { reason: "approval_required", access_request: { expires_at: expiresAt } } : {}),
      ...(problem === null ? {} : afterApproval(problem, isRequestable)),
    },
  }
}

/** What the enforcement point is to do whose approval did not count. */
function afterApproval(problem: string, isRequestable: boolean) {
  const isOther = problem.startsWith("There is no such")
  const reason = isOther ? "approval_unverifiable" : isRequestable ? "approval_expired" : "policy_denied"
  const isNew = isRequestable && !isOther
  return { reason, next_action: isNew ? "request" : "none", reason_user: { en: problem } }
}
