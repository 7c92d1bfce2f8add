/** Any no, and any failure, that a caller of the SDK may meet. */
export class SafeconductError extends Error {
  /** Stable: one of the server's codes (contract/refusals.json), or one of the SDK's own: `LocalCode`. */
  readonly code: string
  /** HTTP status, or 0 when no answer came. */
  readonly status: number
  /** True when the same call may succeed later without a change. */
  readonly isRetryable: boolean
  /** What else the server said, such as the path of a wrong field. */
  readonly detail: Readonly<Record<string, unknown>>
  constructor(code: string, message: string, options: ErrorParts = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.status = options.status ?? 0
    this.isRetryable = options.isRetryable ?? false
    this.detail = options.detail ?? {}
  }
}

/** Policy, mandate or purpose said no. Asking again changes nothing; `reasons` say why, in words. */
export class DeniedError extends SafeconductError {
  readonly reasons: readonly string[]
  constructor(code: string, reasons: readonly string[], options: ErrorParts = {}) {
    super(code, reasons.join(" ") || "Denied.", { status: 403, ...options })
    this.reasons = reasons
  }
}

/** What an error may carry besides its code and message. */
export type ErrorParts = {
  status?: number
  isRetryable?: boolean
  detail?: Record<string, unknown>
  cause?: unknown
}

/** Codes that the SDK makes itself; all others come from the server. */
export type LocalCode =
  | "unreachable"
  | "timeout"
  | "server-not-trusted"
  | "identity-missing"
  | "identity-broken"
  | "not-configured"
  | "unexpected-answer"
  | "closed"
  | "token-refused"
  | "consent-denied"

/** Codes that mean: decided, and the answer is no. */
const DENIALS = new Set([
  "denied-by-policy",
  "outside-mandate",
  "approval-required",
  "purpose-not-allowed",
  "delegation-too-wide",
  "chain-too-deep",
  "chain-cycle",
])

/** Codes that mean: it had ended already, so there is nothing left to end. */
const OVER = new Set([
  "session-ended",
  "session-expired",
  "session-idle",
  "session-unknown",
  "lease-ended",
  "lease-unknown",
])

/** True when the thing that a call wanted to end was over before. */
export function wasOver(error: unknown): boolean {
  return error instanceof SafeconductError && OVER.has(error.code)
}

/**
 * The error that an HTTP answer other than 2xx stands for: RFC 9457 problem details with our code, or, from something in
 * between that is not our server, `unexpected-answer`.
 */
export function errorFromAnswer(status: number, contentType: string | undefined, body: string): SafeconductError {
  const problem = contentType?.startsWith("application/problem+json") ? parseObject(body) : null
  if (typeof problem?.code !== "string") {
    const isRetryable = status === 429 || status === 502 || status === 503 || status === 504
    return new SafeconductError("unexpected-answer", `The server answered with status ${status}.`, {
      status,
      isRetryable,
    })
  }
  const { code, detail: sentence, retryable, type: _type, title: _title, status: _status, ...detail } = problem
  const message = typeof sentence === "string" ? sentence : String(code)
  const parts = { status, isRetryable: retryable === true, detail }
  if (!DENIALS.has(String(code))) return new SafeconductError(String(code), message, parts)
  const reasons = stringsOf(detail.reasons)
  return new DeniedError(String(code), reasons.length > 0 ? reasons : [message], parts)
}

/**
 * The error that an answer of the token endpoint stands for (RFC 6749 §5.2). Its codes are few: `invalid_grant` is a session
 * that is over, what may succeed later is `overloaded`, everything else `token-refused` with the code in `detail.error`.
 */
export function errorFromTokenAnswer(status: number, contentType: string | undefined, body: string): SafeconductError {
  const answer = contentType?.startsWith("application/json") ? parseObject(body) : null
  if (typeof answer?.error !== "string") return errorFromAnswer(status, contentType, body)
  const { error, error_description: sentence } = answer
  const message = typeof sentence === "string" ? sentence : error
  if (error === "invalid_grant") return new SafeconductError("session-ended", message, { status })
  if (error === "temporarily_unavailable") {
    return new SafeconductError("overloaded", message, { status, isRetryable: true })
  }
  return new SafeconductError("token-refused", message, { status, detail: { error } })
}

/**
 * The error that an authorization or token endpoint answers a user's delegation with: `consent-required`, with the page to send
 * the user to in `detail.safeconduct_consent_uri`, or `overloaded`, or `token-refused` with OAuth's code in `detail.error`.
 */
export function errorFromGrantAnswer(status: number, contentType: string | undefined, body: string): SafeconductError {
  const answer = contentType?.startsWith("application/json") ? parseObject(body) : null
  if (answer?.error !== "consent_required" && answer?.error !== "invalid_grant") {
    return errorFromTokenAnswer(status, contentType, body)
  }
  const { error, error_description: sentence, ...detail } = answer
  const message = typeof sentence === "string" ? sentence : String(error)
  const code = error === "consent_required" ? "consent-required" : "token-refused"
  return new SafeconductError(code, message, { status, detail: { ...detail, error } })
}

/** The texts among a list's items. */
export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : []
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
