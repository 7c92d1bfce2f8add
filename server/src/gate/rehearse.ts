import type { ResourcePart } from "#credentials"
import { type AskedUser, type Asking, type Decision, decide, deniedBy, type PolicySet, question } from "#policy"
import { type ActionDetail, noEvidence, parseDetails, type Verified, verify } from "#sessions"
import type { Parts } from "./apply.ts"
import { askedByResource, notDescribed, operationFacts } from "./operation.ts"
import { worstOf } from "./sinks.ts"

/** What stood against an action, or for it. */
export type DecidedBy = "agent" | "ceiling" | "mandate" | "policy"

/** What would be decided, and which of the questions decided it. */
export type Rehearsed = { decision: Decision; by: DecidedBy }

/** A configuration as far as decisions stand on it; null for a name that it does not have. */
export type Rehearsal = {
  agent(name: string): { purposes: readonly string[]; ceiling: unknown } | null
  purpose(name: string): { actions: ActionDetail[] } | null
  resource(name: string): ResourcePart | null
  set: PolicySet
}

/** A configuration as check() returned it, to rehearse under. */
export function rehearsalOf({ agents, purposes, resources, policies: set }: Parts): Rehearsal {
  const own = <Value>(named: { [name: string]: Value }, name: string) =>
    Object.hasOwn(named, name) ? named[name]! : null
  return {
    agent: (name) => own(agents, name),
    purpose: (name) => own(purposes, name),
    resource: (name) => own(resources, name),
    set,
  }
}

/** A question with the action's arguments, which ceilings and mandates may bound. */
export type RehearsedAsking = Asking & { arguments?: { readonly [name: string]: unknown } }

/**
 * What the gate would decide under a configuration, for a session that is opened under it now: the same bounds and the same
 * policies, in the same order (judge.ts). Pure: nothing is recorded, nothing is released.
 */
export function rehearse({ agent, purpose, resource, set }: Rehearsal, asking: RehearsedAsking): Rehearsed {
  const { purpose: name, agents, arguments: given = {} } = asking
  const action = { ...asking.action, arguments: given }
  const evidence = { ...noEvidence, user: asking.user?.claims === undefined ? null : { claims: claimsOf(asking.user) } }
  const verified: Verified[] = []
  const isWithin = (details: unknown) => {
    const found = verify(details, action, evidence, ({ amount, atMost }) => amount <= atMost)
    verified.push(found)
    return found.finding !== "failed"
  }
  const what = `${action.operation} ${action.resource}`
  const outside = (by: DecidedBy, sentence: string): Rehearsed => ({
    decision: { ...deniedBy([sentence]), version: set.version },
    by,
  })
  for (const [nth, each] of agents.entries()) {
    const known = agent(each)
    if (known === null) return outside("agent", `There is no agent ${each} that may act.`)
    // Those that handed on have sessions for purposes of their own, which nobody says here.
    const serves = (one: string) => one === name || (nth < agents.length - 1 && isHandedOn(purpose(one)?.actions))
    if (!known.purposes.some(serves)) return outside("agent", `The agent ${each} may not serve ${name}.`)
    if (!isWithin(known.ceiling)) {
      return outside("ceiling", `The ceiling of agent ${each} does not include to ${what}.`)
    }
  }
  // A mandate is what purpose and ceiling both allow (sessions/mandate.ts); the ceiling was asked above.
  if (!isWithin(purpose(name)?.actions)) {
    return outside("mandate", `A mandate for ${name} does not include to ${what}.`)
  }
  // What is said of a sink wins: a request, a history and look-ups are a session's, and there is none here.
  const found = worstOf(verified).map(([sink, { finding }]) => [sink, finding] as const)
  const sinks = { ...Object.fromEntries(found), ...asking.sinks }
  const part = resource(action.resource) ?? undefined
  const missing = notDescribed(part, action)
  if (missing !== null) return outside("mandate", missing)
  const decision = decide(set, question({ ...asking, ...operationFacts(part, action), sinks }))
  return { decision: askedByResource(decision, part, action, asking.approved ?? false), by: "policy" }
}

function isHandedOn(actions: ActionDetail[] = []): boolean {
  return actions.some((detail) => detail.actions.some((action) => action.startsWith("delegate:")))
}

function claimsOf({ claims = {} }: AskedUser): { [name: string]: string[] } {
  return Object.fromEntries(Object.entries(claims).map(([name, values]) => [name, [...values]]))
}

/** True when what a ceiling or a mandate says of the action depends on its arguments. */
export function dependsOnArguments({ agent, purpose }: Rehearsal, { agents, purpose: name, action }: Asking): boolean {
  const ceilings = agents.flatMap((each) => parseDetails(agent(each)?.ceiling ?? []))
  return [...ceilings, ...(purpose(name)?.actions ?? [])].some(
    ({ actions, locations, arguments: rules, sinks = [], limits = [] }) =>
      (rules !== undefined || sinks.length > 0 || limits.some((limit) => "sum" in limit)) &&
      actions.includes(`${action.type}:${action.operation}`) &&
      locations.includes(action.resource),
  )
}
