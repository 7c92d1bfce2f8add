import type { AgentPrincipal } from "#agents"
import type { Change, Draft } from "#audit"
import { together } from "#audit"
import type { Intended } from "#credentials"
import { type Id, Refusal } from "#kernel"
import type { Decision } from "#policy"
import type { Standing } from "#sessions"
import { type Action, actionReference, type NamedAction, nameAction } from "./action.ts"
import { judge } from "./judge.ts"
import { actor, type Rooms, refuseStopped } from "./rooms.ts"

/** What an agent asks: an action in one of its sessions. The same key again is the same request. */
export type ActionRequest = { session: string; action: Action; idempotencyKey: string | null }

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
export async function admit(rooms: Rooms, caller: AgentPrincipal, request: ActionRequest): Promise<Permit> {
  const action = nameAction(request.action)
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const answer = await ask(rooms, caller, request.session, action)
    const { standing, decision } = answer
    const intent = intentOf(rooms, caller, standing, action, decision, keyOf(request, attempt))
    const committed = await rooms.audit.commit(intent)
    // A crash here leaves an intent without outcome: audit's sweep records that, and a lease `intended`: credentials' sweep
    // revokes whatever stands under its name at the resource, which is nothing.
    const permit = { action, decision, entry: committed.entries[0]!.id, standing, lease: committed.result }
    rooms.sessions.touch(standing.session.id)
    if (committed.epoch === answer.epoch || (await stillHolds(rooms, caller, action, answer))) return permit
    await discard(rooms, caller, permit)
  }
  throw new Refusal("epoch-changed", "Rights changed while this was decided, several times. Try again.")
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

/** A lease that was discarded keeps its key; the next try is another lease. */
function keyOf({ idempotencyKey }: ActionRequest, attempt: number): string | null {
  return idempotencyKey === null || attempt === 1 ? idempotencyKey : `${idempotencyKey}~${attempt}`
}

function intentOf(
  rooms: Rooms,
  caller: AgentPrincipal,
  standing: Standing,
  action: NamedAction,
  decision: Decision,
  idempotencyKey: string | null,
): Change<Intended | null> {
  const record = {
    work: async () => null,
    entries: () => [decisionDraft(caller, standing, action, decision)],
  }
  if (decision.verdict !== "allow" || action.type !== "credential") return record
  const { id, purpose, leaseSeconds, hardEndAt } = standing.session
  const lease = rooms.credentials.intend({
    session: id,
    purpose,
    caller,
    action: actionReference(action),
    idempotencyKey,
    leaseSeconds,
    hardEndAt,
  })
  const both = together(record, lease)
  return { work: async (tx) => (await both.work!(tx))[1], entries: (result) => both.entries([null, result!]) }
}

function decisionDraft(
  caller: AgentPrincipal,
  { session, mandate }: Standing,
  action: NamedAction,
  decision: Decision,
): Draft {
  const isAllowed = decision.verdict === "allow"
  return {
    event: isAllowed ? "gate.action-begun" : "gate.action-denied",
    ...actor(caller),
    session: session.id,
    purpose: session.purpose,
    action: actionReference(action),
    data: {
      verdict: decision.verdict,
      policies: decision.policies.map(({ id }) => id),
      reasons: decision.reasons,
      policyVersion: decision.version,
      mandate: mandate.digest,
    },
    ...(isAllowed ? { deadlineSeconds: OUTCOME_SECONDS } : {}),
  }
}

async function discard(
  rooms: Rooms,
  caller: AgentPrincipal,
  { action, entry, lease, standing }: Permit,
): Promise<void> {
  // A replayed lease was made by a request that was not discarded, and stays.
  if (lease?.isReplay === false) await rooms.credentials.revoke(lease.id, "discarded")
  const { id, purpose } = standing.session
  const about = { ...actor(caller), session: id, purpose, action: actionReference(action) }
  await rooms.audit.commit({ entries: () => [{ event: "gate.action-discarded", ...about, of: entry }] })
}
