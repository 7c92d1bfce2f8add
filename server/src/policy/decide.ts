import { type Response, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs"
import { canonical, type Json, sha256 } from "#kernel"
import { denied, failed, forbidden } from "./explain.ts"
import { SCHEMA } from "./parse.ts"
import { type Policy, type PolicySet, slice } from "./policy-set.ts"
import { type Asked, contextOf, type Question } from "./question.ts"
import { createSlots } from "./slots.ts"

/** What policy says. Only `allow` allows. */
export type Decision = {
  verdict: "allow" | "deny" | "ask"
  /** The policies that decided, each once. Empty when none permitted. */
  policies: { id: string; effect: "permit" | "forbid" }[]
  /** Why not, in words, for the one who asked; empty when allowed. */
  reasons: string[]
  /** What went wrong in evaluation, for the operator's log. */
  errors: string[]
  /** Digest of the document whose policies decided; null for a set that is not in force. */
  version: string | null
}

type Judgement = Omit<Decision, "version">

const MAX_REMEMBERED = 8_192
const remembered = new WeakMap<PolicySet, Map<string, Decision>>()
const slots = createSlots()

/**
 * Asks the set once per principal; all must allow. Pure: the same set and question give the same decision, so decisions
 * are remembered for as long as the set lives. Whatever cannot be evaluated is denied.
 */
export function decide(set: PolicySet, question: Question): Decision {
  const decisions = remembered.get(set) ?? new Map<string, Decision>()
  remembered.set(set, decisions)
  // The digest is unsalted and says who asked what: it stays in memory.
  const key = sha256(canonical(question as unknown as Json)).toString("base64")
  const known = decisions.get(key)
  if (known !== undefined) return known
  const made = Object.freeze({ ...judge(set, question), version: set.version })
  if (decisions.size >= MAX_REMEMBERED) decisions.delete(decisions.keys().next().value!)
  decisions.set(key, made)
  return made
}

function judge(set: PolicySet, question: Question): Judgement {
  const answers = question.principals.map((principal) => judgeOne(set, question, principal))
  if (answers.length === 0) return deny([], ["Nobody asked: a question names at least one agent or user."])
  const verdict = (["deny", "ask", "allow"] as const).find((one) => answers.some((answer) => answer.verdict === one))!
  // One who is allowed does not explain another's denial.
  const deciding = answers.filter((answer) => answer.verdict === verdict)
  const policies = new Map(deciding.flatMap((answer) => answer.policies).map((policy) => [policy.id, policy]))
  return {
    verdict,
    policies: [...policies.values()],
    reasons: [...new Set(deciding.flatMap((answer) => answer.reasons))],
    errors: deciding.flatMap((answer) => answer.errors),
  }
}

/**
 * Cedar's diagnostics for an `@ask` forbid are the same with and without a permit behind it, so a second set without such
 * forbids tells a denial that an approval would lift from one that it would not.
 */
function judgeOne(set: PolicySet, question: Question, principal: Asked): Judgement {
  const { all, withoutAsk } = slice(set, question.purpose)
  const full = ask(all, question, principal)
  if ("errors" in full) return deny([], [failed(full.policies)], full.errors)
  if (full.isAllowed) return { verdict: "allow", policies: named(full.reason), reasons: [], errors: [] }
  const rest = all === withoutAsk ? full : ask(withoutAsk, question, principal)
  if ("errors" in rest) return deny([], [failed(rest.policies)], rest.errors)
  if (rest.isAllowed) {
    const reasons = full.reason.map((policy) => forbidden(policy, principal, question))
    return { verdict: "ask", policies: named(full.reason), reasons, errors: [] }
  }
  return deny(named(rest.reason), denied(rest.reason, principal, question))
}

type Answer = { isAllowed: boolean; reason: Policy[] } | { errors: string[]; policies: string[] }

function ask(policies: readonly Policy[], question: Question, principal: Asked): Answer {
  const { action } = question
  const answer = statefulIsAuthorized({
    principal: { type: principal.kind === "agent" ? "agents::Agent" : "sessions::User", id: principal.id },
    action: { type: "policy::Action", id: action.type },
    resource: { type: action.type === "delegate" ? "agents::Agent" : "credentials::Resource", id: action.resource },
    context: contextOf(question),
    entities: [],
    preparsedPolicySetId: slots.nameOf(policies),
    preparsedSchemaName: SCHEMA,
    validateRequest: true,
  })
  if (answer.type !== "success") return { errors: answer.errors.map((error) => error.message), policies: [] }
  return readAnswer(policies, answer.response)
}

/** Cedar skips a policy that fails, a forbid too (fail open): one failure makes the whole answer a failure. */
function readAnswer(policies: readonly Policy[], { decision, diagnostics }: Response): Answer {
  if (diagnostics.errors.length > 0) {
    return {
      errors: diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`),
      policies: diagnostics.errors.map(({ policyId }) => policyId),
    }
  }
  const reason = policies.filter((policy) => diagnostics.reason.includes(policy.id))
  return { isAllowed: decision === "allow", reason }
}

function deny(policies: Decision["policies"], reasons: string[], errors: string[] = []): Judgement {
  return { verdict: "deny", policies, reasons, errors }
}

function named(policies: readonly Policy[]): Decision["policies"] {
  return policies.map(({ id, effect }) => ({ id, effect }))
}
