import { setTimeout as delay } from "node:timers/promises"
import { errorFromAnswer, errorFromGrantAnswer, SafeconductError } from "./errors.ts"
import { type Call, type Exchange, exchange, unreachable } from "./exchange.ts"
import { openPool, type Peer, type Pool } from "./pool.ts"
import { retryDelayMs } from "./schedule.ts"

export type { Call } from "./exchange.ts"
export type { Peer } from "./pool.ts"

/** A 2xx answer. */
export type Answer = { status: number; contentType: string | undefined; bytes: Buffer }

/**
 * Requests to the server, connections kept. What is safe to repeat is repeated, with jitter; every failure is a
 * SafeconductError.
 */
export interface Transport extends Disposable {
  send(call: Call): Promise<Answer>
  /** The answer's JSON. `null` for an empty body. */
  json<T>(call: Call): Promise<T>
  /** Posts a form to an OAuth endpoint as this client, once. Throws what `errorFromGrantAnswer` makes of a refusal. */
  form<T>(path: string, fields: Record<string, string>): Promise<T>
  /** Uses other credentials and roots for connections to come; those under way end with their requests. */
  setPeer(peer: Peer): void
  readonly peer: Peer
  /** What access tokens are bound to. One that was fetched before it changed is worth nothing (RFC 8705 §3.1). */
  readonly binding: string | undefined
  /** Takes in a session's access token out of an answer, for the calls that name that session. */
  keepToken(session: string, token: string, untilMs: number): void
  /** How far the server's clock is ahead of ours, in milliseconds; 0 while it is too little to tell. */
  readonly skewMs: number
}

/** The Date header (RFC 9110 §6.6.1) has whole seconds and travels; less than this is no skew. */
const SKEW_NOTICED_MS = 5_000

/**
 * Over mutual TLS 1.3. The server is who it says by its SPIFFE ID, not by its host name. Nothing connects before the first
 * request. Throws `not-configured` for a URL that is not https.
 */
export function openTransport(first: Peer): Transport {
  let peer = first
  let pool: Pool = openPool(peer)
  return sending((call) => exchange(pool.agent, peer.url, call), {
    setPeer(next) {
      const old = pool
      pool = openPool(next)
      peer = next
      old.retire()
    },
    get peer() {
      return peer
    },
    get binding() {
      return peer.credentials?.svid
    },
    // RFC 8705 §2: the connection says who calls.
    postForm: (path, form) => exchange(pool.agent, peer.url, { method: "POST", path, form }),
    keepToken: () => undefined,
    retire: () => pool.retire(),
  })
}

/** How far ahead of ours the server's clock was as it answered; null when it did not say. */
export function skewOf({ dateMs }: Exchange): number | null {
  const aheadMs = dateMs - Date.now()
  if (Number.isNaN(aheadMs)) return null
  return Math.abs(aheadMs) < SKEW_NOTICED_MS ? 0 : aheadMs
}

/** What transports differ in. */
export type Line = Pick<Transport, "setPeer" | "peer" | "binding" | "keepToken"> & {
  retire(): void
  postForm(path: string, fields: Record<string, string>): Promise<Exchange>
}

/** A transport over whatever makes one exchange: repeats what may be repeated, and turns refusals into errors. */
export function sending(exchangeOnce: (call: Call) => Promise<Exchange>, line: Line): Transport {
  let isClosed = false
  let skewMs = 0

  const sendOnce = async (call: Call): Promise<Answer> => {
    const answer = await exchangeOnce(call)
    skewMs = skewOf(answer) ?? skewMs
    const { status, contentType, bytes, retryAfter } = answer
    if (status >= 200 && status < 300) return { status, contentType, bytes }
    const error = errorFromAnswer(status, contentType, bytes.toString("utf8"))
    if (retryAfter !== undefined) retryAfters.set(error, Number(retryAfter) * 1000)
    throw error
  }
  const send = async (call: Call): Promise<Answer> => {
    const maxAttempts = call.maxAttempts ?? 4
    for (let attempt = 0; ; attempt++) {
      if (isClosed) throw new SafeconductError("closed", "The connection to Safeconduct was closed.")
      try {
        return await sendOnce(call)
      } catch (error) {
        if (attempt + 1 >= maxAttempts || !mayRepeat(call, error)) throw error
        const waitMs = Math.max(retryDelayMs(attempt, Math.random()), retryAfterMs(error))
        await delay(waitMs, undefined, call.signal && { signal: call.signal }).catch((cause) => {
          throw unreachable(cause)
        })
      }
    }
  }

  return {
    send,
    async json<T>(call: Call): Promise<T> {
      const { bytes, contentType, status } = await send(call)
      return bytes.byteLength === 0 ? (null as T) : readAnswer<T>(status, contentType, bytes)
    },
    async form<T>(path: string, fields: Record<string, string>): Promise<T> {
      const { status, contentType, bytes } = await line.postForm(path, fields)
      if (status < 200 || status >= 300) throw errorFromGrantAnswer(status, contentType, bytes.toString("utf8"))
      return readAnswer<T>(status, contentType, bytes)
    },
    setPeer: (next) => line.setPeer(next),
    get peer() {
      return line.peer
    },
    get binding() {
      return line.binding
    },
    keepToken: (...token) => line.keepToken(...token),
    get skewMs() {
      return skewMs
    },
    [Symbol.dispose]() {
      isClosed = true
      line.retire()
    },
  }
}

function readAnswer<T>(status: number, contentType: string | undefined, bytes: Buffer): T {
  try {
    if (!contentType?.startsWith("application/json")) throw new TypeError(`content type ${contentType}`)
    return JSON.parse(bytes.toString("utf8")) as T
  } catch (cause) {
    throw new SafeconductError("unexpected-answer", "The server's answer is not JSON.", { status, cause })
  }
}

/** Retry-After of an error's answer, in milliseconds; beside the error, because callers have no use for it. */
const retryAfters = new WeakMap<object, number>()
const LONGEST_WAIT_MS = 5_000

function retryAfterMs(error: unknown): number {
  const wanted = retryAfters.get(error as object) ?? 0
  return Number.isFinite(wanted) ? Math.min(LONGEST_WAIT_MS, Math.max(0, wanted)) : 0
}

function mayRepeat(call: Call, error: unknown): boolean {
  if (!(error instanceof SafeconductError) || !error.isRetryable) return false
  if (call.isRepeatable ?? (call.method !== "POST" || call.idempotencyKey !== undefined)) return true
  // Our server says so only when nothing was decided; a connection that never stood has carried nothing.
  return (error.status > 0 && error.code !== "unexpected-answer") || error.detail["wasSent"] === false
}
