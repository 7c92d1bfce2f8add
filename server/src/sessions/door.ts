import type { AgentPrincipal, Confirmation, Principal, ProvenKey } from "#agents"
import type { Change } from "#audit"
import type { Transaction } from "#kernel"
import type { Application } from "./applications.ts"
import type { Assertion } from "./assertion.ts"
import type { RequestObject, RequestSigner } from "./backchannel/request-object.ts"
import type { ApprovalTokens, ApprovedAction } from "./backchannel/tokens.ts"
import type { Browsers } from "./consent/browsers/open.ts"
import type { Consents } from "./consent/open.ts"
import type { Delegations } from "./delegations/delegations.ts"
import type { ShownProof } from "./dpop.ts"
import type { SessionsDocument, SessionsPart } from "./in-force/parts.ts"
import type { Inspected } from "./introspection.ts"
import type { EndedSession, Opening } from "./lifecycle.ts"
import type { Logins } from "./logins/logins.ts"
import type { Usage } from "./mandates/usage.ts"
import type { OperatorSignIns } from "./operator-sign-ins/open.ts"
import type { Providers } from "./providers/index.ts"
import type { Purpose } from "./purposes.ts"
import type { EndReason, Session } from "./session.ts"
import type { Standing } from "./standings.ts"
import type { Statement, StatementFor } from "./statement.ts"
import type { SessionsOf } from "./store.ts"
import type { TokenAnswer, Tokened, TokenForm } from "./token-endpoint.ts"
import type { TokenClaims } from "./tokens.ts"
import type { User } from "./user.ts"
import type { KnownUser } from "./users/store.ts"

