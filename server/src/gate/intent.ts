import type { AgentPrincipal } from "#agents"
import type { Change, Draft } from "#audit"
import type { Intended } from "#credentials"
import { type Id, newId } from "#kernel"
import { aboutSession, rootOf, type Standing, type Taken } from "#sessions"
import { actionReference, type NamedAction } from "./action.ts"
import type { Judged } from "./judge.ts"
import { actor, type Rooms } from "./rooms.ts"

/**
 * What takes effect with the decision that allows it, in its transaction. Of a decision that is thrown away and taken again
 * only the last one's counts; whatever the others made, nobody is told of.
 */
export type Effect = {
  /** Seconds in which its outcome must be recorded. */
  deadlineSeconds: number
  /** `entry` is the decision's; whatever finishes it is of that. */
  change(standing: Standing, action: NamedAction, entry: Id<"entry">): Change<unknown>
}

/** What a decision is of. `name` is what it takes limits under. */
export type Asked = { action: NamedAction; name: string; idempotencyKey: string | null; effect: Effect | undefined }

/** What was committed with a decision; all of it nothing with one that says no. */
export type Committed = {
  lease: Intended | null
  /** `used-up`: another one took it meanwhile, and nothing at all was committed. */
  taken: Taken | null
  /** Labels that the chain did not have. */
  added: readonly string[]
}

/** Seconds in which the outcome of an allowed action must be recorded. */
const OUTCOME_SECONDS = 60

/**
 * The decision's entry, and what the decision changes. A change of nothing but the log has no work: it costs one round trip,
 * shared with all that wait. `lease` is the one of an earlier try: the same request, so that its key goes on to name the same.
 */
export function intentOf(
  rooms: Rooms,
  caller: AgentPrincipal,
  asked: Asked,
  { standing, judged }: { standing: Standing; judged: Judged },
  lease: Intended | null,
): Change<Committed> {
  const entry = newId("entry")
  const draft = { ...decisionDraft(caller, standing, asked, judged), id: entry }
  const isAllowed = judged.verdict === "allow"
  const change = isAllowed ? changeOf(rooms, caller, asked, { standing, judged, entry }, lease) : null
  if (change === null) return { entries: () => [draft] }
  return {
    ...change,
    entries: (committed) => (committed.taken === "used-up" ? [] : [draft, ...change.entries(committed)]),
  }
}

/** Null when nothing changes. Limits come first: where one is used up, nothing else happens. */
function changeOf(
  rooms: Rooms,
  caller: AgentPrincipal,
  asked: Asked,
  { standing, judged: { takings, labels }, entry }: { standing: Standing; judged: Judged; entry: Id<"entry"> },
  before: Intended | null,
): Change<Committed> | null {
  const { usage } = rooms.sessions
  const unseen = labels.filter((label) => !standing.labels.includes(label))
  const take = takings.length > 0 ? usage.take(asked.name, takings) : null
  const label = unseen.length > 0 ? usage.label(rootOf(standing.session), unseen) : null
  const effect = asked.effect?.change(standing, asked.action, entry) ?? null
  const isCredential = effect === null && asked.action.type === "credential" && before === null
  const intend = isCredential ? rooms.credentials.intend(intentionOf(caller, asked, standing)) : null
  if (take === null && label === null && effect === null && intend === null) return null
  let made: unknown
  return {
    ...(take?.shared && { shared: take.shared }),
    async work(tx, answer) {
      const taken = (await take?.work?.(tx, answer)) ?? null
      if (taken === "used-up") return { lease: null, taken, added: [] }
      const added = (await label?.work?.(tx)) ?? []
      made = await effect?.work?.(tx)
      return { lease: (await intend?.work?.(tx)) ?? null, taken, added }
    },
    entries: ({ lease, added }) => [
      ...(label?.entries([...added]) ?? []),
      ...(effect?.entries(made) ?? []),
      ...(lease === null ? [] : intend!.entries(lease)),
    ],
  }
}

function intentionOf(caller: AgentPrincipal, { action, idempotencyKey }: Asked, { session, mandate }: Standing) {
  const { id, purpose, user, application, chain, leaseSeconds, hardEndAt } = session
  const behalf = { user, application, chain, parameters: mandate.parameters }
  return {
    ...{ session: id, purpose, behalf, caller, action: actionReference(action) },
    ...{ idempotencyKey, leaseSeconds, hardEndAt },
  }
}

function decisionDraft(
  caller: AgentPrincipal,
  { session, mandate }: Standing,
  { action, effect }: Asked,
  { verdict, policies, reasons, version, facts }: Judged,
): Draft {
  const isAllowed = verdict === "allow"
  return {
    event: isAllowed ? "gate.action-begun" : "gate.action-denied",
    ...actor(caller),
    ...aboutSession(session),
    action: actionReference(action),
    data: {
      verdict,
      policies: policies.map(({ id }) => id),
      reasons,
      policyVersion: version,
      mandate: mandate.digest,
      ...(Object.keys(facts).length === 0 ? {} : { facts }),
    },
    ...(isAllowed ? { deadlineSeconds: effect?.deadlineSeconds ?? OUTCOME_SECONDS } : {}),
  }
}
