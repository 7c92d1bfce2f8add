import type { AgentPrincipal } from "#agents"
import type { Json } from "#kernel"
import { type Asking, type Decision, deniedBy, question } from "#policy"
import { type SinkFound, type Standing, type Taking, type Verified, verify } from "#sessions"
import type { Action } from "./action.ts"
import { type Bound, boundsOf, type Known, knownOf } from "./known.ts"
import { askedByResource, notDescribed, operationFacts, shownBy } from "./operation.ts"
import type { Rooms } from "./rooms.ts"
import { worstOf } from "./sinks.ts"

/** A decision, what it stands on, and what comes with it when the action is allowed. */
export type Judged = Decision & {
  /** What was found out, as the entry keeps it: who, what was verified and against what; never a value. */
  facts: { [name: string]: Json }
  /** What it takes of limits. */
  takings: Taking[]
  /** What the chain has seen from then on. */
  labels: string[]
  /** What was found of each argument that is a sink, or is not verified. */
  found: { readonly [argument: string]: SinkFound }
}

/**
 * May it? Every agent of the chain must still be there for its session's purpose; its ceiling as it stands now and its
 * session's mandate as it was compiled must include the action; then policy is asked. What is outside of the first three is
 * denied and never becomes a question for a human; what cannot be verified does. `hold` is how the action is held against a bound.
 */
export function judge(
  rooms: Rooms,
  caller: Pick<AgentPrincipal, "name">,
  standing: Standing,
  action: Action,
  known: Known = knownOf(standing),
  hold: (bound: Bound) => Verified = ({ session, details }) =>
    verify(details, action, known.evidence, (charge) => known.fits({ ...charge, session })),
): Judged {
  const outside = (reasons: string[], facts: Judged["facts"] = {}): Judged => ({ ...refused(rooms, ...reasons), facts })
  const stopped = whoStopped(rooms, caller, standing)
  if (stopped !== null) return outside([stopped])
  const bounds = boundsOf(rooms, caller, standing).map((bound) => ({ bound, verified: hold(bound) }))
  const { session, mandate, ancestors } = standing
  const sinks = worstOf(bounds.map(({ verified }) => verified))
  const part = rooms.credentials.current()[action.resource]
  const missing = notDescribed(part, action)
  if (missing !== null) return outside([missing])
  const asking = {
    agents: [...ancestors.map(({ session: { agent } }) => agent), caller.name],
    user: mandate.user,
    purpose: session.purpose,
    action,
    labels: known.labels,
    sinks: Object.fromEntries(sinks.map(([name, { finding }]) => [name, finding])),
    requestText: mandate.requestText?.kind ?? "none",
    approved: known.approved,
    ...operationFacts(part, action),
  } satisfies Asking
  const facts = factsOf(asking, sinks)
  const failed = bounds.filter(({ verified }) => verified.finding === "failed")
  if (failed.length > 0)
    return outside(
      failed.slice(0, 1).flatMap((each) => whyNot(each, action)),
      facts,
    )
  const decision = askedByResource(rooms.policy.decide(question(asking)), part, action, known.approved)
  return {
    ...decision,
    // What moves money, people or rights is heard of at the least.
    tells: decision.tells || (decision.verdict === "allow" && asking.elevated !== null),
    facts,
    found: Object.fromEntries(sinks),
    takings: bounds.flatMap(({ bound, verified }) =>
      verified.charges.map((charge) => ({ ...charge, session: bound.session })),
    ),
    labels: labelsBy(rooms, action, bounds),
  }
}

/** A denial that policies were not asked about. */
export function refused({ policy }: Pick<Rooms, "policy">, ...reasons: string[]): Judged {
  const version = policy.version()?.digest ?? null
  return { ...deniedBy(reasons), version, facts: {}, takings: [], labels: [], found: {} }
}

/** Why one of the chain may not act at all any more, or for that purpose or user; null when all may. */
function whoStopped(
  { agents, approvals }: Rooms,
  { name }: Pick<AgentPrincipal, "name">,
  standing: Standing,
): string | null {
  const user = standing.session.user?.id ?? null
  const all = [...standing.ancestors.map(({ session }) => session.agent), name]
  const barred = all.find((agent) => approvals.reports.isBarred(agent, user))
  if (barred !== undefined) return `The agent ${barred} was reported. It may act again when somebody else lifts that.`
  for (const { session } of standing.ancestors) {
    const handing = agents.agent(session.agent)
    if (handing?.state !== "active" || agents.isRevoked(session.instance)) {
      return `The agent ${session.agent}, which handed this session on, may not act any more.`
    }
    if (!handing.purposes.includes(session.purpose)) {
      return `The agent ${session.agent} may no longer serve ${session.purpose}.`
    }
  }
  const { purpose } = standing.session
  return agents.agent(name)?.purposes.includes(purpose) ? null : `The agent ${name} may no longer serve ${purpose}.`
}

function whyNot({ bound: { words }, verified }: { bound: Bound; verified: Verified }, action: Action): string[] {
  const what = `${action.operation} ${action.resource}`
  if (verified.because === "not-covered") return [`${words} does not include to ${what}.`]
  if (verified.because === "used-up") return [`${words} allows no more to ${what}: its limit is reached.`]
  return Object.entries(verified.sinks)
    .filter(([, { finding }]) => finding === "failed")
    .map(([name, { rule }]) => `${words} does not allow this ${name} (${Object.keys(rule)[0]}).`)
}

function labelsBy({ credentials }: Rooms, action: Action, bounds: readonly { verified: Verified }[]): string[] {
  const shown = shownBy(credentials.current()[action.resource], action)
  return [...new Set([...shown, ...bounds.flatMap(({ verified }) => verified.labels)])].sort()
}

/** Only what there is: most questions are of one agent, and nothing else. */
function factsOf(asking: Asking, sinks: readonly [string, SinkFound][]): Judged["facts"] {
  const { agents, user, labels = [], requestText = "none", elevated = null, irreversible = false } = asking
  return {
    ...(agents.length > 1 ? { agents: [...agents] } : {}),
    ...(user == null ? {} : { user: user.id }),
    ...(labels.length > 0 ? { labels: [...labels] } : {}),
    ...(requestText === "none" ? {} : { requestText }),
    ...(elevated === null ? {} : { elevated }),
    ...(irreversible ? { irreversible } : {}),
    ...(sinks.length > 0
      ? {
          sinks: Object.fromEntries(sinks.map(([name, { finding }]) => [name, finding])),
          origins: Object.fromEntries(
            sinks.map(([name, { rule, origin }]) => [name, { rule: Object.keys(rule)[0]!, origin }]),
          ),
        }
      : {}),
  }
}
