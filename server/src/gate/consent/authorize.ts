import type { AgentPrincipal } from "#agents"
import { Refusal } from "#kernel"
import type { Asked, AuthorizationRequest, SignedInBrowser } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { clientOf, readAsking, redirectUriOf } from "./asking.ts"
import { backWith, backWithRefusal } from "./back.ts"
import { type Collected, decisionAt } from "./collected.ts"
import { seeOther } from "./pages/page.ts"
import type { AskedBy } from "./parameters.ts"
import { sendToProvider } from "./sign-in.ts"
import { placeOf, signedInOf, type Visit } from "./visit.ts"
import { requirePlace, wantedOf } from "./wanted.ts"

/** How long a pushed request waits for a browser (RFC 9126 §2.2). */
const PUSHED_SECONDS = 90

/**
 * Takes in a request before a user is sent (RFC 9126). Whoever pushes it proved the key of an instance, and the code is for that
 * instance alone; over the web listener for its DPoP key too (RFC 9449 §10.1). Throws `identity-unknown`, and what readAsking() does.
 */
export async function pushRequest(
  rooms: Rooms,
  caller: AgentPrincipal,
  given: AskedBy,
): Promise<{ request_uri: string; expires_in: number }> {
  if (given["client_id"] !== undefined && given["client_id"] !== caller.spiffeId) {
    throw new Refusal("identity-unknown", "client_id is not the SPIFFE ID that was proven.")
  }
  if (given["request_uri"] !== undefined) throw new Refusal("invalid-request", "A pushed request holds no request_uri.")
  const agent = clientOf(rooms, caller.spiffeId)
  redirectUriOf(agent, given)
  const jkt = "jkt" in caller.confirmation ? caller.confirmation.jkt : null
  const named = given["dpop_jkt"]
  if (jkt !== null && named !== undefined && named !== jkt) {
    throw new Refusal("invalid-request", "dpop_jkt is not the key that signed the DPoP proof.")
  }
  const bound = { agent, instance: caller.instance, jkt }
  const { asked, using } = await readAsking(rooms, bound, { ...given, client_id: caller.spiffeId })
  const { requestUri } = await rooms.sessions.consents.push(asked, PUSHED_SECONDS, using ?? undefined)
  return { request_uri: requestUri, expires_in: PUSHED_SECONDS }
}

/**
 * The authorization endpoint (RFC 6749 §4.1.1). Until client and redirect URI are known to be good, what is wrong is told to the
 * user and nobody is sent anywhere; after that, to the client.
 */
export async function authorize(rooms: Rooms, visit: Visit, given: AskedBy): Promise<Response> {
  const { issuer, consents } = rooms.sessions
  const agent = clientOf(rooms, given["client_id"])
  const requestUri = given["request_uri"]
  if (requestUri !== undefined) {
    const request = await consents.begin({ requestUri, client: given["client_id"]! }, visit.browser)
    if (request === null) {
      const message = "This link was used already, or is too old. Go back to where you came from and ask again."
      throw new Refusal("request-uri-invalid", message)
    }
    requirePlace(rooms, request.asked)
    return await proceed(rooms, visit, request)
  }
  const redirectUri = redirectUriOf(agent, given)
  let request: AuthorizationRequest
  try {
    const { asked, using } = await readAsking(rooms, { agent, instance: null, jkt: null }, given)
    requireBound(asked)
    request = await consents.beginUnpushed(asked, visit.browser, using ?? undefined)
  } catch (error) {
    return backWithRefusal(issuer, { redirectUri, state: carried(given["state"]) }, error, visit.setCookies)
  }
  return await proceed(rooms, visit, request)
}

/** A state that is none is not carried back. */
function carried(state: string | undefined): string | null {
  return state !== undefined && /^[\x20-\x7e]{1,2000}$/.test(state) ? state : null
}

/** Without the instance that pushed it, only a key can say whose code it will be: a code that leaks would be any instance's. */
function requireBound({ jkt }: Asked): void {
  if (jkt !== null) return
  throw new Refusal(
    "invalid-request",
    "Push this request (RFC 9126), or name the key of the code in dpop_jkt (RFC 9449).",
  )
}

/** Takes a request to its next step: signing in, the consent page, or back with a code that needs no new yes. */
export async function proceed(rooms: Rooms, visit: Visit, request: AuthorizationRequest): Promise<Response> {
  const { issuer, consents } = rooms.sessions
  try {
    const known = await signedInOf(rooms, visit)
    if (request.state === "signed-in") {
      // Somebody else may sit there by now: what one of them allowed is no other's to hand out.
      if (known?.user.id !== request.user?.id)
        throw new Refusal("login-required", "The user is not signed in any more.")
      return await decideOrAsk(rooms, visit, request)
    }
    if (!isEnough(known, request.asked)) {
      if (request.asked.prompt === "none") throw new Refusal("login-required", "Nobody is signed in here.")
      return await sendToProvider(rooms, visit, request)
    }
    const entered = await consents.enterUser({ id: request.id, browser: visit.browser }, known)
    if (entered === null) throw new Refusal("not-found", "This request is under way in another window, or over.")
    return await decideOrAsk(rooms, visit, entered)
  } catch (error) {
    return backWithRefusal(issuer, request.asked, error, visit.setCookies)
  }
}

/** The same for a request whose user has come back from the provider just now, perhaps asked by it already. */
export async function proceedSignedIn(
  rooms: Rooms,
  visit: Visit,
  request: AuthorizationRequest,
  collected: Collected,
): Promise<Response> {
  try {
    return await decideOrAsk(rooms, visit, request, collected)
  } catch (error) {
    return backWithRefusal(rooms.sessions.issuer, request.asked, error, visit.setCookies)
  }
}

async function decideOrAsk(
  rooms: Rooms,
  visit: Visit,
  request: AuthorizationRequest,
  collected: Collected | null = null,
): Promise<Response> {
  const { issuer, consents } = rooms.sessions
  const wanted = await wantedOf(rooms, request)
  const { covered } = wanted
  const decision = collected && decisionAt(collected, wanted, request.asked)
  const allowing =
    covered !== null
      ? consents.allowAgain(request, visit.browser, covered)
      : decision !== null
        ? consents.allow(request, visit.browser, decision)
        : null
  if (allowing !== null) {
    const { result } = await rooms.audit.commit(allowing)
    // A crash here leaves a code that nobody holds; it is over in a minute.
    return backWith(issuer, request.asked, { code: result.code }, visit.setCookies)
  }
  if (request.asked.prompt === "none") throw new Refusal("consent-required", "The user has to be asked for this.")
  return seeOther(placeOf(visit.issuer, `/consent/${request.id}`), visit.setCookies)
}

/** True for somebody whose sign-in is enough for the request (OpenID Connect Core §3.1.2.1). */
function isEnough(known: SignedInBrowser | null, asked: Asked): known is SignedInBrowser {
  if (known === null || asked.prompt === "login") return false
  if (asked.provider !== null && asked.provider !== known.user.provider) return false
  return asked.maxAgeSeconds === null || known.ageSeconds <= asked.maxAgeSeconds
}
