import type { AgentPrincipal } from "#agents"
import type { Approval, Held } from "#approvals"
import type { Recorded } from "#audit"
import type { Intended } from "#credentials"
import { type Id, Refusal, refusalCode } from "#kernel"
import type { Decision } from "#policy"
import { aboutSession, type Standing } from "#sessions"
import { type Action, actionReference, type NamedAction } from "./action.ts"
import { type Consulted, consult, isOfOtherPolicies, OTHER_POLICIES } from "./approve/consult.ts"
import { askingFor, unreadable } from "./approve/hold.ts"
import { judgeApproved } from "./approve/judge-approved.ts"
import { type LeaveView, leaveFor, leaveView } from "./approve/leave.ts"
import { type Answered, type Asked, type Committed, type Effect, intentOf, notAsked } from "./intent.ts"
import { judge, refused } from "./judge.ts"
import { learn, requestName } from "./known.ts"
import { actor, type Rooms, refuseStopped } from "./rooms.ts"

/** What an agent asks: an action in one of its sessions. The same key again is the same request. */
export type ActionRequest = {
  session: string
  action: Action
  idempotencyKey: string | null
  /** The approval that was given for it. */
  approval?: string | null | undefined
  /** What the agent says to whoever may have to approve it; shown as not verified. */
  justification?: string | null | undefined
  /** Seconds that a request for approval waits at the most; as long as is configured unless told. */
  expirySeconds?: number | undefined
  /** Nothing is begun: what needs no approval is refused with `approval-needless`. */
  isOnlyAsked?: boolean
}

/** The gate's answer. `entry` is the log entry that holds it; `lease` is there only for an allowed credential. */
export type Permit = {
  action: NamedAction
  decision: Decision
  entry: Id<"entry">
  standing: Standing
  lease: Intended | null
  /** The name under which it took of its limits; null when it took nothing. */
  spent: string | null
  /** The request for approval that it waits for; null unless the verdict is `ask`. */
  held: Approval | null
  /** Leave that it was taken under; null without one. */
  leave: LeaveView | null
  /** Why nobody is asked, and when it may be tried again; null unless people were asked too often. */
  paced: { code: string; retryAfterSeconds: number } | null
}

/** How often a decision is taken anew because what it stood on was taken away meanwhile. */
const MAX_TRIES = 5

/** What was asked, and under which epoch. */
type Answer = Answered & { epoch: number }

