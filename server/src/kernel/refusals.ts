/** What a code means to each kind of caller. */
type Meaning = {
  /** HTTP status. */
  status: number
  /** RFC 6749 §5.2 error at the OAuth endpoints. */
  oauth: string
  /** Exit code of the CLI: 1 failed, 2 usage, 3 not found, 4 not authorised, 5 denied by policy, 7 expired, 8 not verified, 75 later. */
  exit: number
  /** True when the same request may succeed later without a change. */
  isRetryable: boolean
}

const bad: Meaning = { status: 400, oauth: "invalid_request", exit: 2, isRetryable: false }
/** RFC 6749 §5.2 has no access_denied, which is the authorization endpoint's. */
const denied: Meaning = { status: 403, oauth: "unauthorized_client", exit: 5, isRetryable: false }
const unauthorized: Meaning = { ...denied, exit: 4 }
const unauthenticated: Meaning = { status: 401, oauth: "invalid_client", exit: 4, isRetryable: false }
const missing: Meaning = { status: 404, oauth: "invalid_request", exit: 3, isRetryable: false }
const conflict: Meaning = { status: 409, oauth: "invalid_request", exit: 1, isRetryable: false }
const later: Meaning = { status: 503, oauth: "temporarily_unavailable", exit: 75, isRetryable: true }
const over: Meaning = { status: 403, oauth: "invalid_grant", exit: 7, isRetryable: false }
const bug: Meaning = { status: 500, oauth: "server_error", exit: 1, isRetryable: false }

