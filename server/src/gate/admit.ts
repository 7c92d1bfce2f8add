import type { AgentPrincipal } from "#agents"
import type { Change, Draft, Recorded } from "#audit"
import { together } from "#audit"
import type { Intended } from "#credentials"
import { type Id, Refusal } from "#kernel"
import type { Decision } from "#policy"
import { aboutSession, type Standing } from "#sessions"
import { type Action, actionReference, type NamedAction, nameAction } from "./action.ts"
import { judge } from "./judge.ts"
import { actor, type Rooms, refuseStopped } from "./rooms.ts"

/** What an agent asks: an action in one of its sessions. The same key again is the same request. */
export type ActionRequest = { session: string; action: Action; idempotencyKey: string | null }

/**
 * What takes effect with the decision that allows it, in its transaction. Of a decision that is thrown away and taken again
 * only the last one's counts; whatever the others made, nobody is told of.
 */
export type Effect = (standing: Standing, action: NamedAction) => Change<unknown>

/** The gate's answer. `entry` is the log entry that holds it; `lease` is there only for an allowed credential. */
export type Permit = {
  action: NamedAction
  decision: Decision
  entry: Id<"entry">
  standing: Standing
  lease: Intended | null
}

/** Seconds in which the outcome of an allowed action must be recorded. */
const OUTCOME_SECONDS = 60
/** How often a decision is taken anew because what it stood on was taken away meanwhile. */
const MAX_TRIES = 5

/** What was asked, and under which epoch. */
type Answer = { epoch: number; standing: Standing; decision: Decision }

/**
 * Asks the questions in order. Nothing acts, and no key exists, before the entry is durable. A denial is an answer, not
 * an error; throws what the rooms refuse with: `session-ended`, `lease-limit`, `store-unavailable`, …
 */
export async function admit(
  rooms: Rooms,
  caller: AgentPrincipal,
  request: ActionRequest,
  effect?: Effect,
): Promise<Permit> {
  const action = nameAction(request.action)
  let lease: Intended | null = null
  try {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      const answer: Answer = await ask(rooms, caller, request.session, action)
      const { standing, decision } = answer
      const asked = { action, idempotencyKey: request.idempotencyKey, effect }
      const intent = intentOf(rooms, caller, asked, answer, lease)
      const committed: { result: Intended | null | undefined; entries: Recorded[]; epoch: number } =
        await rooms.audit.commit(intent)
      // A crash here leaves an intent without outcome: audit's sweep records that, and a lease `intended`: credentials'
      // sweep revokes whatever stands under its name at the resource, which is nothing.
      lease = committed.result ?? lease
      const entry = committed.entries[0]!.id
      // Whoever handed it on is at work through it.
      for (const { session } of [standing, ...standing.ancestors]) rooms.sessions.touch(session.id)
      if (committed.epoch === answer.epoch || (await stillHolds(rooms, caller, action, answer))) {
        if (decision.verdict === "allow") return { action, decision, entry, standing, lease }
        await giveUp(rooms, lease)
        return { action, decision, entry, standing, lease: null }
      }
      await discard(rooms, caller, action, standing, entry)
    }
    throw new Refusal("epoch-changed", "Rights changed while this was decided, several times. Try again.")
  } catch (error) {
    await giveUp(rooms, lease)
    throw error
  }
}

async function ask(rooms: Rooms, caller: AgentPrincipal, session: string, action: NamedAction): Promise<Answer> {
  const epoch = rooms.epoch.current
  refuseStopped(rooms, caller)
  const standing = await rooms.sessions.standing(session, caller)
  return { epoch, standing, decision: judge(rooms, caller, standing, action) }
}

/**
 * Something was taken away between the question and the commit, mostly from somebody else: the same question, asked of
 * what holds now. Whatever is taken away later finds the lease in the ledger, because that is committed.
 */
async function stillHolds(rooms: Rooms, caller: AgentPrincipal, action: NamedAction, before: Answer): Promise<boolean> {
  await rooms.epoch.refresh()
  try {
    const { decision, standing } = await ask(rooms, caller, before.standing.session.id, action)
    const isSame = decision.verdict === before.decision.verdict && decision.version === before.decision.version
    return isSame && standing.mandate.digest === before.standing.mandate.digest
  } catch (error) {
    // Asked anew, it is refused with the same reason.
    if (error instanceof Refusal) return false
    throw error
  }
}

type Asked = { action: NamedAction; idempotencyKey: string | null; effect: Effect | undefined }

/** `lease` is the one of an earlier try: the same request, so that its key goes on to name the same lease. */
function intentOf(
  rooms: Rooms,
  caller: AgentPrincipal,
  { action, idempotencyKey, effect }: Asked,
  { standing, decision }: Answer,
  lease: Intended | null,
): Change<Intended | null> {
  const isAllowed = decision.verdict === "allow"
  // Without an effect of its own, whoever asked reports what became of it.
  const deadline = isAllowed && effect === undefined ? { deadlineSeconds: OUTCOME_SECONDS } : {}
  // No work unless there is some: a change of nothing but the log costs one round trip, shared with all that wait.
  const record: Change<Intended | null> = {
    entries: () => [{ ...decisionDraft(caller, standing, action, decision), ...deadline }],
  }
  if (isAllowed && effect !== undefined) return withEffect(record, effect(standing, action))
  if (!isAllowed || action.type !== "credential" || lease !== null) return record
  const { id, purpose, user, application, chain, leaseSeconds, hardEndAt } = standing.session
  const reference = actionReference(action)
  const behalf = { user, application, chain, parameters: standing.mandate.parameters }
  const intention = { session: id, purpose, behalf, caller, action: reference, idempotencyKey, leaseSeconds, hardEndAt }
  const both = together(record, rooms.credentials.intend(intention))
  return { work: async (tx) => (await both.work!(tx))[1], entries: (result) => both.entries([null, result!]) }
}

/** Both; nobody but the effect itself looks at what comes of it. */
function withEffect(record: Change<Intended | null>, effect: Change<unknown>): Change<Intended | null> {
  let made: unknown
  return {
    async work(tx) {
      made = await effect.work?.(tx)
      return null
    },
    entries: () => [...record.entries(null), ...effect.entries(made)],
  }
}

function decisionDraft(
  caller: AgentPrincipal,
  { session, mandate }: Standing,
  action: NamedAction,
  decision: Decision,
): Draft {
  return {
    event: decision.verdict === "allow" ? "gate.action-begun" : "gate.action-denied",
    ...actor(caller),
    ...aboutSession(session),
    action: actionReference(action),
    data: {
      verdict: decision.verdict,
      policies: decision.policies.map(({ id }) => id),
      reasons: decision.reasons,
      policyVersion: decision.version,
      mandate: mandate.digest,
    },
  }
}

async function discard(
  rooms: Rooms,
  caller: AgentPrincipal,
  action: NamedAction,
  { session }: Standing,
  entry: string,
): Promise<void> {
  const about = { ...actor(caller), ...aboutSession(session), action: actionReference(action) }
  await rooms.audit.commit({ entries: () => [{ event: "gate.action-discarded", ...about, of: entry }] })
}

/** Takes back a lease that nobody will be given. A replayed one was made by a request that was answered, and stays. */
async function giveUp(rooms: Rooms, lease: Intended | null): Promise<void> {
  if (lease?.isReplay !== false) return
  try {
    await rooms.credentials.revoke(lease.id, "discarded")
  } catch (error) {
    // Credentials' sweep takes it, because nobody confirms it.
    rooms.log.warn("a lease that was thrown away could not be revoked yet", { lease: lease.id, error })
  }
}
