/** What the server says, in the shapes of its HTTP interface (contract/openapi.json). Times are RFC 3339. */

/** Answer to opening and to renewing a session. The token is an RFC 9068 access token, bound to our SVID or our key. */
export type SessionAnswer = {
  session: { id: string; purpose: string; expiresAt: string; hardEndAt: string }
  accessToken: string
  tokenType: string
  /** Seconds that the token lives. */
  expiresIn: number
}

/** A credential of engine `postgres`. */
export type PostgresCredential = {
  engine: "postgres"
  host: string
  port: number
  database: string
  user: string
  password: string
  tls: "verify-full" | "require" | "disable"
  /** PEM of the authority that signed the resource's certificate. */
  ca?: string
}

/** A lease, without what opens it. */
export type LeaseAnswer = { id: string; resource: string; operation: string; expiresAt: string; hardEndAt: string }

/** What an agent asks to do. */
export type Action = {
  type: "tool" | "sql" | "http" | "credential" | "delegate"
  /** Name of what is protected, as safeconduct.yaml has it. */
  resource: string
  operation: string
  arguments?: Record<string, unknown>
}

/** The gate's answer. A denied question is an answer, not an error; `reasons` are sentences. */
export type Decision = {
  id: string
  verdict: "allow" | "deny" | "ask"
  reasons: string[]
  /** Id of the log entry that holds the decision; the outcome is told by it. */
  entry: string
}

/** A request for approval, as the agent that asked sees it. */
export type ApprovalAnswer = {
  id: string
  state: string
  rung: string
  expiresAt: string
  useBefore: string | null
  used: boolean
  pollAfterSeconds: number
}

/** A decision, with the lease and its credential where one was asked for and allowed. */
export type ActionAnswer = Decision & {
  /** Who has to approve it is asked; absent unless the verdict is `ask`. */
  approval?: ApprovalAnswer
  /** Why nobody is asked, and when it may be tried again; absent unless people were asked too often. */
  code?: string
  retryAfterSeconds?: number
  lease?: LeaseAnswer
  credential?: PostgresCredential
}

/** What may be done, where and within which bounds (RFC 9396 §2); contract/safeconduct.schema.json has the rules and limits. */
export type AuthorizationDetail = {
  type: "safeconduct_action"
  actions: string[]
  locations: string[]
  [bound: string]: unknown
}

/** An offer of a session to another agent. */
export type OfferAnswer = { delegation: string; expiresAt: string }

/** The token endpoint's answer to a code and to an exchange (RFC 6749 §5.1, RFC 8693 §2.2.1): a session, and its first token. */
export type GrantAnswer = { access_token: string; token_type: string; expires_in: number; safeconduct_session: string }
