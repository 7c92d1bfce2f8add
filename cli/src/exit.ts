import { CommanderError } from "commander"

/** What the exit status says, so that scripts and agents can branch on it. */
export const exits = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAuthorised: 4,
  denied: 5,
  expired: 7,
  notVerified: 8,
  later: 75,
  interrupted: 130,
} as const

/** One of the statuses above. */
export type ExitCode = (typeof exits)[keyof typeof exits]

/** A failure of the command itself: a sentence for stderr, and the status. */
export class CommandError extends Error {
  readonly exit: ExitCode
  readonly code: string
  constructor(exit: ExitCode, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = "CommandError"
    this.exit = exit
    this.code = code
  }
}

/** The command line is wrong: status 2. */
export function usage(message: string): CommandError {
  return new CommandError(exits.usage, "usage", message)
}

/** Stable codes by status; every other retryable one is `later`, the rest `failed`. A test compares with the server's table. */
const codes: Partial<Record<ExitCode, readonly string[]>> = {
  [exits.usage]: [
    "malformed-json",
    "invalid-request",
    "body-too-large",
    "unsupported-media-type",
    "method-not-allowed",
    "headers-too-large",
    "expectation-failed",
    "entry-too-large",
    "csr-invalid",
    "unsupported-grant-type",
    "policy-invalid",
    "root-rejected",
    "not-configured",
    "sign-in-failed",
    "subject-token-invalid",
    "logout-token-invalid",
    "target-invalid",
    "statement-invalid",
    "grant-invalid",
    "scope-invalid",
    "response-type-unsupported",
    "request-uri-invalid",
    "details-invalid",
    "token-type-unsupported",
    "passkey-invalid",
    "hint-unknown",
    "hint-expired",
    "binding-message-invalid",
    "user-code-invalid",
    "approval-needless",
    "bounds-invalid",
    "signature-invalid",
  ],
  [exits.notFound]: [
    "not-found",
    "purpose-unknown",
    "session-unknown",
    "resource-unknown",
    "lease-unknown",
    "delegation-unknown",
    "provider-unknown",
    "approval-unknown",
    "passkey-unknown",
    "change-unknown",
  ],
  [exits.notAuthorised]: [
    "no-identity",
    "svid-invalid",
    "svid-expired",
    "identity-unknown",
    "agent-suspended",
    "agent-retired",
    "wrong-role",
    "join-token-invalid",
    "token-invalid",
    "client-assertion-invalid",
    "dpop-proof-invalid",
    "use-dpop-nonce",
    "identity-missing",
    "identity-broken",
    "server-not-trusted",
    "grant-not-allowed",
  ],
  [exits.denied]: [
    "purpose-not-allowed",
    "denied-by-policy",
    "outside-mandate",
    "approval-required",
    "lease-limit",
    "consent-required",
    "login-required",
    "user-required",
    "delegation-too-wide",
    "chain-too-deep",
    "chain-cycle",
    "proof-insufficient",
    "passkey-required",
    "approval-denied",
    "approval-refused",
    "second-person-required",
    "agent-barred",
    "second-operator",
  ],
  [exits.expired]: [
    "session-ended",
    "session-expired",
    "session-idle",
    "lease-ended",
    "delegation-over",
    "approval-expired",
  ],
  [exits.notVerified]: ["not-verified"],
  [exits.later]: [
    "rate-limited",
    "overloaded",
    "store-unavailable",
    "not-ready",
    "not-recorded",
    "clock-skewed",
    "request-too-slow",
    "log-forked",
    "policy-broken",
    "epoch-changed",
    "resource-not-configured",
    "resource-unavailable",
    "resource-unprepared",
    "provider-unavailable",
    "provider-not-configured",
    "unreachable",
    "timeout",
    "authorization-pending",
    "slow-down",
    "cooling-off",
    "bulk-refused",
    "asked-too-often",
  ],
}

const byCode = new Map(
  Object.entries(codes).flatMap(([exit, list]) => list.map((code) => [code, Number(exit) as ExitCode] as const)),
)

/** The status for a stable code, or null for one that has none of its own. */
export function exitOfCode(code: string): ExitCode | null {
  return byCode.get(code) ?? null
}

/** What an error means to a shell. Errors of ours carry a stable code; anything else has failed. */
export function exitOf(error: unknown): number {
  if (error instanceof CommandError) return error.exit
  // Commander ends help and version this way too, with 0; everything else it throws is about the command line.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exits.ok : exits.usage
  const { code, isRetryable } = (error ?? {}) as { code?: unknown; isRetryable?: unknown }
  const known = typeof code === "string" ? exitOfCode(code) : null
  return known ?? (isRetryable === true ? exits.later : exits.failed)
}
