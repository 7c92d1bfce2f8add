import { type EntityJson, preparseSchema, type Response, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs"
import { fingerprint, type Json } from "#kernel"
import type { Uid } from "./entities.ts"
import { type Policy, type PolicySet, slice } from "./policy-set.ts"
import { createSlots } from "./slots.ts"
import type { Vocabulary } from "./vocabulary.ts"

/** A question in Cedar's own terms. */
export type CedarQuestion = {
  principal: Uid
  action: Uid
  resource: Uid
  context: { [name: string]: Json }
  entities: EntityJson[]
}

/** What the policies of a purpose say: which of them decided, or what could not be evaluated, and where. */
export type Authorized =
  | { verdict: "allow" | "deny" | "ask"; policies: Policy[] }
  | { verdict: "failed"; errors: string[]; policyIds: string[] }

const slots = createSlots()

/**
 * Asks Cedar. Its diagnostics for an `@ask` forbid are the same with and without a permit behind it, so a second set without
 * such forbids tells a denial that an approval would lift from one that it would not. Pure.
 */
export function authorize(set: PolicySet, purpose: string, question: CedarQuestion): Authorized {
  const schema = schemaNameOf(set.vocabulary)
  const { all, withoutAsk } = slice(set, purpose)
  const full = ask(all, schema, question)
  if ("errors" in full) return { verdict: "failed", ...full }
  if (full.isAllowed) return { verdict: "allow", policies: full.reason }
  const rest = all === withoutAsk ? full : ask(withoutAsk, schema, question)
  if ("errors" in rest) return { verdict: "failed", ...rest }
  return rest.isAllowed ? { verdict: "ask", policies: full.reason } : { verdict: "deny", policies: rest.reason }
}

type Answer = { isAllowed: boolean; reason: Policy[] } | { errors: string[]; policyIds: string[] }

function ask(policies: readonly Policy[], preparsedSchemaName: string, question: CedarQuestion): Answer {
  const answer = statefulIsAuthorized({
    ...question,
    preparsedPolicySetId: slots.nameOf(policies),
    preparsedSchemaName,
    validateRequest: true,
  })
  if (answer.type !== "success") return { errors: answer.errors.map((error) => error.message), policyIds: [] }
  return readAnswer(policies, answer.response)
}

/** Cedar skips a policy that fails, a forbid too (fail open): one failure makes the whole answer a failure. */
function readAnswer(policies: readonly Policy[], { decision, diagnostics }: Response): Answer {
  if (diagnostics.errors.length > 0) {
    return {
      errors: diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`),
      policyIds: diagnostics.errors.map(({ policyId }) => policyId),
    }
  }
  const reason = policies.filter((policy) => diagnostics.reason.includes(policy.id))
  return { isAllowed: decision === "allow", reason }
}

/** Prepared schemas stay in the engine for good, as sets do: few names, and the oldest one is used again. */
const MAX_SCHEMAS = 8
const prepared = new Map<string, string>()
const keys = new WeakMap<Vocabulary, string>()

function schemaNameOf(vocabulary: Vocabulary): string {
  const { text } = vocabulary
  const key = keys.get(vocabulary) ?? fingerprint(text)
  keys.set(vocabulary, key)
  const known = prepared.get(key)
  if (known !== undefined) {
    prepared.delete(key)
    prepared.set(key, known)
    return known
  }
  const [oldest] = prepared
  const name = prepared.size < MAX_SCHEMAS ? `schema-${prepared.size}` : oldest![1]
  const answer = preparseSchema(name, text)
  if (answer.type === "failure") throw new Error(`schema: ${answer.errors[0]?.message}`)
  if (prepared.size >= MAX_SCHEMAS) prepared.delete(oldest![0])
  prepared.set(key, name)
  return name
}
