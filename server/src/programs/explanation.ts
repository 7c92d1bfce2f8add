import { type DecidedBy, type Rehearsal, type RehearsedAsking, rehearse } from "#gate"
import { type AccessQuestion, type CedarPolicy, evaluate } from "#policy"

/** A decision with the text of what decided. */
export type Explained = {
  verdict: "allow" | "deny" | "ask"
  by: DecidedBy
  /** What decided, in one sentence. */
  sentence: string
  reasons: string[]
  policies: Pick<CedarPolicy, "id" | "effect" | "file" | "line" | "text">[]
  errors: string[]
}

/** What would be decided, which of the questions decided it, and the policies that did, with their text. */
export function explain(rehearsal: Rehearsal, asked: RehearsedAsking | AccessQuestion): Explained {
  const isOther = "subject" in asked
  const { decision, by } = isOther
    ? { decision: evaluate(rehearsal.set, asked), by: "policy" as const }
    : rehearse(rehearsal, asked)
  const { verdict, reasons, errors } = decision
  const ids = new Set(decision.policies.map(({ id }) => id))
  const policies = rehearsal.set.policies.filter(({ id }) => ids.has(id))
  return {
    verdict,
    by,
    sentence: sentenceOf(verdict, by, policies.length),
    reasons,
    policies: policies.map(({ id, effect, file, line, text }) => ({ id, effect, file, line, text })),
    errors,
  }
}

function sentenceOf(verdict: Explained["verdict"], by: DecidedBy, policies: number): string {
  if (by === "agent") return "The agent's registration decides: policy is not asked."
  if (by === "ceiling") return "The agent's ceiling decides: policy is not asked."
  if (by === "mandate") return "What the purpose is for decides: policy is not asked."
  if (verdict === "allow") return "Ceiling and purpose include it, and policy permits it."
  if (verdict === "ask") return "Policy would permit it, but for a forbid that an approval lifts."
  return policies === 0 ? "Policy decides: nothing permits it." : "Policy decides: it is forbidden."
}
