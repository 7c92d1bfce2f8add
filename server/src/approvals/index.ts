/**
 * Approvals: did a human agree? Owns requests for approval, what each person said of them and how they are known to be who
 * they are, and what people are told.
 *
 * A request is requested → approved | denied | reported | expired | withdrawn, each of them final and by compare-and-set; an
 * approval is for exactly what was shown, and used once, in the transaction of the decision that it lets pass. What a person
 * signs is a statement (statement.ts): canonical JSON of everything that the approval is good for, with the digest of the card
 * that they saw. Expiry is denial, and is judged by the database's clock.
 *
 * It asks nobody by itself whether an action may happen: policy says whose approval it waits for, the gate brings the facts, and
 * does what is approved. Who is signed in is sessions' to say; keys that an approval leads to are credentials'.
 */
import type { Migrations } from "#kernel"

export { type Backchannel, type Ping, type Polled, resealBackchannel } from "./backchannel/backchannel.ts"
export {
  CARD_VERSION,
  type Card,
  cardDigest,
  type Line,
  type LineKind,
  lineText,
  renderCard,
  shownOf,
} from "./card/card.ts"
export { checkCode } from "./card/code.ts"
export type { ArgumentFact, CardFacts } from "./card/facts.ts"
export type { Piece } from "./card/template.ts"
export {
  type Channels,
  type ChannelsPart,
  channelRoutes,
  isAddress,
  isNumber,
  resealChannelSecrets,
} from "./channels/index.ts"
export { type Locale, localeOf, locales } from "./channels/words.ts"
export type { Decision } from "./decisions.ts"
export type { Approvals } from "./door.ts"
export { events } from "./events.ts"
export { type Bundle, writeBundle } from "./evidence/bundle.ts"
export { type CardSeen, verifyApproval } from "./evidence/card-seen.ts"
export { collectEvidence } from "./evidence/collect.ts"
export type { Agreed } from "./evidence/decided.ts"
export type { UsedFor, VerifiedApproval } from "./evidence/verify.ts"
export type { Proposal } from "./fatigue/propose.ts"
export type { FatigueReport } from "./fatigue/report.ts"
export { type GrantBounds, takingsOf } from "./grants/bounds.ts"
export type { Grants } from "./grants/grants.ts"
export type { Grant } from "./grants/store.ts"
export { type Notice, type NoticeKind, type Notices, noticing, type Reachable } from "./notices/index.ts"
export { type ApprovalsParts, openApprovals } from "./open.ts"
export type { Refused } from "./pacing/pace.ts"
export { type ApprovalsPart, approvalsSchema, parseApprovals } from "./part.ts"
export { FRESH_SECONDS } from "./passkeys/enrol.ts"
export type { AtBrowser, Enrolment, Passkeys } from "./passkeys/open.ts"
export type { Passkey } from "./passkeys/passkey.ts"
export { type RegistrationAnswer, registrationSchema, vouchingChallenge } from "./passkeys/register.ts"
export { type AssertionAnswer, assertionSchema } from "./passkeys/verify.ts"
export {
  type KnownContact,
  type OwnContact,
  type People,
  peopleRoutes,
  type QuietHours,
  type Reach,
  resealPeople,
  type StandIn,
  type StandIns,
} from "./people/index.ts"
export { counts, type Proven, type Way } from "./proof.ts"
export type { Lifter, Reports } from "./reports/reports.ts"
export type { Report } from "./reports/store.ts"
export {
  type Approval,
  type ApprovalState,
  type AskedBy,
  type HeldAction,
  type Member,
  type NewRequest,
  type Person,
  type Requirement,
  rungOf,
  sayOf,
  saysOf,
  wasRefusedTogether,
} from "./request.ts"
export { aboutApproval, approvalOver, type Held, type Use, unknownApproval } from "./requests.ts"
export {
  type Bounds,
  challengeOf,
  digestOfJson,
  inclusionIn,
  type Shown,
  type Statement,
  statementBytes,
  statementOf,
} from "./statement.ts"
export type { RequestsOf, WithdrawnOf } from "./store.ts"
export type { AskingState, NewAsking, ProviderAsking } from "./ways/asking.ts"
export type { AskingFor, StepUp, Ways } from "./ways/open.ts"

/** The room's schema. */
export const migrations: Migrations = { room: "approvals", folder: new URL("./migrations/", import.meta.url) }
