import { type AgentPrincipal, proofOf } from "#agents"
import type { Audit, Change, Draft } from "#audit"
import { Refusal } from "#kernel"
import { draftOf } from "./lifecycle.ts"
import { type Mandate, readMandate } from "./mandate.ts"
import type { Session } from "./session.ts"
import { ended, type Standings } from "./standings.ts"
import { holdOpen } from "./store.ts"
import type { TokenKeys } from "./token-keys.ts"
import type { IssuedToken, Tokens } from "./tokens.ts"

/** Who a client says it is, beside what it proves: in every form of ours. */
export type ClientForm = { client_id?: string | undefined; client_assertion?: string | undefined }

/** RFC 6749 §4.4.2 with our one extension parameter. What else is sent is ignored (§3.2), except what would be a promise. */
export type TokenForm = ClientForm & {
  /** Id of the session that the token is for; without it the token is the agent's own, and opens sessions. */
  safeconduct_session?: string | undefined
  scope?: string | undefined
  authorization_details?: string | undefined
}

/** RFC 6749 §5.1 */
export type TokenAnswer = { access_token: string; token_type: "Bearer" | "DPoP"; expires_in: number }

/** A session with what it may do, and a token for it. */
export type Tokened = { session: Session; mandate: Mandate; token: IssuedToken }

/** The change, then a token for the session that it results in; both recorded before the token leaves. */
export function withToken(
  parts: { keys: TokenKeys; issuer: string; tokens: Tokens },
  change: Change<Session>,
  caller: AgentPrincipal,
): Change<Tokened> {
  return {
    async work(tx) {
      const session = await change.work!(tx)
      const mandate = await readMandate(parts, session)
      return { session, mandate, token: await parts.tokens.sign({ session, mandate }, caller) }
    },
    entries: ({ session, token }) => [...change.entries(session), tokenDraft(session, token, caller)],
  }
}

/**
 * Client credentials: the client is who its certificate says (RFC 8705 §2) or who its assertion and DPoP proof say (RFC
 * 7523, RFC 9449); the token is bound to that certificate or key, and recorded before it leaves. Throws
 * `invalid-request`, `scope-invalid`, `identity-unknown`, and what standing() throws.
 */
export async function clientCredentials(
  { audit, standings, tokens }: { audit: Audit; standings: Standings; tokens: Tokens },
  form: TokenForm,
  caller: AgentPrincipal,
): Promise<TokenAnswer> {
  requireClient(form, caller)
  const isMutualTls = proofOf(caller) === "mtls"
  // To ignore these would be to grant more than was asked for.
  if (form.scope !== undefined || form.authorization_details !== undefined) {
    throw new Refusal(
      form.scope === undefined ? "invalid-request" : "scope-invalid",
      "A token carries the mandate of its session; leave scope and authorization_details out.",
    )
  }
  if (isMutualTls && form.safeconduct_session === undefined) {
    // The certificate opens sessions by itself: a token without one would be good for nothing.
    throw new Refusal("invalid-request", "Say in safeconduct_session which of your sessions the token is for.")
  }
  // Read now: memory may hold an expiry that a renewal has moved.
  const of = form.safeconduct_session === undefined ? null : await standings.fresh(form.safeconduct_session, caller)
  const token = await tokens.sign(of, caller)
  await audit.commit({
    async work(tx) {
      // It may have ended since it was read.
      if (of !== null && (await holdOpen(tx, of.session.id)) === null) throw ended("ended")
    },
    entries: () => [tokenDraft(of?.session ?? null, token, caller)],
  })
  // A crash here leaves an entry of a token that nobody holds; it expires unused.
  return { access_token: token.accessToken, token_type: token.tokenType, expires_in: token.expiresIn }
}

/** Refuses who says another name, or authenticates twice (RFC 6749 §2.3). Throws `identity-unknown`. */
export function requireClient(form: ClientForm, caller: AgentPrincipal): void {
  if (form.client_id !== undefined && form.client_id !== caller.spiffeId) {
    throw new Refusal("identity-unknown", "client_id is not the SPIFFE ID that was proven.")
  }
  if (proofOf(caller) === "mtls" && form.client_assertion !== undefined) {
    throw new Refusal("identity-unknown", "The certificate authenticates the client here; leave client_assertion out.")
  }
}

/** `session` is null for an agent's own token. */
function tokenDraft(session: Session | null, { jti, expiresIn }: IssuedToken, caller: AgentPrincipal): Draft {
  const event = "sessions.token-issued"
  const data = { jti, expiresIn }
  const { spiffeId: by, name, instance, serial: svid } = caller
  if (session !== null) return draftOf(session, event, { by, caller, data })
  return { event, by, agent: { name, instance, svid, proof: proofOf(caller) }, data }
}
