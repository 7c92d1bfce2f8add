import { isIPv6 } from "node:net"
import { type Clock, Refusal } from "#kernel"

/** Bounds how often one address, or one key, may try: a bucket of tokens that refills steadily. */
export type Limiter = {
  /** Takes one of an address, or of what else tells callers apart; throws `rate-limited` when none is left. */
  take(owner: string): void
}

const MAX_BUCKETS = 10_000

/** `burst` tries at once, then `perSecond` more each second. Memory is bounded: who was longest unseen is forgotten. */
export function createLimiter(clock: Clock, { burst, perSecond }: { burst: number; perSecond: number }): Limiter {
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  return {
    take(named) {
      const owner = ownerOf(named)
      const now = clock.nowMs()
      const seen = buckets.get(owner)
      const refill = seen === undefined ? burst : seen.tokens + (Math.max(0, now - seen.atMs) / 1000) * perSecond
      const tokens = Math.min(burst, refill)
      // A refused try costs nothing: or whoever shares the address with a noisy neighbour would never get through.
      const left = tokens < 1 ? tokens : tokens - 1
      buckets.delete(owner)
      buckets.set(owner, { tokens: left, atMs: now })
      if (buckets.size > MAX_BUCKETS) buckets.delete(buckets.keys().next().value!)
      if (tokens < 1)
        throw new Refusal("rate-limited", "Too many tries from this address, or by this key. Wait a few seconds.")
    },
  }
}

/** Who has the address; what is none stands for itself. Of IPv6 a whole /64, because everybody who has one address there has all of them. */
export function ownerOf(address: string): string {
  const [plain] = address.split("%")
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain!)?.[1]
  if (mapped !== undefined || !isIPv6(plain!)) return mapped ?? address
  // The URL parser writes every form of an IPv6 address in one way (WHATWG URL §3.5), which may hold one "::".
  const text = new URL(`http://[${plain}]`).hostname.slice(1, -1)
  const [head, tail] = text.split("::").map((part) => (part === "" ? [] : part.split(":")))
  const missing = tail === undefined ? 0 : 8 - head!.length - tail.length
  const groups = [...head!, ...Array<string>(missing).fill("0"), ...(tail ?? [])]
  return `${groups.slice(0, 4).join(":")}::/64`
}
