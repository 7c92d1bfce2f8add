import type { AgentPrincipal } from "#agents"
import { Refusal, refusalCode } from "#kernel"
import { endOwnSession } from "../end.ts"
import type { Rooms } from "../rooms.ts"

/**
 * Revokes a token (RFC 7009) by ending the session that it is of: every other token of that session, every credential that was
 * made for it, and everything that it handed on. What is no token of ours, or of a session that is over, is revoked already
 * (§2.2). Throws `invalid-request` for another client's, `token-type-unsupported` for an agent's own, which is of no session.
 */
export async function revokeToken(rooms: Rooms, caller: AgentPrincipal, token: string): Promise<void> {
  // From memory: taking away waits for no database, and endOwnSession() asks whose the session is.
  const claims = rooms.sessions.tokenClaims(token)
  if (claims === null) return await revokeApproval(rooms, caller, token)
  if (claims.client_id !== caller.spiffeId) throw foreign()
  const { safeconduct_session: session } = claims
  if (session === undefined) {
    const message = "An agent's own token cannot be revoked: it carries no rights, and ends in five minutes."
    throw new Refusal("token-type-unsupported", message)
  }
  try {
    await endOwnSession(rooms, caller, session)
  } catch (error) {
    // Another instance's of the same agent.
    throw refusalCode(error) === "session-unknown" ? foreign() : error
  }
}

/** Of a token that is an approval, that one is withdrawn, unless it was used; what is no token of the caller's is revoked already. */
async function revokeApproval({ sessions, approvals, audit }: Rooms, caller: AgentPrincipal, token: string) {
  const claims = await sessions.verifyToken(token, caller.confirmation).catch(() => null)
  if (claims?.txn === undefined || claims.client_id !== caller.spiffeId) return
  await audit.commit(approvals.withdraw({ ids: [claims.txn] }, "token-revoked", caller.spiffeId))
}

/** RFC 7009 §2.1 */
function foreign(): Refusal {
  return new Refusal("invalid-request", "This token was not issued to you. Only its own holder can revoke it.")
}
