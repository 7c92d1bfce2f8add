import { randomUUID } from "node:crypto"
import {
  ApprovalRequiredError,
  asking,
  type Pending,
  type PendingHandle,
  pendingOf,
  type WaitOptions,
} from "./approval.ts"
import { DeniedError, SafeconductError, wasOver } from "./errors.ts"
import { endOnExit } from "./exit.ts"
import { keepRenewed } from "./keep-renewed.ts"
import { keepLease, type Lease, nextTryMs, timesOf } from "./lease.ts"
import type { OnProblem } from "./renewal.ts"
import { renewalDelayMs } from "./schedule.ts"
import { hide } from "./settings.ts"
import type { Transport } from "./transport.ts"
import type {
  Action,
  ActionAnswer,
  ApprovalAnswer,
  AuthorizationDetail,
  Decision,
  OfferAnswer,
  SessionAnswer,
} from "./wire.ts"

/** What a session is opened for. */
export type SessionRequest = SessionTimes & {
  /** Name of a purpose in safeconduct.yaml that this agent may serve. */
  purpose: string
}

/** How long a session is to last: shorter than its purpose says, never longer. */
export type SessionTimes = { lifetimeSeconds?: number; hardEndSeconds?: number }

/** What another agent is to do in a session beneath this one: less than this session may, and not for longer. */
export type DelegationRequest = SessionTimes & {
  /** Name of the other agent. */
  agent: string
  /** Name of the purpose that it is handed; this session's own, or one that it may delegate. */
  purpose: string
  /** What it may do. Only what this session may do itself, and what the purpose is for, comes of it. */
  authorizationDetails: AuthorizationDetail[]
}

/** An offer of a session, for one use by one instance of the agent that it is for. It is no secret: only that agent can take it. */
export type Offer = { delegation: string; expiresAt: Date }

/** What a lease is asked for; `wait` for whoever has to approve it. */
export type LeaseRequest = WaitOptions & { operation: string; arguments?: Record<string, unknown> }

/** A decision. `pending` is there when a person has to approve the action first. */
export type Acted = Decision & { pending: Pending | null; retryAfterSeconds: number | null }

/**
 * One task of this agent, for one purpose. It renews itself while it is open, up to its hard end. When it is over, by
 * end(), by the closing brace of `await using`, or by an operator, so is every credential that was made for it.
 */
export interface Session extends AsyncDisposable {
  readonly id: string
  readonly purpose: string
  readonly expiresAt: Date
  /** No renewal reaches past this. */
  readonly hardEndAt: Date
  /** Aborted when the session is over, whoever ended it. */
  readonly signal: AbortSignal
  /**
   * Asks for a credential. Throws `DeniedError`, `ApprovalRequiredError` when a person has to approve it and nobody waits, and
   * what the server refuses with (`lease-limit`, `resource-unavailable`, …).
   */
  lease(resource: string, request: LeaseRequest): Promise<Lease>
  /** Asks whether an action may be done, and has it recorded. A no is an answer, with reasons. Tell its outcome() after. */
  act(action: Action, options?: WaitOptions): Promise<Acted>
  /**
   * Does `work` when the action is allowed, once a person has approved it where that is needed, and tells what became of it.
   * Throws `DeniedError` with nothing done, and what `work` throws.
   */
  perform<Result>(action: Action, work: (decision: Acted) => Promise<Result>, options?: WaitOptions): Promise<Result>
  /** Goes on with an action that waited, perhaps in another process: see `pending.handle`. */
  resume(handle: PendingHandle, options?: Pick<WaitOptions, "signal">): Promise<Acted>
  /** Tells what became of an allowed action. */
  outcome(decision: Pick<Decision, "entry">, outcome: "succeeded" | "failed"): Promise<void>
  /** Offers a part of this session to another agent, which takes it by `open({ delegation })`. Ends when this session does. */
  delegate(request: DelegationRequest): Promise<Offer>
  /** An access token (RFC 9068) for this session, good for at least ten seconds, bound as `cnf` in it says. */
  token(): Promise<string>
  /** Ends the session, its leases and their connections. Ending twice does nothing. */
  end(): Promise<void>
}

/** What keeping a session takes. */
export type Keeping = { transport: Transport; onProblem: OnProblem; onOver: (session: Session) => void }

/** Opens a session, or takes one that another agent offers, and keeps it. */
export async function openSession(parts: Keeping, request: SessionRequest | { delegation: string }): Promise<Session> {
  const answer = await parts.transport.json<SessionAnswer>({
    method: "POST",
    path: "/v1/sessions",
    // An offer as delegate() returns it also says until when it is good.
    body: "purpose" in request ? request : { delegation: request.delegation },
    // A session whose answer was lost holds no lease and lapses; an offer is used up by it.
    isRepeatable: "purpose" in request,
  })
  return keepSession(parts, answer)
}

/** Takes up a session that this instance opened before, perhaps in another process. Throws `session-ended`, `session-unknown`. */
export async function reopenSession(parts: Keeping, id: string): Promise<Session> {
  const path = `/v1/sessions/${encodeURIComponent(id)}/renewal`
  const call = { method: "POST", path, session: id, isRepeatable: true } as const
  return keepSession(parts, await parts.transport.json<SessionAnswer>(call))
}

