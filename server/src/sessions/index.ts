/**
 * Sessions: for whom, to what end, through whom? Owns purposes, sessions, their mandates and the access tokens.
 *
 * A session is open → ended (ended, lapsed, expired, suspended, …) and belongs to one agent instance. Its mandate is compiled
 * once from trusted things only (the purpose's template ∩ the agent's ceiling ∩ what a user granted), signed, and verified
 * whenever it is loaded; one that was altered allows nothing. Expiry is judged by the database's clock. A session in use is
 * renewed, never past its hard end; one that is not lapses.
 *
 * A part of it may be handed on to another agent (chain.ts): offered, taken up once, and from then on a session of its own that
 * may do no more than the one above, cannot outlive it, and ends with it.
 *
 * A token is bound to what its holder proved: the certificate of the connection, or the enrolled key by a DPoP proof with
 * each request. Proofs and client assertions are read here; whose the key is, is agents' judgement.
 *
 * It returns changes and does not commit them: the gate joins opening, renewing and ending with what other rooms must do.
 * Whether a permitted action may happen is policy's; the keys that a session holds are credentials'.
 */
import type { Migrations } from "#kernel"

export {
  type ActionDetail,
  type AskedAction,
  intersect,
  narrower,
  parseDetails,
} from "./action-details.ts"
export { type Application, type ApplicationsPart, applicationsSchema } from "./applications.ts"
export { compareFindings } from "./argument-rules.ts"
export type { Assertion } from "./assertion.ts"
export type { RequestObject, RequestSigner } from "./backchannel/request-object.ts"
export type { ApprovalTokens, ApprovedAction } from "./backchannel/tokens.ts"
export type { Asked, AuthorizationRequest, Consent, Granted } from "./consent/asked.ts"
export type { Arrival, Browsers } from "./consent/browsers/open.ts"
export type { SignedInBrowser } from "./consent/browsers/store.ts"
export type { Consents, Decision, InBrowser } from "./consent/open.ts"
export { inSight, plainText } from "./consent/plain-text.ts"
export { isRegistered } from "./consent/redirect-uri.ts"
export { type ConsentText, digestOf } from "./consent/text.ts"
export type { DelegatedBy, Delegation, Parameters, RequestText } from "./delegation.ts"
export type { Delegations, HandOn } from "./delegations/delegations.ts"
export { OFFER_SECONDS, type Offer } from "./delegations/store.ts"
export type { SessionFilter, Sessions } from "./door.ts"
export type { ShownProof } from "./dpop.ts"
export { events } from "./events.ts"
export { parsePart, type SessionsDocument, type SessionsPart } from "./in-force/parts.ts"
export { detailsFor, type Inspected } from "./introspection.ts"
export { readCompact } from "./jws.ts"
export type { EndedSession, Opening } from "./lifecycle.ts"
export type { Mandate } from "./mandate.ts"
export { type Evidence, noEvidence } from "./mandates/evidence.ts"
export { type Charge, chargesOfNothing } from "./mandates/limits.ts"
export { lookupOf, simpleRules } from "./mandates/looked-up.ts"
export type { Taken, Taking } from "./mandates/store.ts"
export type { Usage } from "./mandates/usage.ts"
export {
  allows,
  covering,
  needsOf,
  type SinkFound,
  type Verified,
  verifiedEarlier,
  verify,
} from "./mandates/verify.ts"
export { type Described, type DescribedResource, inWords, limitInWords } from "./mandates/words.ts"
export { openSessions, type SessionsParts } from "./open-sessions.ts"
export type { OperatorSeen, OperatorSignIns } from "./operator-sign-ins/open.ts"
export { type ArrivedOperator, hasArrived, type OperatorRequest } from "./operator-sign-ins/request.ts"
export type { Beneath } from "./origin.ts"
export {
  type Asking,
  type AskingRequest,
  type ChannelRequest,
  type ChannelStatus,
  type ChannelSubject,
  type Delegated,
  type FetchParts,
  guardedFetch,
  isAllowed,
  type MayAct,
  type Network,
  type PendingAsking,
  type PendingSignIn,
  type Polled,
  type PresentedToken,
  type ProviderDefinition,
  type ProviderLogout,
  type ProviderProof,
  type Providers,
  type ProvidersPart,
  pendingSignIn,
  providerEvidence,
  providersSchema,
  type Role,
  resealProviders,
  rolesFor,
  type SignedIn,
  type SignInRequest,
  type SteppingUp,
  type StepUpRequest,
  type SubjectToken,
  type SubjectTokenType,
  subjectTokenTypes,
  Unreachable,
  viewProviders,
} from "./providers/index.ts"
export { algorithms as signatureAlgorithms } from "./providers/profiles.ts"
export { isSignedWith } from "./providers/signed.ts"
export { type Purpose, type PurposeDefinition, type PurposesPart, parsePurposes, purposesSchema } from "./purposes.ts"
export { routes } from "./routes.ts"
export {
  aboutSession,
  type EndReason,
  type Hop,
  rootOf,
  type Session,
  type SessionState,
  sessionView,
} from "./session.ts"
export { refuseOtherSession, type Standing } from "./standings.ts"
export {
  declaredParameters,
  MAX_REQUEST_LENGTH,
  requireOwnStatement,
  requireParameters,
  type Statement,
  type StatementFor,
} from "./statement.ts"
export type { SessionsOf } from "./store.ts"
export { type ClientForm, requireClient, type TokenAnswer, type Tokened, type TokenForm } from "./token-endpoint.ts"
export type { IssuedToken, TokenClaims } from "./tokens.ts"
export { type UsedOnce, usingUp } from "./used-once.ts"
export type { User } from "./user.ts"
export type { KnownUser } from "./users/store.ts"

/** The room's schema. */
export const migrations: Migrations = { room: "sessions", folder: new URL("./migrations/", import.meta.url) }
