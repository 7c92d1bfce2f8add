import { together } from "#audit"
import { type Json, Refusal, refusalCode } from "#kernel"
import type { AuthorizationRequest, SignedIn } from "#sessions"
import { arriveOperator } from "../operators/arrive.ts"
import type { Rooms } from "../rooms.ts"
import { backWithRefusal } from "./back.ts"
import { setCookie } from "./cookies.ts"
import { choosePage } from "./pages/choose.ts"
import { pageResponse, seeOther } from "./pages/page.ts"
import { placeOf, type Visit } from "./visit.ts"
import { mostOf, requirePlace } from "./wanted.ts"

/** Where a provider sends users back to: one place for each, so that no answer passes for another provider's (RFC 9700 §4.4). */
export function callbackOf(issuer: URL, provider: string): string {
  return placeOf(issuer, `/sign-in/${provider}/callback`)
}

/** Sends the browser to the request's provider, or lets the user choose; without a request, to come to their own page. */
export async function sendToProvider(
  rooms: Rooms,
  visit: Visit,
  request: AuthorizationRequest | null,
): Promise<Response> {
  const { providers } = rooms.sessions
  const names = providers.names()
  const only = request?.asked.provider ?? (names.length === 1 ? names[0]! : null)
  if (only !== null) return await beginAt(rooms, visit, only, request)
  const query = request === null ? "" : `?request=${request.id}`
  const places = names.map((name) => ({
    name,
    host: new URL(providers.find(name)!.issuer).host,
    url: placeOf(visit.issuer, `/sign-in/${name}${query}`),
  }))
  return pageResponse({ ...choosePage(places), cookies: visit.setCookies })
}

/** Begins a sign-in at that provider. Throws `provider-unknown`, `provider-unavailable`, `provider-not-configured`, `sign-in-failed`. */
export async function beginAt(
  rooms: Rooms,
  visit: Visit,
  provider: string,
  request: AuthorizationRequest | null,
): Promise<Response> {
  const { providers, browsers } = rooms.sessions
  const { prompt = null, maxAgeSeconds = null, provider: wanted = null } = request?.asked ?? {}
  if (wanted !== null && wanted !== provider) throw new Refusal("sign-in-failed", `This is for users of ${wanted}.`)
  const maxAge = prompt === "login" ? 0 : maxAgeSeconds
  const { url, pending } = await providers.beginSignIn({
    provider,
    redirectUri: callbackOf(visit.issuer, provider),
    ...(maxAge === null ? {} : { maxAgeSeconds: maxAge }),
    // For a provider that asks its users itself; any other is not told.
    ...(request === null ? {} : { authorizationDetails: mostOf(rooms, request) as Json[] }),
  })
  await browsers.keepSignIn(pending, visit.browser, request === null ? null : { request: request.id })
  // A crash here leaves a sign-in that no browser was sent with; it is forgotten.
  return seeOther(url, visit.setCookies)
}

/** A login that is over already is, to its user, a sign-in that failed. */
function failed(cause: unknown): never {
  if (refusalCode(cause) !== "subject-token-invalid") throw cause
  throw new Refusal("sign-in-failed", "You have signed out at your provider meanwhile. Begin again.", { cause })
}

/** What came of it: who is signed in now, and the request that they signed in for. */
export type Returned =
  | { request: AuthorizationRequest | null; seen: SignedIn; setCookies: readonly string[] }
  | { answer: Response }

/**
 * Back from the provider: once, in the browser that was sent there. The answer's issuer, state and nonce are the provider's
 * door to judge. Throws `sign-in-failed`, and what finishing a sign-in does.
 */
export async function comeBack(
  rooms: Rooms,
  visit: Visit,
  provider: string,
  given: { readonly [name: string]: string },
): Promise<Returned> {
  const { providers, browsers, consents, logins, issuer } = rooms.sessions
  const taken = await browsers.takeSignIn({ state: given["state"] ?? "", browser: visit.browser, provider })
  if (taken === null) {
    const message = "This sign-in was not begun in this browser, was finished already, or took too long. Begin again."
    throw new Refusal("sign-in-failed", message)
  }
  const url = new URL(callbackOf(visit.issuer, provider))
  url.search = new URLSearchParams(given).toString()
  if (taken.operator !== null) {
    return { answer: await arriveOperator(rooms, visit, { id: taken.operator, pending: taken.pending, url }) }
  }
  const of = taken.request === null ? null : { id: taken.request, browser: visit.browser }
  const waiting = of === null ? null : await consents.find(of)
  if (waiting !== null) requirePlace(rooms, waiting.asked)
  let seen: SignedIn
  try {
    seen = await providers.finishSignIn(taken.pending, url)
  } catch (error) {
    if (waiting === null) throw error
    return { answer: backWithRefusal(issuer, waiting.asked, error, visit.setCookies) }
  }
  const { provider: name, iss, sub, claims, sid, authTimeMs, issuedAtMs } = seen
  const arrival = { user: { provider: name, iss, sub, claims }, providerSession: sid, signedInAtMs: authTimeMs }
  // Whoever was signed in here is not any more: one browser, one person.
  const arriving = together(browsers.signIn(arrival), browsers.signOut(visit.cookies.signedIn))
  // The provider may have told us that this login is over before it was here at all.
  const holding = logins.holding({ iss, sub, sid, issuedAtMs })
  const { result } = await rooms.audit.commit(together(holding, arriving)).catch(failed)
  const [, [{ user, cookie }]] = result
  // A crash here leaves a sign-in whose cookie nobody holds; it is forgotten.
  const setCookies = [...visit.setCookies, setCookie(visit.issuer, "signedIn", cookie)]
  if (of === null) return { request: null, seen, setCookies }
  const request = await consents.enterUser(of, { user, providerSession: sid })
  if (request === null)
    throw new Refusal("sign-in-failed", "What you signed in for is over. Begin again where you were.")
  return { request, seen, setCookies }
}
