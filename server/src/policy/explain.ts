import type { Policy } from "./policy-set.ts"
import type { Asked, Question } from "./question.ts"

/** Words for a denial: of each forbid that applied, or that nothing permits. Never empty. */
export function denied(forbids: readonly Policy[], principal: Asked, question: Question): string[] {
  if (forbids.length === 0) return [`No policy permits ${sentence(principal, question)}.`]
  return forbids.map((policy) => forbidden(policy, principal, question))
}

/** Words for one forbid: its own `@reason`, or what it forbade. */
export function forbidden(policy: Policy, principal: Asked, question: Question): string {
  return policy.reason ?? `Policy ${policy.id} forbids ${sentence(principal, question)}.`
}

/** Words for a question that could not be evaluated. What went wrong is for the operator's log. */
export function failed(policyIds: readonly string[]): string {
  if (policyIds.length === 0) return "The question does not fit the policy schema, so it is denied."
  return `Policy ${policyIds.join(", ")} cannot be evaluated for this question, so it is denied; an operator must correct it.`
}

/** Words for sinks that the argument checker could not verify, or that failed. */
export function unverified(sinks: readonly string[], finding: "unverifiable" | "failed"): string {
  const names = sinks.join(", ")
  if (finding === "failed") return `What was asked for ${names} is not what the mandate of this session allows.`
  return `Nothing that is trusted says whether ${names} is what the user wants, so it needs their approval.`
}

/** `support-bot to read kb for answer-questions`; a user's own name is personal and stays out. */
function sentence(principal: Asked, { action, purpose }: Question): string {
  const who = principal.kind === "user" ? "the user" : principal.id
  const what = action.type === "delegate" ? `delegate to ${action.resource}` : `${action.operation} ${action.resource}`
  return `${who} to ${what} for ${purpose}`
}
