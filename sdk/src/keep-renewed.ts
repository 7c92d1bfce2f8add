import { SafeconductError } from "./errors.ts"

/** Something that is renewed over and over, in the background. */
export type Renewable = {
  /** Milliseconds until the next renewal, null when there will be none. Asked again after each success. */
  nextDelayMs: () => number | null
  renew: () => Promise<void>
  /** Milliseconds until the next try, null to give up. Called on every failure: nothing fails silently. */
  onFailure: (error: SafeconductError, failures: number) => number | null
  /** What happens at `expiresAtMs()` once no renewal is left to come. */
  onExpiry?: () => void
  expiresAtMs?: () => number
}

/** Renews until disposed. Its timers never keep the process alive. */
export function keepRenewed(renewable: Renewable): Disposable {
  const { nextDelayMs, renew, onFailure, onExpiry, expiresAtMs } = renewable
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let failures = 0

  const wait = (delayMs: number | null) => {
    if (isStopped) return
    if (delayMs !== null) timer = setTimeout(() => void once(), delayMs)
    else if (onExpiry !== undefined) timer = setTimeout(onExpiry, Math.max(0, (expiresAtMs?.() ?? 0) - Date.now()))
    timer?.unref()
  }
  const once = async () => {
    try {
      await renew()
      failures = 0
      wait(nextDelayMs())
    } catch (cause) {
      if (!isStopped) wait(onFailure(asError(cause), failures++))
    }
  }
  wait(nextDelayMs())
  return {
    [Symbol.dispose]() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

function asError(cause: unknown): SafeconductError {
  if (cause instanceof SafeconductError) return cause
  return new SafeconductError("unexpected-answer", cause instanceof Error ? cause.message : "Renewal failed.", {
    cause,
  })
}