/** Every stable code that a caller may see. contract/refusals.json is written from here; a test holds them equal. */
export const refusals = {
  // kernel, api
  "malformed-json": bad,
  "invalid-request": bad,
  "body-too-large": { ...bad, status: 413 },
  "unsupported-media-type": { ...bad, status: 415 },
  "method-not-allowed": { ...bad, status: 405 },
  "headers-too-large": { ...bad, status: 431 },
  "expectation-failed": { ...bad, status: 417 },
  "request-too-slow": { ...later, status: 408 },
  "not-found": missing,
  "idempotency-conflict": conflict,
  "folder-in-use": conflict,
  "rate-limited": { ...later, status: 429 },
  overloaded: later,
  "store-unavailable": later,
  "not-ready": later,
  "not-recorded": later,
  "clock-skewed": later,
  "key-unusable": { ...bug, exit: 1 },
  "no-next-key": conflict,
  "key-not-everywhere": conflict,
  internal: bug,
  // audit
  "log-forked": { ...later, isRetryable: false },
  "log-not-forked": conflict,
  "entry-too-large": { ...bad, status: 413 },
  "not-verified": { ...bad, status: 422, exit: 8 },
  // agents
  "no-identity": unauthenticated,
  "svid-invalid": unauthenticated,
  "svid-expired": unauthenticated,
  "identity-unknown": unauthenticated,
  "agent-suspended": unauthorized,
  "agent-retired": unauthorized,
  "wrong-role": unauthorized,
  "join-token-invalid": unauthenticated,
  "key-already-enrolled": conflict,
  "csr-invalid": bad,
  "last-admin": conflict,
  // sessions
  "purpose-unknown": missing,
  "purpose-not-allowed": denied,
  // OpenID Connect Core §3.1.2.6
  "consent-required": { ...denied, oauth: "consent_required" },
  "delegation-unknown": missing,
  "delegation-over": over,
  "delegation-too-wide": denied,
  "chain-too-deep": denied,
  "chain-cycle": denied,
  "session-unknown": missing,
  "session-ended": over,
  "session-expired": over,
  "session-idle": over,
  "unsupported-grant-type": { ...bad, oauth: "unsupported_grant_type" },
  "token-invalid": { ...unauthenticated, oauth: "invalid_token" },
  "client-assertion-invalid": unauthenticated,
  "dpop-proof-invalid": { ...unauthenticated, oauth: "invalid_dpop_proof" },
  "use-dpop-nonce": { ...unauthenticated, oauth: "use_dpop_nonce" },
  "provider-unknown": missing,
  "provider-unavailable": later,
  "provider-not-configured": { ...later, isRetryable: false },
  // RFC 6749 §4.1.2.1
  "sign-in-failed": { ...bad, oauth: "access_denied" },
  // RFC 8693 §2.2.2
  "subject-token-invalid": bad,
  "target-invalid": { ...bad, oauth: "invalid_target" },
  "statement-invalid": bad,
  // A code or an assertion that the client hands in for a token (RFC 6749 §5.2).
  "grant-invalid": { ...bad, oauth: "invalid_grant" },
  "scope-invalid": { ...bad, oauth: "invalid_scope" },
  "response-type-unsupported": { ...bad, oauth: "unsupported_response_type" },
  // RFC 9101 §6.2
  "request-uri-invalid": { ...bad, oauth: "invalid_request_uri" },
  // OpenID Connect Core §3.1.2.6
  "login-required": { ...denied, oauth: "login_required" },
  // RFC 9396 §5
  "details-invalid": { ...bad, oauth: "invalid_authorization_details" },
  // RFC 7009 §2.2.1
  "token-type-unsupported": { ...bad, oauth: "unsupported_token_type" },
  "logout-token-invalid": bad,
  // policy
  "denied-by-policy": denied,
  // At the token endpoint: the session's mandate does not verify, and another session is what helps.
  "outside-mandate": { ...denied, oauth: "invalid_grant" },
  "approval-required": denied,
  // approvals
  "approval-unknown": missing,
  "approval-over": conflict,
  "approval-used": conflict,
  "proof-insufficient": denied,
  // CIBA Core §11
  "authorization-pending": { ...bad, oauth: "authorization_pending", exit: 75, isRetryable: true },
  "slow-down": { ...bad, oauth: "slow_down", exit: 75, isRetryable: true },
  "approval-denied": { ...bad, oauth: "access_denied", exit: 5 },
  "approval-expired": { ...bad, oauth: "expired_token", exit: 7 },
  // CIBA Core §13
  "approval-refused": { ...denied, oauth: "access_denied" },
  "hint-unknown": { ...bad, oauth: "unknown_user_id" },
  "hint-expired": { ...bad, oauth: "expired_login_hint_token" },
  "binding-message-invalid": { ...bad, oauth: "invalid_binding_message" },
  "user-code-invalid": { ...bad, oauth: "invalid_user_code" },
  "grant-not-allowed": { ...bad, oauth: "unauthorized_client", exit: 4 },
  // What is asked for is nothing that anybody has to approve.
  "approval-needless": { ...bad, oauth: "invalid_authorization_details" },
  "second-person-required": denied,
  "agent-barred": denied,
  "bounds-invalid": { ...bad, status: 422 },
  "cooling-off": { ...denied, status: 429, exit: 75, isRetryable: true },
  "bulk-refused": { ...denied, status: 429, exit: 75, isRetryable: true },
  "asked-too-often": { ...denied, status: 429, exit: 75, isRetryable: true },
  "passkeys-unavailable": conflict,
  "passkey-unknown": missing,
  "passkey-invalid": bad,
  "passkey-required": denied,
  "passkey-limit": conflict,
  "change-unknown": missing,
  "change-over": conflict,
  "second-operator": denied,
  "signature-invalid": { ...bad, status: 422 },
  "policy-broken": later,
  "policy-invalid": { ...bad, status: 422 },
  "epoch-changed": later,
  // credentials
  "resource-unknown": missing,
  "resource-not-configured": { ...later, isRetryable: false },
  "resource-unavailable": later,
  "resource-unprepared": { ...later, isRetryable: false },
  "user-required": denied,
  "lease-unknown": missing,
  "lease-ended": over,
  "lease-limit": { ...denied, status: 429, isRetryable: true },
  "lease-stuck": conflict,
  "root-rejected": { ...bad, status: 422 },
} as const satisfies Record<string, Meaning>

/** A stable refusal code. */
export type RefusalCode = keyof typeof refusals
