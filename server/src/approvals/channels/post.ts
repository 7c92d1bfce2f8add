import { type FetchParts, guardedFetch, Unreachable } from "#sessions"
import { type Delivery, delivered, undeliverable, undelivered } from "./channel.ts"

/** A request that carries a message. */
export type Posting = {
  url: string
  headers: { readonly [name: string]: string }
  body: string | Uint8Array
  signal: AbortSignal
  /** Statuses that say that there is no such receiver any more; none unless told. */
  gone?: readonly number[]
}

/** An answer is a few hundred bytes, and only its status counts. */
const MAX_BYTES = 16 * 1024
const TIMEOUT_MS = 5_000

/**
 * Posts a message through the guard that providers are asked through: one resolution of the name, no redirect, no address but
 * those of the network. What the status means is the same for all who take messages by HTTP (RFC 9110 §15).
 */
export async function post(parts: Pick<FetchParts, "network" | "ca">, posting: Posting): Promise<Delivery> {
  const { url, headers, body, signal, gone = [] } = posting
  const ask = guardedFetch({ ...parts, maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS })
  try {
    const { status } = await ask(url, { method: "POST", headers: { ...headers }, body, redirect: "manual", signal })
    return gone.includes(status) ? undeliverable("gone") : deliveryOf(status)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return undelivered(signal.aborted ? "too-slow" : "unreachable")
  }
}

/** What the status says of a message. */
function deliveryOf(status: number): Delivery {
  if (status >= 200 && status < 300) return delivered
  // Too many, too slow, too early or their own trouble: later it may be taken.
  if (status === 408 || status === 425 || status === 429 || status >= 500) return undelivered("refused")
  return undeliverable("refused")
}
