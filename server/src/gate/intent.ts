import type { AgentPrincipal } from "#agents"
import { type Approval, type Grant, type Held, noticing } from "#approvals"
import type { Change, Draft } from "#audit"
import type { Intended, Intention } from "#credentials"
import { type Id, newId } from "#kernel"
import type { Decision } from "#policy"
import { aboutSession, rootOf, type Standing, type Taken } from "#sessions"
import { actionReference, type NamedAction } from "./action.ts"
import type { Asking } from "./approve/hold.ts"
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
export type Asked = {
  action: NamedAction
  name: string
  idempotencyKey: string | null
  effect: Effect | undefined
  /** The approval that it is allowed with; null without one. */
  approval: Approval | null
}

/** What was committed with a decision; all of it nothing with one that says no. */
export type Committed = {
  lease: Intended | null
  /** `used-up`: another one took it meanwhile, and nothing at all was committed. */
  taken: Taken | null
  /** Labels that the chain did not have. */
  added: readonly string[]
  /** The request that it waits for, where policy asks. */
  held: Held | null
}

/** What was judged, and what has to be asked before it may happen; null where nothing has. */
export type Answered = {
  standing: Standing
  judged: Judged
  asking: Asking | null
  /** Leave that the user gave for it; null where none is needed, or there is none. */
  grant: Grant | null
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
  { standing, judged, asking, grant }: Answered,
  lease: Intended | null,
): Change<Committed> {
  const entry = newId("entry")
  if (asking !== null) return holding(rooms, caller, asked, { standing, judged, asking, entry })
  const draft = { ...decisionDraft(caller, standing, asked, judged, grant), id: entry }
  const isAllowed = judged.verdict === "allow"
  const change = isAllowed ? changeOf(rooms, caller, asked, { standing, judged, entry }, lease) : null
  if (change === null) return { entries: () => [draft] }
  return {
    ...change,
    entries: (committed) => (committed.taken === "used-up" ? [] : [draft, ...change.entries(committed)]),
  }
}

/** The decision that it waits, and the request that it waits for. */
function holding(
  rooms: Rooms,
  caller: AgentPrincipal,
  asked: Asked,
  { standing, judged, asking, entry }: { standing: Standing; judged: Judged; asking: Asking; entry: Id<"entry"> },
): Change<Committed> {
  const request = rooms.approvals.request({ ...asking.request, entry }, asking.tells)
  return {
    // A crash after this leaves a request that people can decide, and that the agent finds by asking for the same again.
    async work(tx) {
      return { lease: null, taken: null, added: [], held: await request.work!(tx) }
    },
    entries({ held }) {
      const judgement = held!.refused === null ? judged : notAsked(judged, held!.refused)
      const draft = decisionDraft(caller, standing, asked, judgement)
      const about = held!.refused === null ? { approval: held!.approval.id } : { code: held!.refused.code }
      const event = held!.refused === null ? "gate.action-held" : "gate.action-denied"
      return [{ ...draft, event, data: { ...draft.data, ...about }, id: entry }, ...request.entries(held!)]
    },
  }
}

/** What was judged, where nobody is asked after all: people are asked so often, and no more. */
export function notAsked<Judgement extends Decision>(judged: Judgement, { words }: { words: string }): Judgement {
  return { ...judged, verdict: "deny", reasons: [...judged.reasons, words], asks: [] }
}

/** Null when nothing changes. Limits come first: where one is used up, nothing else happens. */
function changeOf(
  rooms: Rooms,
  caller: AgentPrincipal,
  asked: Asked,
  { standing, judged: { takings, labels, tells }, entry }: { standing: Standing; judged: Judged; entry: Id<"entry"> },
  before: Intended | null,
): Change<Committed> | null {
  const { usage } = rooms.sessions
  const unseen = labels.filter((label) => !standing.labels.includes(label))
  const take = takings.length > 0 ? usage.take(asked.name, takings) : null
  const label = unseen.length > 0 ? usage.label(rootOf(standing.session), unseen) : null
  const effect = asked.effect?.change(standing, asked.action, entry) ?? null
  const isCredential = effect === null && asked.action.type === "credential" && before === null
  const intend = isCredential ? rooms.credentials.intend(intentionOf(caller, asked, standing)) : null
  const { approval, idempotencyKey: key } = asked
  // A credential's lease is known by the key; of anything else the entry that was answered before is.
  const isRepeatable = asked.action.type === "credential"
  const use = approval === null ? null : rooms.approvals.use({ id: approval.id, entry, key, isRepeatable })
  const user = standing.session.user?.id
  // Who approved it knows of it.
  const tell = tells && user !== undefined && approval === null ? noticing({ user, kind: "told", entry }) : null
  if ([take, label, effect, intend, use, tell].every((each) => each === null)) return null
  let made: unknown
  return {
    ...(take?.shared && { shared: take.shared }),
    async work(tx, answer) {
      const taken = (await take?.work?.(tx, answer)) ?? null
      if (taken === "used-up") return { lease: null, taken, added: [], held: null }
      // By whoever is second it is refused here, and with it everything else of this decision.
      if ((await use?.work?.(tx)) === "used") await rooms.approvals.usual.note(approval!).work!(tx)
      await tell?.work?.(tx)
      const added = (await label?.work?.(tx)) ?? []
      made = await effect?.work?.(tx)
      return { lease: (await intend?.work?.(tx)) ?? null, taken, added, held: null }
    },
    entries: ({ lease, added }) => [
      ...(label?.entries([...added]) ?? []),
      ...(effect?.entries(made) ?? []),
      ...(lease === null ? [] : intend!.entries(lease)),
    ],
  }
}

function intentionOf(
  caller: AgentPrincipal,
  { action, idempotencyKey, approval }: Asked,
  { session, mandate }: Standing,
): Intention {
  const { id, purpose, user, application, chain, leaseSeconds, hardEndAt } = session
  const behalf = { user, application, chain, parameters: mandate.parameters }
  return {
    ...{ session: id, purpose, behalf, caller, action: actionReference(action) },
    ...{ idempotencyKey, leaseSeconds, hardEndAt },
    ...(approval === null ? {} : { approval: { id: approval.id, digest: action.digest, arguments: action.arguments } }),
  }
}

function decisionDraft(
  caller: AgentPrincipal,
  { session, mandate }: Standing,
  { action, effect, approval }: Asked,
  { verdict, policies, reasons, version, facts }: Judged,
  grant: Grant | null = null,
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
      ...(approval === null ? {} : { approval: approval.id }),
      ...(grant === null ? {} : { grant: grant.id }),
      ...(Object.keys(facts).length === 0 ? {} : { facts }),
    },
    ...(isAllowed ? { deadlineSeconds: effect?.deadlineSeconds ?? OUTCOME_SECONDS } : {}),
  }
}
