import type { IncomingMessage } from "node:http"
import { type Agent, request } from "node:https"
import { SafeconductError } from "./errors.ts"

/** One request. `path` is absolute, with its query. */
export type Call = {
  method: "GET" | "POST" | "PUT" | "DELETE"
  path: string
  body?: object
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
type Exchange = {
  status: number
  contentType: string | undefined
  retryAfter: string | undefined
  /** The server's clock, milliseconds since the Unix epoch, whole seconds; NaN when it did not say. */
  dateMs: number
  bytes: Buffer
}

const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** One request and its whole answer. Throws `unreachable`, `timeout` or `server-not-trusted`; never an error of the platform. */
export async function exchange(agent: Agent, origin: string, call: Call): Promise<Exchange> {
  const timeout = AbortSignal.timeout(call.timeoutMs ?? TIMEOUT_MS)
  const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal])
  try {
    const response = await respond(agent, new URL(call.path, origin), call, signal)
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"],
      retryAfter: response.headers["retry-after"],
      dateMs: Date.parse(response.headers.date ?? ""),
      bytes: await readAll(response),
    }
  } catch (error) {
    if (timeout.aborted) {
      throw new SafeconductError("timeout", "Safeconduct did not answer in time.", { isRetryable: true, cause: error })
    }
    throw unreachable(error)
  }
}

/** A failure of the platform's as an error of ours. */
export function unreachable(cause: unknown): SafeconductError {
  if (cause instanceof SafeconductError) return cause
  const code = String((cause as { code?: unknown } | null)?.code ?? "")
  if (CERTIFICATE.test(code)) {
    const hint = /EXPIRED|NOT_YET/.test(code) ? " Is this machine's clock right?" : ""
    const message = `The server's certificate does not lead to a root of our bundle (${code}).${hint}`
    return new SafeconductError("server-not-trusted", message, { cause })
  }
  const detail = NEVER_CONNECTED.test(code) ? { wasSent: false } : {}
  const message = `Safeconduct cannot be reached${code === "" ? "" : ` (${code})`}.`
  return new SafeconductError("unreachable", message, { isRetryable: true, detail, cause })
}

/** OpenSSL's verification results under Node's names. */
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)|PATH_LENGTH|ERR_TLS_CERT|CRL_|HOSTNAME_)/
const NEVER_CONNECTED = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

function respond(agent: Agent, url: URL, call: Call, signal: AbortSignal): Promise<IncomingMessage> {
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body))
  const headers = {
    accept: "application/json, application/problem+json, */*;q=0.1",
    ...(body && { "content-type": "application/json", "content-length": body.byteLength }),
    ...(call.idempotencyKey && { "idempotency-key": call.idempotencyKey }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method: call.method, headers, signal }, resolve)
    outgoing.on("error", reject)
    outgoing.end(body)
  })
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
