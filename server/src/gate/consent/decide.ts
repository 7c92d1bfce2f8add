import { Refusal } from "#kernel"
import { type AuthorizationRequest, digestOf } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { backWith, backWithRefusal } from "./back.ts"
import { formToken, requireOwnForm } from "./form.ts"
import { consentPage, offeredSeconds } from "./pages/consent.ts"
import { pageResponse } from "./pages/page.ts"
import { signedInOf, type Visit, whoInWords } from "./visit.ts"
import { grantedOf, requirePlace, type Wanted, wantedOf } from "./wanted.ts"

/** What the form of the consent page sends; each tick is a field of its own. */
export type Decided = { readonly [field: string]: string | undefined }

/** The request that waits for this very user in this very browser. Throws `not-found`, `login-required`. */
export async function ownRequest(rooms: Rooms, visit: Visit, id: string): Promise<AuthorizationRequest> {
  const request = await rooms.sessions.consents.find({ id, browser: visit.browser })
  if (request === null) {
    throw new Refusal(
      "not-found",
      "Nothing waits for your answer here. It was answered already, is too old, or is another browser's.",
    )
  }
  requirePlace(rooms, request.asked)
  if (request.state === "begun") return request
  const known = await signedInOf(rooms, visit)
  // Signed out, here or at the provider, since then: whoever sits there now decides nothing in this name.
  if (known?.user.id === request.user!.id) return request
  throw new Refusal(
    "login-required",
    "You are not signed in any more. Go back to where you came from, and begin again.",
  )
}

/** The consent page for a request whose user is known. */
export async function showConsent(
  rooms: Rooms,
  visit: Visit,
  request: AuthorizationRequest,
  problem: string | null = null,
): Promise<Response> {
  let wanted: Wanted
  try {
    wanted = await wantedOf(rooms, request)
  } catch (error) {
    return backWithRefusal(rooms.sessions.issuer, request.asked, error, visit.setCookies)
  }
  const path = `/consent/${request.id}`
  const page = consentPage(wanted.text, {
    action: path,
    token: formToken(visit.browser, path),
    shown: digestOf(wanted.text, wanted.details),
    problem,
    leadsTo: request.asked.redirectUri,
    who: whoInWords({ user: request.user! }),
  })
  return pageResponse({ ...page, status: problem === null ? 200 : 422, cookies: visit.setCookies })
}

/**
 * Takes the user's answer to what was shown, once. Allowed is never more than was shown: where what is asked for has changed
 * since, the page is shown again. Throws `invalid-request` for a form that is not the page's own, `not-found`.
 */
export async function takeDecision(
  rooms: Rooms,
  visit: Visit,
  request: AuthorizationRequest,
  decided: Decided,
): Promise<Response> {
  const { issuer, headers, browser } = visit
  const own = { issuer, headers, cookie: visit.cookies.browser, path: `/consent/${request.id}` }
  requireOwnForm(own, decided["form"])
  if (request.state !== "signed-in") throw new Refusal("not-found", "Nobody was asked this yet. Open the page again.")
  if (decided["decision"] === "deny") {
    await rooms.audit.commit(rooms.sessions.consents.deny(request, browser))
    // A crash here leaves a user who is sent nowhere; the request is over all the same.
    return backWith(rooms.sessions.issuer, request.asked, denied, visit.setCookies)
  }
  if (decided["decision"] !== "allow") throw new Refusal("invalid-request", "The answer is neither yes nor no.")
  const wanted = await wantedOf(rooms, request)
  if (decided["shown"] !== digestOf(wanted.text, wanted.details)) {
    return await showConsent(rooms, visit, request, "What is asked for has just changed. Look at it again.")
  }
  const details = grantedOf(
    wanted,
    new Set(wanted.pieces.map(({ key }) => key).filter((key) => `action-${key}` in decided)),
  )
  if (details.length === 0) {
    return await showConsent(rooms, visit, request, "Nothing is ticked. Tick what you allow, or deny all of it.")
  }
  const hardEndSeconds = offeredSeconds(wanted.hardEndSeconds).find((each) => String(each) === decided["seconds"])
  if (hardEndSeconds === undefined) throw new Refusal("invalid-request", "This time was not offered.")
  const decision = { text: wanted.text, asked: wanted.details, details, hardEndSeconds }
  const { result } = await rooms.audit.commit(rooms.sessions.consents.allow(request, browser, decision))
  // A crash here leaves a consent, and a code that nobody holds: asked again, the user need not answer again.
  return backWith(rooms.sessions.issuer, request.asked, { code: result.code }, visit.setCookies)
}

const denied = { error: "access_denied", error_description: "The user denied it." }