/** The sessions room. Expiry is judged by the database's clock; memory is as old as the epoch at the most. */
export interface Sessions extends AsyncDisposable {
  /** What users are asked for and allowed. */
  readonly consents: Consents
  /** Command lines that ask people to act for them as operators. */
  readonly operatorSignIns: OperatorSignIns
  /** Who is signed in with which browser. */
  readonly browsers: Browsers
  /** Our own, as tokens and statements name it: the public URL of the web listener. */
  readonly issuer: string
  /** Checks the room's parts of a configuration. Throws `policy-invalid` with `detail.path`. */
  parse(document: SessionsDocument): SessionsPart
  /** Puts them in force. `by` is the SPIFFE ID of who does. */
  replace(part: SessionsPart, by: string): Change<void>
  /** The purpose in force under this name; null when there is none. */
  purpose(name: string): Purpose | null
  /** The registered application of that name; null when there is none. */
  application(name: string): Application | null
  applications(): readonly Application[]
  /** Where users sign in. */
  readonly providers: Providers
  /** Logins there that are over. */
  readonly logins: Logins
  /** Knows a person by issuer and subject, under a random id. `by` is who saw them sign in. */
  rememberUser(seen: Omit<User, "id">, by: string): Change<User>
  /** Who is known under that id, or as that subject; null for nobody. */
  findUser(by: { id: string } | { iss: string; sub: string }): Promise<KnownUser | null>
  /** Opens a session for an agent: see lifecycle.ts for what it throws. */
  open(opening: Opening): Change<Session>
  /** What sessions hand on to other agents. */
  readonly delegations: Delegations
  /** What sessions used up of their limits, have seen, and had made in them. */
  readonly usage: Usage
  /** Another lifetime; `activeAtMs`, by this server's clock, is a use that touch() was not told of, such as a lease's. */
  renew(session: Session, caller: AgentPrincipal, activeAtMs?: number | null): Change<Session>
  /** Ends a session and all beneath it; idempotent. `by` is a SPIFFE ID, a user's id, or "server". */
  end(id: string, reason: EndReason, by: string): Change<EndedSession>
  /** The change, and a token for the session that it results in: what opening and renewing answer with. */
  withToken(change: Change<Session>, caller: AgentPrincipal): Change<Tokened>
  /** The caller's open session with its mandate, from memory. Throws `session-unknown`, `session-ended`, `session-expired`. */
  standing(id: string, caller: AgentPrincipal): Promise<Standing>
  /** The open session of that id, whoever asks, read now; null for one that is over. Nothing is released for it. */
  look(id: string): Promise<Standing | null>
  /** Refuses a session as ended on this server, while the database cannot be told, until the returned is disposed of. */
  endHere(id: string): Disposable
  /** Notes that the session was used now; the idle time counts from here. */
  touch(id: string): void
  /** A session in any state. An agent sees its own instance's only; everything else is `session-unknown`. */
  find(id: string, caller: Principal): Promise<Session>
  /**
   * Every session of a chain, in the order in which they were opened: for an operator the whole of it, for an agent its own, or
   * one that it handed on, and all beneath. Throws `session-unknown`.
   */
  tree(id: string, caller: Principal): Promise<Session[]>
  /** Newest first, at most 100 unless told. An agent sees its own instance's only, with a session's token that one alone. */
  list(caller: Principal, filter?: SessionFilter): Promise<Session[]>
  /** Every session of a user, newest first, at most 100 unless told. */
  ofUser(user: string, filter?: SessionFilter): Promise<Session[]>
  /** Every open session of an agent, all instances, of a user, or of one session at a provider: what is to end with them. */
  openOf(of: SessionsOf, tx?: Transaction): Promise<Session[]>
  /** Open sessions that are past their time, each with the reason to end it for, and milliseconds until the next will be. */
  due(limit?: number): Promise<{ due: { session: Session; reason: "lapsed" | "expired" }[]; nextInMs: number | null }>
  /** Claims of an access token that is bound to exactly this. Throws `token-invalid`. */
  verifyToken(token: string, confirmation: Confirmation): Promise<TokenClaims>
  /**
   * Claims of an access token presented with a DPoP proof, and the key of both (RFC 9449 §7.1). Uses the proof up. Throws
   * `token-invalid`, `dpop-proof-invalid`, `use-dpop-nonce`, `overloaded`.
   */
  verifyProof(shown: ShownProof, token: string): Promise<{ claims: TokenClaims; key: ProvenKey }>
  /**
   * The client assertion of a token request, signed by the key of its DPoP proof; whose key that is, is still to be found
   * out. Throws `client-assertion-invalid`, `dpop-proof-invalid`, `use-dpop-nonce`.
   */
  readAssertion(shown: ShownProof, form: unknown): Assertion
  /** Uses an assertion and its proof up, for every server. Throws `client-assertion-invalid`, `dpop-proof-invalid`, `overloaded`. */
  useAssertion(assertion: Assertion): Promise<void>
  /**
   * What an application says of its user's request, in a JWT that is about exactly this. It is used up by usingUp(), and good only
   * when no agent has its key. Throws `statement-invalid`.
   */
  readStatement(text: string, about: StatementFor): Statement
  /** The application that a form's client assertion is by; uses it up, for every server. Throws `client-assertion-invalid`. */
  authenticateApplication(form: unknown): Promise<Application>
  /** What an access token of ours says that has not expired, whoever shows it; from memory. Null for anything else. */
  tokenClaims(token: string): TokenClaims | null
  /** The same with its session, as the database has it now; null for what is good for nothing. */
  inspectToken(token: string): Promise<Inspected | null>
  /** True for a token of ours that was good for whoever proved exactly this, and has expired. */
  hasExpired(token: string, confirmation: Confirmation): boolean
  /** A signed request for an approval, by exactly that key; still to be used up. Throws `invalid-request`. */
  readRequestObject(text: string, signer: RequestSigner): RequestObject
  /** The tokens of an approved request, for its one holder. Throws `approval-over`. Nothing is recorded of them yet. */
  signApproval(approved: ApprovedAction, holder: AgentPrincipal): Promise<ApprovalTokens>
  /** The nonce that DPoP proofs to this server take now. */
  dpopNonce(): string
  /** The token endpoint (RFC 6749 §4.4). The token is recorded before it is returned. */
  clientCredentials(form: TokenForm, caller: AgentPrincipal): Promise<TokenAnswer>
  /** RFC 7517 §5 */
  jwks(): { keys: Record<string, unknown>[] }
  /** RFC 8414 */
  metadata(): Record<string, unknown>
  /** Makes a key that signs from ten minutes on; the old one goes on verifying. */
  rotateKey(by: string): Change<{ kid: string }>
  /** Retires token keys that nothing living is signed by; runs by itself every minute. */
  retireKeys(): Promise<void>
}

/** Which sessions are listed. */
export type SessionFilter = { agent?: string; state?: string; user?: string; limit?: number }