/** What a request has brought about so far, over all its tries. */
type Done = {
  lease: Intended | null
  spent: string | null
  labels: Set<string>
  /** A limit had no room: from then on it is asked how much there is before anything is decided. */
  isShort: boolean
}

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
  const { session, idempotencyKey } = request
  const consulted = await consult(rooms, caller, request)
  const { action, approval } = consulted
  if (consulted.answered !== null) return await repeated(rooms, caller, request, consulted)
  const name = requestName(action, session, idempotencyKey)
  const asked: Asked = { action, name, idempotencyKey, effect, approval }
  const { justification = null, expirySeconds } = request
  const about = { ...consulted, justification, expirySeconds }
  const done: Done = { lease: null, spent: null, labels: new Set(), isShort: false }
  try {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      const answer = await ask(rooms, caller, session, asked, { ...about, done })
      const { standing, judged } = answer
      if (request.isOnlyAsked === true && judged.verdict === "allow") throw needless()
      const change = intentOf(rooms, caller, asked, answer, done.lease)
      const committed: { result: Committed | undefined; entries: Recorded[]; epoch: number } =
        await rooms.audit.commit(change)
      const { lease, taken, added, held } = committed.result ?? { lease: null, taken: null, added: [], held: null }
      // Nothing was committed: the same question, of what is left now.
      if (taken === "used-up") {
        done.isShort = true
        continue
      }
      // A crash here leaves an intent without outcome: audit's sweep records that, and a lease `intended`: credentials'
      // sweep revokes whatever stands under its name at the resource, which is nothing. What it took of limits stays taken.
      done.lease = lease ?? done.lease
      // What a replay takes beside stands under the name of what was answered before, and nothing of that is given back.
      if (taken === "taken" && done.lease?.isReplay !== true) done.spent = asked.name
      for (const label of added) done.labels.add(label)
      const entry = committed.entries[0]!.id
      // Whoever handed it on is at work through it.
      for (const each of [standing, ...standing.ancestors]) rooms.sessions.touch(each.session.id)
      if (committed.epoch === answer.epoch || (await stillHolds(rooms, caller, asked, answer, { ...about, done }))) {
        const paced = held?.refused ?? null
        const decision = paced === null ? judged : notAsked(judged, paced)
        const leave = answer.grant && (await leaveView(rooms, answer.grant))
        const permit = { action, decision, entry, standing, held: held?.approval ?? null, paced, leave }
        if (judged.verdict === "allow") return { ...permit, lease: done.lease, spent: done.spent }
        await giveUp(rooms, done)
        return { ...permit, lease: null, spent: null }
      }
      await discard(rooms, caller, asked, standing, { entry, held, done })
    }
    throw new Refusal("epoch-changed", "Rights changed while this was decided, several times. Try again.")
  } catch (error) {
    await giveUp(rooms, done)
    // Somebody used it while this was decided: the very same request, perhaps, which then has its answer.
    const again = refusalCode(error) === "approval-used" ? await consult(rooms, caller, request) : null
    if (again !== null && again.answered !== null) return await repeated(rooms, caller, request, again)
    throw error
  }
}

/** What a request says of approval, and what it has brought about so far. */
type About = Consulted & { justification: string | null; expirySeconds: number | undefined; done: Done }

function needless(): Refusal {
  return new Refusal("approval-needless", "Nobody has to approve this action: ask for it at POST /v1/actions.")
}

async function ask(
  rooms: Rooms,
  caller: AgentPrincipal,
  session: string,
  { action, name, approval, effect }: Asked,
  { problem, waiting, justification, expirySeconds, done: { labels, isShort } }: About,
): Promise<Answer> {
  const epoch = rooms.epoch.current
  refuseStopped(rooms, caller)
  const standing = await rooms.sessions.standing(session, caller)
  // Also in a decision that is taken again: what was held against it before is not in force any more.
  if (approval !== null && isOfOtherPolicies(rooms, approval)) {
    return { epoch, standing, judged: refused(rooms, OTHER_POLICIES), asking: null, grant: null }
  }
  if (problem !== null) return { epoch, standing, judged: refused(rooms, problem), asking: null, grant: null }
  const known = await learn(rooms, caller, standing, action, isShort ? name : null)
  // A look-up takes its time, and a session that is over by then gets nothing.
  if (Object.keys(known.evidence.lookups).length > 0) await rooms.sessions.standing(session, caller)
  // What this very action would show was not seen before it.
  const unseen = { ...known, labels: known.labels.filter((label) => !labels.has(label)) }
  const judged = judgeApproved(rooms, caller, standing, action, { known: unseen, approval })
  // What another effect comes with is not kept: nobody could do it when it is approved.
  if (judged.verdict !== "ask" || effect !== undefined) return { epoch, standing, judged, asking: null, grant: null }
  const approvedly = () => judge(rooms, caller, standing, action, { ...unseen, approved: true })
  const leave = waiting === null ? await leaveFor(rooms, caller, standing, { action, judged, name, approvedly }) : null
  if (leave !== null) return { epoch, standing, asking: null, ...leave }
  const asking = await askingFor(rooms, caller, standing, { action, judged, justification, expirySeconds })
  if (asking !== null || waiting !== null) return { epoch, standing, judged, asking, grant: null }
  const words = unreadable(action, justification) ?? NOBODY
  return { epoch, standing, judged: notAsked(judged, { words }), asking: null, grant: null }
}

