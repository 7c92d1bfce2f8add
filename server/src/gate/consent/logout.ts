import { together } from "#audit"
import { Refusal } from "#kernel"
import { usingUp } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { withdraw } from "./withdraw.ts"

/**
 * A provider says that a session there, or every session of a user, has ended (OpenID Connect Back-Channel Logout §2.5): browsers
 * are signed out, what is on its way is taken away, and agents and command lines of operators stop. Once, on whatever server. Throws `logout-token-invalid`,
 * `provider-unknown`, `provider-unavailable`.
 */
export async function providerLogout(rooms: Rooms, provider: string, token: string): Promise<void> {
  const { providers, browsers, consents, operatorSignIns } = rooms.sessions
  const { iss, sub, sid, jti, issuedAtMs, expiresAtMs } = await providers.verifyLogoutToken(provider, token)
  const used = { kind: "logout-token", maker: iss, jti, expiresAtMs } as const
  const once = usingUp(used, () => new Refusal("logout-token-invalid", "This logout token was used before."))
  // A token of that login may be good for a while; it opens nothing any more.
  const over = together(once, rooms.sessions.logins.ending({ iss, sub, sid, issuedAtMs }))
  const known = sid === null && sub !== null ? await rooms.sessions.findUser({ iss, sub }) : null
  const of = sid !== null ? { iss, providerSession: sid } : known === null ? null : { user: known.id }
  if (of === null) {
    // Nobody who was ever seen here.
    await rooms.audit.commit(over)
    return
  }
  const by = known?.id ?? "server"
  // The registry first, as whoever signs an operator in does.
  const acting = together(rooms.agents.endSignIns(of, "logged-out", by), operatorSignIns.cancel(of))
  const leaving = together(over, together(acting, together(browsers.signOutAll(of), consents.cancel(of))))
  await withdraw(rooms, { first: leaving, of, reason: "logged-out", by })
}
