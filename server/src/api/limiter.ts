import { type Clock, Refusal } from "#kernel"

/** Bounds how often one address may try: a bucket of tokens that refills steadily. */
export type Limiter = {
  /** Takes one; throws `rate-limited` when none is left. */
  take(address: string): void
}

const MAX_ADDRESSES = 10_000

/** `burst` tries at once, then `perSecond` more each second. Memory is bounded: the address longest unseen is forgotten. */
export function createLimiter(clock: Clock, { burst, perSecond }: { burst: number; perSecond: number }): Limiter {
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  return {
    take(address) {
      const now = clock.nowMs()
      const seen = buckets.get(address)
      const refill = seen === undefined ? burst : seen.tokens + (Math.max(0, now - seen.atMs) / 1000) * perSecond
      const tokens = Math.min(burst, refill)
      buckets.delete(address)
      buckets.set(address, { tokens: Math.max(0, tokens - 1), atMs: now })
      if (buckets.size > MAX_ADDRESSES) buckets.delete(buckets.keys().next().value!)
      if (tokens < 1) throw new Refusal("rate-limited", "Too many tries from this address. Wait a few seconds.")
    },
  }
}
