import { countRefusal, type Log, Refusal, type RefusalCode, refusals } from "#kernel"

/** RFC 9457 problem details, with our stable code. */
export type Problem = {
  type: string
  title: string
  status: number
  code: RefusalCode
  detail: string
  retryable: boolean
  [extension: string]: unknown
}

/** Where the meaning of each code is published; an identifier, not necessarily a page. */
const TYPE = "urn:safeconduct:refusal:"

/** Seconds a client should wait before it repeats a retryable request. */
const RETRY_AFTER_SECONDS = "1"

/**
 * The one mapping of errors to HTTP. A Refusal tells the caller; anything else is a bug: logged, and "internal" outside.
 * `scheme` is how the listener's callers authenticate.
 */
export function problemResponse(error: unknown, log: Log, scheme: "Bearer" | "DPoP" = "Bearer"): Response {
  const refusal = refusalFor(error, log)
  const { status, isRetryable } = refusals[refusal.code]
  const body: Problem = {
    ...refusal.detail,
    type: TYPE + refusal.code,
    title: refusal.code.replaceAll("-", " "),
    status,
    code: refusal.code,
    detail: refusal.message,
    retryable: isRetryable,
  }
  const response = respond(body, status, "application/problem+json", isRetryable)
  const challenge = status === 401 ? challengeOf(refusal.code, scheme) : null
  if (challenge !== null) response.headers.set("www-authenticate", challenge)
  return response
}

/** RFC 6750 §3.1; RFC 9449 §7.1, §9. Null where a certificate is what is lacking: there is no scheme for that. */
function challengeOf(code: RefusalCode, scheme: "Bearer" | "DPoP"): string | null {
  if (scheme === "Bearer") return code === "token-invalid" ? 'Bearer error="invalid_token"' : null
  // RFC 6750 §3.1: a request that lacks everything is told the scheme alone.
  if (code === "no-identity") return 'DPoP algs="ES256"'
  const { oauth } = refusals[code]
  return `DPoP error="${oauth === "invalid_client" ? "invalid_token" : oauth}", algs="ES256"`
}

/** The same for the OAuth endpoints, which speak RFC 6749 §5.2 only. */
export function oauthErrorResponse(error: unknown, log: Log, request?: Headers): Response {
  const refusal = refusalFor(error, log)
  const { status, oauth, isRetryable } = refusals[refusal.code]
  const body = { error: oauth, error_description: ascii(refusal.message), ...extensions(refusal) }
  // CIBA Core §11: how long a poll waits is what its interval says.
  const isLater = isRetryable && status !== 400
  const response = respond(body, oauthStatus(status, oauth, isRetryable), "application/json", isLater)
  // RFC 6749 §5.2: a client that tried by the Authorization header is answered in the scheme that it tried.
  const scheme = /^([\w!#$%&'*+.^`|~-]{1,40})(?: |$)/.exec(request?.get("authorization") ?? "")?.[1]
  if (response.status === 401 && scheme !== undefined) {
    response.headers.set("www-authenticate", `${scheme} realm="safeconduct"`)
  }
  return response
}

/** RFC 6749 §8.2: members beyond the standard's have our name in front, and only those of a refusal go along. */
function extensions({ detail = {} }: Refusal): Record<string, unknown> {
  return Object.fromEntries(Object.entries(detail).filter(([name]) => name.startsWith("safeconduct_")))
}

/**
 * RFC 6749 §5.2: 400 unless the client's authentication failed, which a wrong DPoP proof is not (RFC 9449 §5, §8). What is
 * ours, or is over soon, keeps its status; so does 405.
 */
function oauthStatus(status: number, oauth: string, isRetryable: boolean): number {
  if (status === 401) return oauth === "invalid_client" ? 401 : 400
  // CIBA Core §13
  if (status === 403 && oauth === "access_denied") return 403
  return status === 405 || status >= 500 || isRetryable ? status : 400
}

/** The error as its caller may know it: logged where it is a bug, and counted. */
export function refusalFor(error: unknown, log: Log): Refusal {
  if (error instanceof Refusal) {
    if (error.cause !== undefined) log.info("refused", { code: error.code, error: error.cause })
    countRefusal(error.code)
    return error
  }
  log.error("unexpected error", { error })
  countRefusal("internal")
  return new Refusal("internal", "Something is wrong on our side; it was logged. Nothing was released.")
}

function respond(body: object, status: number, type: string, isRetryable: boolean): Response {
  const headers = new Headers({ "content-type": type, "cache-control": "no-store" })
  if (isRetryable) headers.set("retry-after", RETRY_AFTER_SECONDS)
  return new Response(JSON.stringify(body), { status, headers })
}

/** RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
}
