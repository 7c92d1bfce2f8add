import { createHash, randomBytes } from "node:crypto"
import { SafeconductError } from "./errors.ts"
import { type Keeping, keepSession, type Session, type SessionTimes } from "./session.ts"
import type { Transport } from "./transport.ts"
import type { AuthorizationDetail, GrantAnswer, SessionAnswer } from "./wire.ts"

/** What a user is asked for. */
export type AuthorizationRequest = {
  /** Name of a purpose that this agent may serve. */
  purpose: string
  /** Where the user is sent back to: one that is registered for this agent. */
  redirectUri: string
  /** Less than the purpose is for; all of it unless told. */
  authorizationDetails?: AuthorizationDetail[]
  /** What the application that the user talks to signed: their own request, and parameters. */
  statement?: string
}

/** A question to a user that waits for its answer. It is kept with this object alone, and answered once. */
export interface Authorization {
  /** Where to send the user. */
  readonly url: string
  /** Tells the answer from answers to other questions: it comes back as `state`. */
  readonly state: string
  /**
   * The session that the user granted; `callback` is the URL that they were sent back to, as the application got it. Throws
   * `consent-denied` for a no, and `token-refused`.
   */
  redeem(callback: string): Promise<Session>
}

/** What is exchanged for a session, and what it is to be for. */
export type ExchangeRequest = SessionTimes & {
  purpose: string
  /** A token of the user's that the application holds: an ID token unless told otherwise. */
  subjectToken: string
  /** RFC 8693 §3 */
  subjectTokenType?: string
  authorizationDetails?: AuthorizationDetail[]
  statement?: string
}

/** What both ways have in common. */
type Parts = Keeping & { transport: Transport; clientId: string }

const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

/** Asks a user by the code flow: pushed (RFC 9126), with PKCE (RFC 7636), and bound to this agent's key. */
export async function askUser(parts: Parts, request: AuthorizationRequest): Promise<Authorization> {
  const { transport, clientId } = parts
  const { redirectUri } = request
  const verifier = randomBytes(32).toString("base64url")
  const state = randomBytes(16).toString("base64url")
  const [metadata, pushed] = await Promise.all([
    transport.json<{ issuer: string; authorization_endpoint: string }>({
      method: "GET",
      path: "/.well-known/oauth-authorization-server",
    }),
    transport.form<{ request_uri: string }>("/oauth2/par", {
      client_id: clientId,
      response_type: "code",
      redirect_uri: redirectUri,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      state,
      ...asked(request),
    }),
  ])
  const url = new URL(metadata.authorization_endpoint)
  url.searchParams.set("client_id", clientId)
  url.searchParams.set("request_uri", pushed.request_uri)
  return {
    url: url.href,
    state,
    async redeem(callback) {
      const code = codeIn(new URL(callback).searchParams, { state, issuer: metadata.issuer })
      return await sessionOf(parts, {
        grant_type: "authorization_code",
        client_id: clientId,
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
      })
    },
  }
}

/**
 * Exchanges a token of the user's for a session (RFC 8693). Throws `consent-required` when the user has not agreed before: on the
 * page that `detail.safeconduct_consent_uri` names they can, or wherever `askUser()` sends them.
 */
export async function exchangeToken(parts: Parts, request: ExchangeRequest): Promise<Session> {
  const { subjectToken, subjectTokenType = ID_TOKEN, lifetimeSeconds, hardEndSeconds } = request
  return await sessionOf(parts, {
    grant_type: EXCHANGE,
    client_id: parts.clientId,
    subject_token: subjectToken,
    subject_token_type: subjectTokenType,
    ...asked(request),
    ...(lifetimeSeconds !== undefined && { safeconduct_lifetime_seconds: String(lifetimeSeconds) }),
    ...(hardEndSeconds !== undefined && { safeconduct_hard_end_seconds: String(hardEndSeconds) }),
  })
}

function asked({
  purpose,
  authorizationDetails,
  statement,
}: Pick<ExchangeRequest, "purpose" | "authorizationDetails" | "statement">): Record<string, string> {
  return {
    safeconduct_purpose: purpose,
    ...(authorizationDetails !== undefined && { authorization_details: JSON.stringify(authorizationDetails) }),
    ...(statement !== undefined && { safeconduct_statement: statement }),
  }
}

/** The code of an answer that is to our question, and from our server (RFC 9207 §2.4). */
function codeIn(answer: URLSearchParams, { state, issuer }: { state: string; issuer: string }): string {
  const isOurs = answer.get("state") === state && answer.get("iss") === issuer
  const [code, error] = [answer.get("code"), answer.get("error")]
  if (!isOurs || (code === null) === (error === null)) {
    throw new SafeconductError("token-refused", "This is no answer to the question that was asked. Ask again.")
  }
  if (code !== null) return code
  if (error === "access_denied") throw new SafeconductError("consent-denied", "The user said no.")
  throw new SafeconductError("token-refused", answer.get("error_description") ?? String(error), { detail: { error } })
}

async function sessionOf(parts: Parts, fields: Record<string, string>): Promise<Session> {
  const { transport } = parts
  const granted = await transport.form<GrantAnswer>("/oauth2/token", fields)
  const { access_token: accessToken, token_type: tokenType, expires_in: expiresIn, safeconduct_session: id } = granted
  transport.keepToken(id, accessToken, Date.now() + expiresIn * 1000)
  const path = `/v1/sessions/${encodeURIComponent(id)}`
  const session = await transport.json<SessionAnswer["session"]>({ method: "GET", path, session: id })
  return keepSession(parts, { session, accessToken, tokenType, expiresIn })
}
