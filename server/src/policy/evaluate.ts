import type { Json } from "#kernel"
import { authorize } from "./authorize.ts"
import { asksOf, type Decision, decide, deniedBy } from "./decide.ts"
import { entitiesFor } from "./entities.ts"
import { failed } from "./explain.ts"
import type { Policy, PolicySet } from "./policy-set.ts"
import { type ActionType, question } from "./question.ts"
import { actionNamed, knownContext, typeNamed } from "./vocabulary.ts"

/** A subject or a resource of a question, as AuthZEN 1.0 has them: what is said of it wins over what is configured. */
export type Thing = { type: string; id: string; properties?: { [name: string]: Json } | undefined }

/** Another enforcement point's question: may this subject do this to that resource? */
export type AccessQuestion = {
  subject: Thing
  action: { name: string; properties?: { [name: string]: Json } | undefined }
  resource: Thing
  context?: { [name: string]: Json } | undefined
}

/** What questions about our own resources name. */
const OWN_ACTIONS = ["credential", "tool", "sql", "http", "delegate"] as const
const OWN_SUBJECTS: { [type: string]: "agent" | "user" } = { "agents::Agent": "agent", "sessions::User": "user" }

/**
 * Answers another enforcement point's question from the set. Pure. What the schema does not declare is left out; what it
 * declares and does not fit, what is ambiguous and what cannot be evaluated is denied, in words.
 */
export function evaluate(set: PolicySet, asked: AccessQuestion): Decision {
  return isOwn(asked) ? evaluateOwn(set, asked) : evaluateOther(set, asked)
}

/** True for a question about what Safeconduct itself protects. */
export function isOwn({ action, resource }: AccessQuestion): boolean {
  return resource.type === (action.name === "delegate" ? "agents::Agent" : "credentials::Resource")
}

/** The question that an agent's action would be, without an approval, labels or arguments: those are facts of a session. */
function evaluateOwn(set: PolicySet, { subject, action, resource, context }: AccessQuestion): Decision {
  const kind = Object.hasOwn(OWN_SUBJECTS, subject.type) ? OWN_SUBJECTS[subject.type] : undefined
  const type = OWN_ACTIONS.find((each) => each === action.name)
  if (kind === undefined) return denied(set, unknown("type", subject.type))
  if (type === undefined) return denied(set, unknown("action", action.name))
  const own = ownAction({ action, context })
  if (own === null) return denied(set, "Name the operation in action.properties.operation and context.purpose.")
  const { purpose, operation } = own
  const agents = kind === "agent" ? [subject.id] : []
  const user = kind === "user" ? { id: subject.id } : null
  return decide(set, question({ agents, user, purpose, action: { type, resource: resource.id, operation } }))
}

/** What a question about our own resources says beside who and what; null when it is not said. */
export function ownAction({ action, context }: Pick<AccessQuestion, "action" | "context">) {
  const { operation } = action.properties ?? {}
  const { purpose } = context ?? {}
  if (typeof operation !== "string" || typeof purpose !== "string") return null
  return { type: action.name as ActionType, operation, purpose }
}

function evaluateOther(set: PolicySet, { subject, action, resource, context = {} }: AccessQuestion): Decision {
  const { vocabulary, entities } = set
  const types = [subject, resource].map(({ type }) => (type === "agents::Agent" ? type : typeNamed(vocabulary, type)))
  const [subjectType, resourceType] = types
  if (subjectType == null) return denied(set, unknown("type", subject.type))
  if (resourceType == null) return denied(set, unknown("type", resource.type))
  const known = actionNamed(vocabulary, action.name, resourceType)
  if (known === null) return denied(set, unknown("action", action.name))
  const [said, properties] = [context, action.properties ?? {}].map((given) => knownContext(vocabulary, known, given))
  const twice = Object.keys(properties!).find((name) => Object.hasOwn(said!, name))
  if (twice !== undefined) {
    return denied(set, `Both action.properties and context say "${twice}"; say it once.`)
  }
  const principal = { type: subjectType, id: subject.id }
  const object = { type: resourceType, id: resource.id }
  const things = [
    { uid: principal, properties: subject.properties ?? {} },
    { uid: object, properties: resource.properties ?? {} },
  ]
  const found = entitiesFor(entities, vocabulary, things, mentionsOf(set))
  if (found === null) return denied(set, "Too many entities belong to this question.")
  const answer = authorize(set, "", {
    principal,
    action: { type: `${known.namespace}::Action`, id: known.id },
    resource: object,
    context: { ...said, ...properties },
    entities: found,
  })
  if (answer.verdict === "failed") {
    return { ...denied(set, words(answer.policyIds)), errors: answer.errors }
  }
  const { verdict, policies } = answer
  const named = policies.map(({ id, effect }) => ({ id, effect }))
  const reasons = verdict === "allow" ? [] : reasonsOf(policies, action.name)
  const asks = verdict === "ask" ? asksOf(policies) : []
  return { verdict, policies: named, reasons, errors: [], asks, tells: false, version: set.version }
}

const mentions = new WeakMap<PolicySet, Policy["mentions"]>()

/** Entities that any policy names: its conditions may read their attributes. */
function mentionsOf(set: PolicySet): Policy["mentions"] {
  const known = mentions.get(set) ?? set.policies.flatMap((policy) => policy.mentions)
  mentions.set(set, known)
  return known
}

/** Ids may be people: words name only what the policies' author wrote. */
function reasonsOf(policies: readonly Policy[], action: string): string[] {
  if (policies.length === 0) return [`No policy permits this subject to ${action} this resource.`]
  return policies.map(({ id, reason }) => reason ?? `Policy ${id} forbids this subject to ${action} this resource.`)
}

function words(policyIds: readonly string[]): string {
  if (policyIds.length > 0) return failed(policyIds)
  return "The question does not fit the schema in force (a property of another type, or an action that is not of these types), so it is denied."
}

function unknown(noun: string, name: string): string {
  return `There is no ${noun} ${JSON.stringify(name.slice(0, 100))} in the schema in force, or more than one.`
}

function denied(set: PolicySet, reason: string): Decision {
  return { ...deniedBy([reason]), version: set.version }
}
