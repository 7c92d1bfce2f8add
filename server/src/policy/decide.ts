import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs"
import { sha256 } from "#kernel"
import { authorize } from "./authorize.ts"
import { denied, failed, forbidden, unverified } from "./explain.ts"
import { type AskRung, isAtLeast, type Policy, type PolicySet } from "./policy-set.ts"
import { type Asked, contextOf, type Question, sinksOf } from "./question.ts"

/** Somebody whose approval an action waits for: `user`, or the name of a group of approvers. */
export type Ask = { of: string; rung: AskRung }

/** What policy says. Only `allow` allows. */
export type Decision = {
  verdict: "allow" | "deny" | "ask"
  /** The policies that decided, each once. Empty when none permitted. */
  policies: { id: string; effect: "permit" | "forbid" }[]
  /** Why not, in words, for the one who asked; empty when allowed. */
  reasons: string[]
  /** What went wrong in evaluation, for the operator's log. */
  errors: string[]
  /** Whose approval would make it allowed, in order; empty unless the verdict is `ask`. */
  asks: Ask[]
  /** True when whoever it is done for is told that it happens: a permit that allows it says so. */
  tells: boolean
  /** Digest of the document whose policies decided; null for a set that is not in force. */
  version: string | null
}

type Judgement = Omit<Decision, "version">

const MAX_REMEMBERED = 8_192
const remembered = new WeakMap<PolicySet, Map<string, Decision>>()

/**
 * Asks the set once per principal; all must allow. Policies may turn what is unverifiable into a denial, never into silence: a
 * sink that cannot be verified is asked about whatever permits the action, one that failed is denied. Pure: the same set and question give the same decision, so decisions
 * are remembered for as long as the set lives. Whatever cannot be evaluated is denied.
 */
export function decide(set: PolicySet, question: Question): Decision {
  const decisions = remembered.get(set) ?? new Map<string, Decision>()
  remembered.set(set, decisions)
  // The digest is unsalted and says who asked what: it stays in memory. question() writes members in one order; another
  // order would be asked anew, and no two questions have one text.
  const key = sha256(JSON.stringify(question)).toString("base64")
  const known = decisions.get(key)
  if (known !== undefined) return known
  const made = Object.freeze({ ...judge(set, question), version: set.version })
  if (decisions.size >= MAX_REMEMBERED) decisions.delete(decisions.keys().next().value!)
  decisions.set(key, made)
  return made
}

function judge(set: PolicySet, question: Question): Judgement {
  const asked = judgeAll(set, question)
  if (asked.verdict !== "allow") return asked
  const [failing, unverifiable] = [sinksOf(question, "failed"), sinksOf(question, "unverifiable")]
  if (failing.length > 0) return deny([], [unverified(failing, "failed")])
  if (unverifiable.length === 0 || question.facts.approved) return asked
  const asks: Ask[] = [{ of: "user", rung: "sign" }]
  return { ...asked, verdict: "ask", reasons: [unverified(unverifiable, "unverifiable")], asks, tells: false }
}

function judgeAll(set: PolicySet, question: Question): Judgement {
  const answers = question.principals.map((principal) => judgeOne(set, question, principal))
  if (answers.length === 0) return deny([], ["Nobody asked: a question names at least one agent or user."])
  const verdict = (["deny", "ask", "allow"] as const).find((one) => answers.some((answer) => answer.verdict === one))!
  // One who is allowed does not explain another's denial.
  const deciding = answers.filter((answer) => answer.verdict === verdict)
  // What nobody can verify is asked of the user whatever else is asked of others.
  const isUnsure = verdict === "ask" && sinksOf(question, "unverifiable").length > 0
  const unsure: Ask[] = isUnsure ? [{ of: "user", rung: "sign" }] : []
  const policies = new Map(deciding.flatMap((answer) => answer.policies).map((policy) => [policy.id, policy]))
  return {
    verdict,
    policies: [...policies.values()],
    reasons: [...new Set(deciding.flatMap((answer) => answer.reasons))],
    errors: deciding.flatMap((answer) => answer.errors),
    asks: strongest([...deciding.flatMap((answer) => answer.asks), ...unsure]),
    tells: verdict === "allow" && deciding.some((answer) => answer.tells),
  }
}

function judgeOne(set: PolicySet, question: Question, principal: Asked): Judgement {
  const { action } = question
  const answer = authorize(set, question.purpose, {
    principal: { type: principal.kind === "agent" ? "agents::Agent" : "sessions::User", id: principal.id },
    action: { type: "policy::Action", id: action.type },
    resource: { type: action.type === "delegate" ? "agents::Agent" : "credentials::Resource", id: action.resource },
    context: contextOf(question),
    entities: entitiesOf(principal),
  })
  if (answer.verdict === "failed") return deny([], [failed(answer.policyIds)], answer.errors)
  const { verdict, policies } = answer
  if (verdict === "allow") {
    const tells = policies.some(({ rung }) => rung === "tell")
    return { verdict, policies: named(policies), reasons: [], errors: [], asks: [], tells }
  }
  if (verdict === "deny") return deny(named(policies), denied(policies, principal, question))
  const reasons = policies.map((policy) => forbidden(policy, principal, question))
  return { verdict, policies: named(policies), reasons, errors: [], asks: asksOf(policies), tells: false }
}

/** Whose approval these forbids wait for: a signature, unless they say otherwise. */
export function asksOf(policies: readonly Policy[]): Ask[] {
  return strongest(
    policies.flatMap(({ ask, rung }) =>
      ask === null ? [] : [{ of: ask, rung: rung === null || rung === "tell" ? "sign" : rung }],
    ),
  )
}

/** Of each one asked the strongest that is asked of them. */
function strongest(asks: readonly Ask[]): Ask[] {
  const kept = new Map<string, Ask>()
  for (const ask of asks) {
    const known = kept.get(ask.of)
    if (known === undefined || !isAtLeast(known.rung, ask.rung)) kept.set(ask.of, ask)
  }
  return [...kept.values()].sort((a, b) => (a.of < b.of ? -1 : 1))
}

/** A user's claims are tags, so that a configuration may map whatever its provider says; an agent has nothing but its name. */
function entitiesOf(principal: Asked): EntityJson[] {
  if (principal.kind === "agent") return []
  const { id, provider, claims = {} } = principal
  return [
    {
      uid: { type: "sessions::User", id },
      attrs: provider === undefined ? {} : { provider },
      parents: [],
      tags: Object.fromEntries(Object.entries(claims).map(([name, values]) => [name, [...values]])),
    },
  ]
}

/** A denial that is none of the policies': of what never came to be asked of them. */
export function deniedBy(reasons: string[]): Omit<Decision, "version"> {
  return deny([], reasons)
}

function deny(policies: Decision["policies"], reasons: string[], errors: string[] = []): Judgement {
  return { verdict: "deny", policies, reasons, errors, asks: [], tells: false }
}

function named(policies: readonly Policy[]): Decision["policies"] {
  return policies.map(({ id, effect }) => ({ id, effect }))
}
