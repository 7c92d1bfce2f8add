import { base64url, type Clock, Refusal, random, sha256 } from "#kernel"
import type { Proof } from "./dpop.ts"

/**
 * The nonces of one server (RFC 9449 §8, §9) and the proofs that were made with them. A nonce is good for one to two
 * generations; what was used with it is remembered exactly as long, so that no proof is ever good twice and memory is bounded.
 * They are this process's alone: a proof replayed at another server meets a nonce that it never gave out.
 */
export interface Nonces {
  /** The nonce to make the next proof with. */
  current(): string
  /** The nonce, when this server gave it out and it is still good. Throws `use-dpop-nonce`. */
  requireOwn(nonce: string | undefined): string
  /**
   * Uses a proof up. Throws `dpop-proof-invalid` for one that was used, `use-dpop-nonce`, and `overloaded` for a key that has
   * more remembered than there is room left: so no key, nor any few of them, takes the room of all others.
   */
  use(proof: Pick<Proof, "jkt" | "jti" | "nonce">): void
}

/** Lengths in milliseconds; `maxProofs` counts one generation's. */
export type NoncesParts = { clock: Clock; generationMs?: number; maxProofs?: number }

/** `countOf` is by key: how many of `used` are its proofs. */
type Generation = { nonce: string; madeAtMs: number; used: Set<string>; countOf: Map<string, number> }

const NONCE_BYTES = 16
/** Of one generation: 8,300 requests a second, of one key half of that, and about 30 MB. */
const MAX_PROOFS = 500_000
/** Enough of a hash that no two proofs are taken for one. */
const NAME_BYTES = 16

/** Starts with a nonce that nobody has seen. */
export function openNonces({ clock, generationMs = 60_000, maxProofs = MAX_PROOFS }: NoncesParts): Nonces {
  const generation = (): Generation => ({
    nonce: base64url(random(NONCE_BYTES)),
    madeAtMs: clock.nowMs(),
    used: new Set(),
    countOf: new Map(),
  })
  let newest = generation()
  let before: Generation | null = null

  /** A clock that was set back begins a generation: or the one that there is would fill until its time comes again. */
  const turn = () => {
    const ageMs = clock.nowMs() - newest.madeAtMs
    if (ageMs >= generationMs || ageMs < 0) {
      before = newest
      newest = generation()
    }
    if (before !== null && clock.nowMs() - before.madeAtMs >= 2 * generationMs) before = null
  }
  const find = (nonce: string | undefined): Generation => {
    turn()
    if (nonce === newest.nonce) return newest
    if (before !== null && nonce === before.nonce) return before
    throw new Refusal(
      "use-dpop-nonce",
      "Make the DPoP proof with the nonce of the DPoP-Nonce header, and send it again.",
    )
  }

  return {
    current() {
      turn()
      return newest.nonce
    },
    requireOwn: (nonce) => find(nonce).nonce,
    use({ jkt, jti, nonce }) {
      const { used, countOf } = find(nonce)
      const name = sha256(`${jkt}.${jti}`).toString("latin1", 0, NAME_BYTES)
      if (used.has(name)) {
        throw new Refusal("dpop-proof-invalid", "This DPoP proof was used before. Make a new one for each request.")
      }
      // To forget one early would let it be used again. A key alone gets half, two that take all they can a third each.
      const count = countOf.get(jkt) ?? 0
      if (count >= maxProofs - used.size) {
        throw new Refusal(
          "overloaded",
          "Too many requests came with DPoP proofs of this key lately. Try again in a minute.",
        )
      }
      used.add(name)
      countOf.set(jkt, count + 1)
    },
  }
}
