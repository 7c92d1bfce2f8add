import type { SafeconductError } from "./errors.ts"
import { wasOver } from "./errors.ts"
import { keepRenewed } from "./keep-renewed.ts"
import type { OnProblem } from "./renewal.ts"
import { renewalDelayMs, retryDelayMs } from "./schedule.ts"
import { hide, type PostgresSettings, settingsOf } from "./settings.ts"
import type { Transport } from "./transport.ts"
import type { LeaseAnswer, PostgresCredential } from "./wire.ts"

/**
 * A credential made for this session. It renews itself while it is open, its connections stay up, and none of it works
 * after revoke(), after the closing brace of `await using`, or after the session.
 */
export interface Lease extends AsyncDisposable {
  readonly id: string
  readonly resource: string
  readonly operation: string
  /** For `new pg.Client(settings)`. */
  readonly settings: PostgresSettings
  /** When it ends unless renewed, by this machine's clock. */
  readonly expiresAt: Date
  /** Aborted when the lease is over, whoever ended it. */
  readonly signal: AbortSignal
  /** Ends it now: its account is dropped and every connection made with it is closed. Ending twice does nothing. */
  revoke(): Promise<void>
}

/** Watches over a lease that the gate has given. */
export function keepLease(parts: {
  answer: LeaseAnswer
  credential: PostgresCredential
  transport: Transport
  onProblem: OnProblem
  /** Id of its session. */
  session: string
  /** Aborted when the session is over, and the lease with it. */
  over: AbortSignal
}): Lease {
  const { transport, onProblem, answer, session } = parts
  const path = `/v1/credentials/leases/${encodeURIComponent(answer.id)}`
  const over = new AbortController()
  const settings = settingsOf(parts.credential)
  let { expiresAtMs, hardEndMs } = timesOf(answer, transport)
  let revocation: Promise<void> | undefined

  const finish = () => {
    if (over.signal.aborted) return
    renewal[Symbol.dispose]()
    parts.over.removeEventListener("abort", finish)
    over.abort(new Error(`The lease of ${answer.resource} is over.`))
  }
  const renewal = keepRenewed({
    nextDelayMs: () => renewalDelayMs({ nowMs: Date.now(), expiresAtMs, hardEndMs }, Math.random()),
    async renew() {
      const renewed = await transport.json<LeaseAnswer>({
        method: "POST",
        path: `${path}/renewal`,
        session,
        isRepeatable: true,
      })
      ;({ expiresAtMs, hardEndMs } = timesOf(renewed, transport))
    },
    onFailure(error, failures) {
      onProblem(error)
      if (wasOver(error)) finish()
      return nextTryMs(error, failures, expiresAtMs)
    },
    expiresAtMs: () => expiresAtMs,
    onExpiry: () => finish(),
  })
  parts.over.addEventListener("abort", finish)
  const revoke = async () => {
    try {
      await transport.json({ method: "DELETE", path, session })
    } catch (error) {
      if (!wasOver(error)) throw error
    } finally {
      finish()
    }
  }
  const lease: Lease = {
    id: answer.id,
    resource: answer.resource,
    operation: answer.operation,
    settings,
    get expiresAt() {
      return new Date(expiresAtMs)
    },
    signal: over.signal,
    revoke: () => (revocation ??= over.signal.aborted ? Promise.resolve() : revoke()),
    async [Symbol.asyncDispose]() {
      // What cannot be told to the server ends there by itself; the reason for leaving the block is worth more than this one.
      await lease.revoke().catch(onProblem)
    },
  }
  return hide(lease, () => ({ id: lease.id, resource: lease.resource, operation: lease.operation, settings }))
}

/** Milliseconds until a failed renewal is tried again; null when it is over, or will be before another try. */
export function nextTryMs(error: SafeconductError, failures: number, expiresAtMs: number): number | null {
  if (!error.isRetryable) return null
  const delayMs = retryDelayMs(failures, 0.5 + Math.random() / 2, 250, 15_000)
  return Date.now() + delayMs < expiresAtMs ? delayMs : null
}

/** The server's times on this machine's clock. */
export function timesOf(answer: { expiresAt: string; hardEndAt: string }, { skewMs }: Transport) {
  return { expiresAtMs: Date.parse(answer.expiresAt) - skewMs, hardEndMs: Date.parse(answer.hardEndAt) - skewMs }
}