const NOBODY = "This needs an approval, and there is nobody who could give it: no user, or too few of a group."

/**
 * Something was taken away between the question and the commit, mostly from somebody else: the same question, asked of
 * what holds now. Whatever is taken away later finds the lease in the ledger, because that is committed.
 */
async function stillHolds(
  rooms: Rooms,
  caller: AgentPrincipal,
  asked: Asked,
  before: Answer,
  about: About,
): Promise<boolean> {
  await rooms.epoch.refresh()
  try {
    const { judged, standing, asking } = await ask(rooms, caller, before.standing.session.id, asked, about)
    const isSame = judged.verdict === before.judged.verdict && judged.version === before.judged.version
    // Members of a group are the approvals room's, which takes a version in beside policy's.
    const asksSame =
      JSON.stringify(asking?.request.requirements) === JSON.stringify(before.asking?.request.requirements)
    // Under another ceiling it may have to take of other limits.
    const takesSame = JSON.stringify(judged.takings) === JSON.stringify(before.judged.takings)
    return isSame && asksSame && takesSame && standing.mandate.digest === before.standing.mandate.digest
  } catch (error) {
    // Asked anew, it is refused with the same reason.
    if (error instanceof Refusal) return false
    throw error
  }
}

/**
 * The answer to a request that was answered before, if it would be answered the same now: the action is begun, and once. Throws
 * `approval-over` when it would not.
 */
async function repeated(
  rooms: Rooms,
  caller: AgentPrincipal,
  { session, idempotencyKey }: ActionRequest,
  { action, answered }: Consulted,
): Promise<Permit> {
  const { approval, entry } = answered!
  const asked: Asked = {
    action,
    name: requestName(action, session, idempotencyKey),
    idempotencyKey,
    effect: undefined,
    approval,
  }
  const done: Done = { lease: null, spent: null, labels: new Set(), isShort: false }
  const about = { action, approval, problem: null, answered: null, waiting: null, justification: null }
  const { judged, standing } = await ask(rooms, caller, session, asked, { ...about, expirySeconds: undefined, done })
  if (judged.verdict !== "allow") throw new Refusal("approval-over", "What was approved is not allowed any more.")
  return { action, decision: judged, entry, standing, lease: null, spent: null, held: null, paced: null, leave: null }
}

/** Throws the decision away, with what it took of limits; a lease is kept for the next try. */
async function discard(
  rooms: Rooms,
  caller: AgentPrincipal,
  { action, approval }: Asked,
  { session }: Standing,
  { entry, held, done }: { entry: string; held: Held | null; done: Done },
): Promise<void> {
  const about = { ...actor(caller), ...aboutSession(session), action: actionReference(action) }
  const record = { entries: () => [{ event: "gate.action-discarded", ...about, of: entry }] }
  const { usage } = rooms.sessions
  await rooms.audit.commit({
    async work(tx) {
      if (done.spent !== null) await usage.giveBack(done.spent).work!(tx)
      if (approval !== null) await rooms.approvals.giveBack(approval.id, entry).work!(tx)
    },
    ...record,
  })
  done.spent = null
  // It is asked anew, if it still has to be.
  const ids = held?.isNew === true ? [held.approval.id] : []
  if (ids.length > 0) await rooms.audit.commit(rooms.approvals.withdraw({ ids }, "rights-changed", "server"))
}

/** Takes back what nobody will be given. A replayed lease was made by a request that was answered, and stays. */
async function giveUp(rooms: Rooms, { lease, spent }: Done): Promise<void> {
  try {
    if (spent !== null) await rooms.audit.commit(rooms.sessions.usage.giveBack(spent))
    if (lease?.isReplay === false) await rooms.credentials.revoke(lease.id, "discarded")
  } catch (error) {
    // Credentials' sweep takes it, because nobody confirms it.
    rooms.log.warn("what was thrown away could not be taken back yet", { lease: lease?.id, error })
  }
}
