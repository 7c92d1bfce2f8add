/**
 * Safeconduct for AI agents. `connect()` gives this process an identity of its own; `open()` a session for a purpose;
 * `lease()` a credential that exists only as long as the session does. SVID, token, session and leases renew themselves
 * before they expire and never past the session's hard end; what ends, ends at the closing brace, on exceptions, and on
 * SIGINT, SIGTERM and a loop that runs empty.
 *
 * Nothing here decides: the server does, and a no is a `DeniedError` (or a `Decision`) with its reasons in words. What goes
 * wrong in the background goes to `onProblem`, by default a process warning. No handler and no timer exists before a session
 * is open, and none keeps the process alive.
 */
export {
  ApprovalRequiredError,
  type ApprovalState,
  type AskOptions,
  type Pending,
  type PendingHandle,
  type WaitOptions,
} from "./approval.ts"
export * from "./connect.ts"
export type { Authorization, AuthorizationRequest, ExchangeRequest } from "./delegated.ts"
export * from "./enrol.ts"
export * from "./errors.ts"
export { type Identity, loadIdentity, peerOf } from "./identity.ts"
export type { Lease } from "./lease.ts"
export { type AssertionRequest, createProver, type ProofRequest, type Prover } from "./proof.ts"
export { isBeyondRenewal, type OnProblem, renewIdentity } from "./renewal.ts"
export type { Acted, DelegationRequest, LeaseRequest, Offer, Session, SessionRequest, SessionTimes } from "./session.ts"
export type { PostgresSettings } from "./settings.ts"
export { comparedText, type Deployment, findDeployment, newChallenge, redeemSignIn } from "./sign-in.ts"
export { type StatementKey, type StatementRequest, signStatement } from "./statement.ts"
export { type Answer, type Call, openTransport, type Peer, type Transport } from "./transport.ts"
export { openWebTransport, type WebOptions } from "./web-transport.ts"
export type { Action, AuthorizationDetail, Decision } from "./wire.ts"
