import type { ArgumentFact, CardFacts } from "#approvals"
import { describeResource, operationOf } from "#credentials"
import type { Json } from "#kernel"
import type { Standing } from "#sessions"
import type { NamedAction } from "../action.ts"
import type { Judged } from "../judge.ts"
import type { Rooms } from "../rooms.ts"

/** How many requests of an agent are counted. */
const MOST_COUNTED = 100

/** What a card shows of an action that waits: out of our records and the action itself, and last what the agent says. */
export async function cardFacts(
  rooms: Rooms,
  { session, mandate }: Standing,
  { action, judged, justification }: { action: NamedAction; judged: Judged; justification: string | null },
): Promise<CardFacts> {
  const { agent, chain, application, purpose, user, leaseSeconds } = session
  const part = rooms.credentials.current()[action.resource]
  const operation = operationOf(part, action.operation)
  const registered = rooms.agents.agent(agent)
  const invoking = application === null ? null : rooms.sessions.application(application)
  const before = await rooms.approvals.countLately(agent, MOST_COUNTED)
  const of = { user: session.user?.id ?? "", resource: action.resource, operation: action.operation }
  const unusual = await rooms.approvals.usual.compare(of, action.arguments)
  return {
    version: 1,
    templates: { ...operation?.card },
    operation: { type: action.type, name: action.operation, description: operation?.description ?? null },
    resource: {
      name: action.resource,
      description: (part === undefined ? undefined : describeResource(part).description) ?? null,
    },
    elevated: operation?.elevated || null,
    irreversible: operation?.irreversible ?? false,
    agent: { name: agent, description: registered?.description ?? "", owner: registered?.owner ?? "" },
    through: chain.map((hop) => hop.agent),
    application: invoking && { name: invoking.name, description: invoking.description },
    purpose: { name: purpose, description: rooms.sessions.purpose(purpose)?.description ?? purpose },
    user: user && { provider: user.provider, subject: user.sub },
    request: mandate.requestText && { kind: mandate.requestText.kind, text: mandate.requestText.text },
    arguments: argumentsOf(action, judged, unusual),
    reasons: judged.reasons,
    policies: judged.policies.map(({ id }) => id),
    leaseSeconds: action.type === "credential" ? leaseSeconds : null,
    before,
    said: justification,
  }
}

/** In the order of their names; one that a rule speaks of and that was not given is there as null. */
function argumentsOf(
  { arguments: given }: NamedAction,
  { found }: Judged,
  unusual: { readonly [argument: string]: ArgumentFact["unusual"] },
): ArgumentFact[] {
  const names = [...new Set([...Object.keys(given), ...Object.keys(found)])].sort()
  return names.map((name) => {
    const sink = Object.hasOwn(found, name) ? found[name]! : null
    return {
      name,
      value: (Object.hasOwn(given, name) ? given[name]! : null) as Json,
      finding: sink === null || sink.finding === "failed" ? "free" : sink.finding,
      origin: sink?.origin ?? null,
      isSink: sink?.isSink ?? false,
      unusual: Object.hasOwn(unusual, name) ? unusual[name]! : null,
    }
  })
}
