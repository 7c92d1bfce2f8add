import { setTimeout as sleep } from "node:timers/promises"
import { DeniedError, SafeconductError } from "./errors.ts"
import { hide } from "./settings.ts"
import type { Transport } from "./transport.ts"
import type { Action, ActionAnswer, ApprovalAnswer } from "./wire.ts"

/** Everything that a waiting action is found by again, after a restart too. It holds no secret; the identity does. */
export type PendingHandle = {
  session: string
  approval: string
  /** Under this key the action happens once, however often it is asked. */
  idempotencyKey: string
  action: Action
}

/** An action that waits for a person. Keep `handle` where the process may end before they answer. */
export interface Pending {
  /** Id of the request for approval. */
  readonly id: string
  /** What it takes: a tap, a signature, or several of them. */
  readonly rung: string
  /** Without an answer until then, it is denied; people may take more time, and each look says so. */
  readonly expiresAt: Date
  readonly handle: PendingHandle
  /** What became of it, as of now. */
  state(): Promise<ApprovalState>
  /**
   * Resolves when somebody has answered, or its time is over. What goes wrong on the way is tried again until then, and thrown after;
   * aborting the signal only stops the waiting.
   */
  decided(options?: { signal?: AbortSignal | undefined }): Promise<Exclude<ApprovalState, "requested">>
}

/** `requested` is the only one that changes. */
export type ApprovalState = "requested" | "approved" | "denied" | "reported" | "expired" | "withdrawn"

/** The action waits for a person: wait for `pending`, and ask for it again, or ask with `wait: true`. */
export class ApprovalRequiredError extends DeniedError {
  readonly pending: Pending
  constructor(pending: Pending, reasons: readonly string[]) {
    super("approval-required", reasons)
    this.pending = pending
  }
}

/** How an action is asked. */
export type AskOptions = {
  /** The same again is the same request; a random one unless told. */
  idempotencyKey?: string
  /** What whoever may have to approve it is told that the agent says: at most 200 characters, shown as not verified. */
  justification?: string
}

/** The same, and what to do when it waits for a person. */
export type WaitOptions = AskOptions & {
  /** True: wait until they have answered, and then go on. */
  wait?: boolean
  /** Aborted, it waits no more; the request stays, and its handle is good. */
  signal?: AbortSignal | undefined
  /** Told once of the request that is waited for. */
  onPending?: (pending: Pending) => void
}

const LONG_POLL_SECONDS = 25
const RETRY_MS = 2_000
/** What an answer may take beyond the wait. */
const ANSWER_MS = 15_000

/** Asks a gate for an action in a session. */
export function asking(transport: Transport, session: string) {
  const once = (action: Action, key: string, more: { approval?: string; justification?: string }) =>
    transport.json<ActionAnswer>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action: { arguments: {}, ...action }, ...more },
      session,
      idempotencyKey: key,
    })

  return {
    once,
    /** Asks, waits where it has to be approved and the options say so, and asks again with the approval. */
    async through(action: Action, key: string, options: WaitOptions): Promise<ActionAnswer> {
      const { justification, wait = false, signal, onPending } = options
      const answer = await once(action, key, justification === undefined ? {} : { justification })
      if (answer.verdict !== "ask" || answer.approval === undefined || !wait) return answer
      const handle = { session, approval: answer.approval.id, idempotencyKey: key, action }
      const pending = pendingOf(transport, handle, answer.approval)
      onPending?.(pending)
      await pending.decided({ signal })
      return await once(action, key, { approval: pending.id })
    },
  }
}

/** What waits, as it was answered. */
export function pendingOf(transport: Transport, handle: PendingHandle, answer: ApprovalAnswer): Pending {
  const path = `/v1/approvals/${encodeURIComponent(handle.approval)}`
  let expiresAt = new Date(answer.expiresAt)
  const isOver = () => Date.now() + transport.skewMs >= expiresAt.getTime()
  const look = async (waitSeconds: number) => {
    const query = waitSeconds > 0 ? `?wait=${waitSeconds}` : ""
    const timeoutMs = waitSeconds * 1000 + ANSWER_MS
    const call = { method: "GET", path: path + query, session: handle.session, timeoutMs } as const
    const found = await transport.json<ApprovalAnswer>(call)
    expiresAt = new Date(found.expiresAt)
    return found.state as ApprovalState
  }
  const pending: Pending = {
    id: handle.approval,
    rung: answer.rung,
    get expiresAt() {
      return expiresAt
    },
    handle,
    state: () => look(0),
    async decided({ signal } = {}) {
      for (;;) {
        signal?.throwIfAborted()
        try {
          const state = await abortable(look(LONG_POLL_SECONDS), signal)
          if (state !== "requested") return state
        } catch (error) {
          if (signal?.aborted || !(error instanceof SafeconductError) || !isPassing(error) || isOver()) throw error
          // An abort is told by its own reason, above.
          await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
        }
      }
    },
  }
  return hide(pending, () => ({ ...handle, expiresAt }))
}

/** Nothing was decided by it: no connection, or a server that is starting anew. */
function isPassing({ status, isRetryable, code }: SafeconductError): boolean {
  return isRetryable || code === "unreachable" || code === "timeout" || status >= 500
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", onAbort))
}
