/** When to renew what expires: pure arithmetic on milliseconds since the Unix epoch. */

/** Renewal never waits less than this, so that a very short life does not become a busy loop. */
const SHORTEST_MS = 50
const LONGEST_MS = 24 * 3_600_000

/** What expires, and the end past which no renewal reaches. */
export type Life = { nowMs: number; expiresAtMs: number; hardEndMs?: number }

/**
 * Milliseconds until a renewal is due: half of what is left, give or take a tenth, so that many agents started together
 * do not renew together. Null when a renewal cannot gain time, because the life already reaches the hard end.
 */
export function renewalDelayMs(life: Life, random: number): number | null {
  if (life.hardEndMs !== undefined && life.expiresAtMs >= life.hardEndMs) return null
  return clamp((life.expiresAtMs - life.nowMs) * jittered(0.5, random))
}

/**
 * Milliseconds until an SVID's renewal is due: at half of its whole life, give or take a tenth of it. A process that starts
 * later than that renews at once.
 */
export function svidRenewalDelayMs(
  svid: { nowMs: number; notBeforeMs: number; notAfterMs: number },
  random: number,
): number {
  const lifeMs = svid.notAfterMs - svid.notBeforeMs
  return clamp(svid.notBeforeMs + lifeMs * jittered(0.5, random) - svid.nowMs)
}

/** Milliseconds until the n-th try (from 0) of something that failed: doubling with full jitter, between the two bounds. */
export function retryDelayMs(attempt: number, random: number, baseMs = 100, maxMs = 2_000): number {
  return Math.max(1, Math.round(random * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 20))))
}

/** An SVID that expired at most this long ago may still be renewed with its own key. */
export const RENEWABLE_AFTER_EXPIRY_MS = 24 * 3_600_000

function jittered(share: number, random: number): number {
  return share * (0.9 + 0.2 * random)
}

function clamp(delayMs: number): number {
  return Math.round(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, delayMs)))
}
