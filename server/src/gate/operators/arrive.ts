import { Refusal } from "#kernel"
import { type PendingSignIn, rolesFor, type SignedIn } from "#sessions"
import { backWithRefusal } from "../consent/back.ts"
import { noRolePage } from "../consent/pages/operator.ts"
import { pageResponse, seeOther } from "../consent/pages/page.ts"
import { placeOf, type Visit, whoInWords } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"

/** Whoever comes back for a command line, and with what. */
type Arriving = { id: string; pending: PendingSignIn; url: URL }

/**
 * Somebody is back from their provider, to say whether a command line may act for them. They are not signed in with the browser:
 * what they came for is one answer. Throws `sign-in-failed`.
 */
export async function arriveOperator(rooms: Rooms, visit: Visit, { id, pending, url }: Arriving): Promise<Response> {
  const { providers, operatorSignIns, issuer } = rooms.sessions
  const of = { id, browser: visit.browser }
  const waiting = await operatorSignIns.find(of)
  if (waiting === null) throw new Refusal("sign-in-failed", "This took too long. Begin again at the command line.")
  let seen: SignedIn
  try {
    seen = await providers.finishSignIn(pending, url)
  } catch (error) {
    return backWithRefusal(issuer, waiting.asked, error, visit.setCookies)
  }
  const { provider, iss, sub, claims, sid, roleValues, issuedAtMs } = seen
  const definition = providers.find(provider)
  const grounds = { provider, issuer: iss, claim: definition?.roles?.claim ?? "", values: roleValues }
  const roles = definition === null ? [] : rolesFor({ [provider]: definition }, grounds)
  const arrival = { user: { provider, iss, sub, claims }, providerSession: sid, issuedAtMs, grounds, roles }
  const { result } = await rooms.audit.commit(operatorSignIns.enter(of, arrival))
  // A crash here leaves somebody who was not asked yet; they begin again.
  if (roles.length > 0) return seeOther(placeOf(visit.issuer, `/sign-in/${provider}/operator/${id}`), visit.setCookies)
  const who = whoInWords(result.arrival)
  return pageResponse({ ...noRolePage(provider), who, cookies: visit.setCookies })
}
