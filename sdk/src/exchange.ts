import { type IncomingMessage, type Agent as PlainAgent, request as requestPlain } from "node:http"
import { type Agent, request as requestTls } from "node:https"
import type { Socket } from "node:net"
import { SafeconductError } from "./errors.ts"

/** One request. `path` is absolute, with its query. */
export type Call = {
  method: "GET" | "POST" | "PUT" | "DELETE"
  path: string
  body?: object
  /** The session that it is about, where access tokens say who calls: theirs goes with it. */
  session?: string
  idempotencyKey?: string
  /** True when sending it twice does no more than once. Told by the method and the key where absent. */
  isRepeatable?: boolean
  /** Milliseconds for each try, 15,000 unless told. */
  timeoutMs?: number
  /** Tries at the most, 4 unless told. */
  maxAttempts?: number
  signal?: AbortSignal
}

/** What came back, whatever its status. */
export type Exchange = {
  status: number
  contentType: string | undefined
  /** WWW-Authenticate. */
  challenge: string | undefined
  /** DPoP-Nonce (RFC 9449 §8). */
  nonce: string | undefined
  /** The connection that it came by. */
  socket: Socket
  retryAfter: string | undefined
  /** The server's clock, milliseconds since the Unix epoch, whole seconds; NaN when it did not say. */
  dateMs: number
  bytes: Buffer
}

/** Headers that depend on the connection which the request will go by. */
export type HeadersFor = (socket: Socket) => Record<string, string>

const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** One request and its whole answer. Throws `unreachable`, `timeout` or `server-not-trusted`; never an error of the platform. */
export async function exchange(
  agent: Agent | PlainAgent,
  origin: string,
  call: Call & { form?: Record<string, string> },
  headersFor?: HeadersFor,
): Promise<Exchange> {
  const timeout = AbortSignal.timeout(call.timeoutMs ?? TIMEOUT_MS)
  const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal])
  try {
    const response = await respond(agent, new URL(call.path, origin), { ...contentOf(call), signal }, headersFor)
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"],
      challenge: response.headers["www-authenticate"],
      nonce: one(response.headers["dpop-nonce"]),
      socket: response.socket,
      retryAfter: response.headers["retry-after"],
      dateMs: Date.parse(response.headers.date ?? ""),
      bytes: await readAll(response),
    }
  } catch (error) {
    if (timeout.aborted) {
      throw new SafeconductError("timeout", "Safeconduct did not answer in time.", { isRetryable: true, cause: error })
    }
    throw unreachable(error, origin)
  }
}

/** A failure of the platform's as an error of ours; `at` is the address that was called. */
export function unreachable(cause: unknown, at?: string): SafeconductError {
  if (cause instanceof SafeconductError) return cause
  const code = String((cause as { code?: unknown } | null)?.code ?? "")
  if (CERTIFICATE.test(code)) {
    const hint = /EXPIRED|NOT_YET/.test(code) ? " Is this machine's clock right?" : ""
    const message = `The server's certificate does not lead to a root of our bundle (${code}).${hint}`
    return new SafeconductError("server-not-trusted", message, { cause })
  }
  const detail = NEVER_CONNECTED.test(code) ? { wasSent: false } : {}
  const where = `${at === undefined ? "" : ` at ${at}`}${code === "" ? "" : ` (${code})`}`
  const message = `Safeconduct cannot be reached${where}. Is that its address, and is it running?`
  return new SafeconductError("unreachable", message, { isRetryable: true, detail, cause })
}

/** OpenSSL's verification results under Node's names. */
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)|PATH_LENGTH|ERR_TLS_CERT|CRL_|HOSTNAME_)/
const NEVER_CONNECTED = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

type Content = { method: string; headers: Record<string, string | number>; body: Buffer | undefined }

function contentOf({ method, body, form, idempotencyKey }: Parameters<typeof exchange>[2]): Content {
  const type = form === undefined ? "application/json" : "application/x-www-form-urlencoded"
  const text = form === undefined ? body && JSON.stringify(body) : new URLSearchParams(form).toString()
  const bytes = text === undefined ? undefined : Buffer.from(text)
  const headers = {
    accept: "application/json, application/problem+json, */*;q=0.1",
    ...(bytes && { "content-type": type, "content-length": bytes.byteLength }),
    ...(idempotencyKey && { "idempotency-key": idempotencyKey }),
  }
  return { method, headers, body: bytes }
}

function respond(
  agent: Agent | PlainAgent,
  url: URL,
  { method, headers, body, signal }: Content & { signal: AbortSignal },
  headersFor: HeadersFor | undefined,
): Promise<IncomingMessage> {
  const request = url.protocol === "http:" ? requestPlain : requestTls
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method, headers, signal }, resolve)
    outgoing.on("error", reject)
    if (headersFor === undefined) return void outgoing.end(body)
    // Nothing is sent before end(): which connection it will be is known by then.
    outgoing.once("socket", (socket) => {
      for (const [name, value] of Object.entries(headersFor(socket))) outgoing.setHeader(name, value)
      outgoing.end(body)
    })
  })
}

/** A header that may come once; twice is none. */
function one(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let total = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    total += part.byteLength
    if (total > MAX_ANSWER_BYTES) throw new SafeconductError("unexpected-answer", "The server's answer is too large.")
    parts.push(part)
  }
  return Buffer.concat(parts)
}
