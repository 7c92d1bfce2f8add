import { randomUUID } from "node:crypto"
import { DeniedError, SafeconductError, wasOver } from "./errors.ts"
import { endOnExit } from "./exit.ts"
import { keepRenewed } from "./keep-renewed.ts"
import { keepLease, type Lease, nextTryMs, timesOf } from "./lease.ts"
import type { OnProblem } from "./renewal.ts"
import { renewalDelayMs } from "./schedule.ts"
import { hide } from "./settings.ts"
import type { Transport } from "./transport.ts"
import type { Action, ActionAnswer, AuthorizationDetail, Decision, OfferAnswer, SessionAnswer } from "./wire.ts"

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

/** What a lease is asked for. */
export type LeaseRequest = { operation: string; arguments?: Record<string, unknown> }

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
  /** Asks for a credential. Throws `DeniedError`, and what the server refuses with (`lease-limit`, `resource-unavailable`, …). */
  lease(resource: string, request: LeaseRequest): Promise<Lease>
  /** Asks whether an action may be done, and has it recorded. A no is an answer, with reasons. Tell its outcome() after. */
  act(action: Action, options?: { idempotencyKey?: string }): Promise<Decision>
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
  const ask = (action: Action, idempotencyKey: string) =>
    transport.json<ActionAnswer>({
      method: "POST",
      path: "/v1/actions",
      body: { session: id, action: { arguments: {}, ...action } },
      session: id,
      idempotencyKey,
    })

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
    async lease(resource, { operation, arguments: given }) {
      const action: Action = { type: "credential", resource, operation, ...(given && { arguments: given }) }
      const { verdict, reasons, lease: answer, credential } = await ask(action, randomUUID())
      if (verdict !== "allow")
        throw new DeniedError(verdict === "ask" ? "approval-required" : "denied-by-policy", reasons)
      if (answer === undefined || credential === undefined) {
        throw new SafeconductError("unexpected-answer", "The server allowed the lease and sent no credential.")
      }
      return keepLease({ answer, credential, transport, onProblem, session: id, over: over.signal })
    },
    async act(action, options) {
      const { id: actionId, verdict, reasons, entry } = await ask(action, options?.idempotencyKey ?? randomUUID())
      return { id: actionId, verdict, reasons, entry }
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

const SHORTEST_TOKEN_MS = 10_000

function heldFrom(answer: SessionAnswer, transport: Transport) {
  return {
    ...timesOf(answer.session, transport),
    token: answer.accessToken,
    binding: transport.binding,
    tokenUntilMs: Date.now() + answer.expiresIn * 1000,
  }
}