/** Keeps a session that was opened just now. */
export function keepSession(parts: Keeping, first: SessionAnswer): Session {
  const { transport, onProblem } = parts
  const { id, purpose } = first.session
  const path = `/v1/sessions/${encodeURIComponent(id)}`
  const over = new AbortController()
  const take = (answer: SessionAnswer) => {
    const taken = heldFrom(answer, transport)
    transport.keepToken(id, taken.token, taken.tokenUntilMs)
    return taken
  }
  let held = take(first)
  let refresh: Promise<void> | undefined
  let ending: Promise<void> | undefined

  const finish = () => {
    if (over.signal.aborted) return
    renewal[Symbol.dispose]()
    exit[Symbol.dispose]()
    over.abort(new Error(`Session ${id} is over.`))
    parts.onOver(session)
  }
  const renew = () => {
    refresh ??= transport
      .json<SessionAnswer>({ method: "POST", path: `${path}/renewal`, session: id, isRepeatable: true })
      .then((answer) => {
        held = take(answer)
      })
      .finally(() => {
        refresh = undefined
      })
    return refresh
  }
  const renewal = keepRenewed({
    nextDelayMs: () => renewalDelayMs({ ...held, nowMs: Date.now() }, Math.random()),
    renew,
    onFailure(error, failures) {
      onProblem(error)
      if (wasOver(error)) finish()
      return nextTryMs(error, failures, held.expiresAtMs)
    },
    expiresAtMs: () => held.expiresAtMs,
    onExpiry: () => finish(),
  })
  const end = async () => {
    try {
      await transport.json({ method: "DELETE", path, session: id })
    } catch (error) {
      if (!wasOver(error)) throw error
    } finally {
      finish()
    }
  }
  const ask = asking(transport, id)
  const acted = (answer: ActionAnswer, action: Action, idempotencyKey: string): Acted => {
    const { id: actionId, verdict, reasons, entry, approval, retryAfterSeconds = null } = answer
    const handle = approval && { session: id, approval: approval.id, idempotencyKey, action }
    const pending = handle === undefined ? null : pendingOf(transport, handle, approval!)
    return { id: actionId, verdict, reasons, entry, pending, retryAfterSeconds }
  }

  const session: Session = {
    id,
    purpose,
    get expiresAt() {
      return new Date(held.expiresAtMs)
    },
    get hardEndAt() {
      return new Date(held.hardEndMs)
    },
    signal: over.signal,
    async lease(resource, { operation, arguments: given, ...options }) {
      const action: Action = { type: "credential", resource, operation, ...(given && { arguments: given }) }
      const key = options.idempotencyKey ?? randomUUID()
      const answered = await ask.through(action, key, options)
      const { verdict, lease: answer, credential } = answered
      if (verdict !== "allow") throw refusalOf(acted(answered, action, key))
      if (answer === undefined || credential === undefined) {
        throw new SafeconductError("unexpected-answer", "The server allowed the lease and sent no credential.")
      }
      return keepLease({ answer, credential, transport, onProblem, session: id, over: over.signal })
    },
    async act(action, options = {}) {
      const key = options.idempotencyKey ?? randomUUID()
      return acted(await ask.through(action, key, options), action, key)
    },
    async perform(action, work, options) {
      const decision = await session.act(action, options)
      if (decision.verdict !== "allow") throw refusalOf(decision)
      const told = (outcome: "succeeded" | "failed") => session.outcome(decision, outcome)
      // Also what throws before there is a promise has failed.
      const doing = async () => await work(decision)
      const result = await doing().catch(async (error: unknown) => {
        await told("failed").catch(onProblem)
        throw error
      })
      await told("succeeded").catch(onProblem)
      return result
    },
    async resume({ action, approval, idempotencyKey }, { signal } = {}) {
      const path = `/v1/approvals/${encodeURIComponent(approval)}`
      const answer = await transport.json<ApprovalAnswer>({ method: "GET", path, session: id })
      await pendingOf(transport, { session: id, approval, idempotencyKey, action }, answer).decided({ signal })
      return acted(await ask.once(action, idempotencyKey, { approval }), action, idempotencyKey)
    },
    async outcome({ entry }, outcome) {
      const target = `/v1/actions/${encodeURIComponent(entry)}/outcome`
      await transport.json({ method: "POST", path: target, body: { outcome }, session: id })
    },
    async delegate(request) {
      const body = { ...request }
      const offered = await transport.json<OfferAnswer>({
        method: "POST",
        path: `${path}/delegations`,
        body,
        session: id,
      })
      return { delegation: offered.delegation, expiresAt: new Date(offered.expiresAt) }
    },
    async token() {
      const isOurs = held.binding === transport.binding
      if (!isOurs || held.tokenUntilMs - Date.now() < SHORTEST_TOKEN_MS) await renew()
      return held.token
    },
    end: () => (ending ??= over.signal.aborted ? Promise.resolve() : end()),
    async [Symbol.asyncDispose]() {
      await session.end().catch(onProblem)
    },
  }
  const exit = endOnExit(() => session.end().catch(onProblem))
  return hide(session, () => ({ id, purpose, expiresAt: session.expiresAt, hardEndAt: session.hardEndAt }))
}

/** The error of a decision that is not to allow. */
function refusalOf({ pending, verdict, reasons }: Acted): DeniedError {
  if (pending !== null) return new ApprovalRequiredError(pending, reasons)
  return new DeniedError(verdict === "ask" ? "approval-required" : "denied-by-policy", reasons)
}

const SHORTEST_TOKEN_MS = 10_000

function heldFrom(answer: SessionAnswer, transport: Transport) {
  return {
    ...timesOf(answer.session, transport),
    token: answer.accessToken,
    binding: transport.binding,
    tokenUntilMs: Date.now() + answer.expiresIn * 1000,
  }
}
