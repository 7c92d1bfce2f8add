import { SIGN_IN_SECONDS } from "#agents"
import { Refusal, sha256 } from "#kernel"
import { type ArrivedOperator, hasArrived } from "#sessions"
import { backWith } from "../consent/back.ts"
import { formToken, requireOwnForm } from "../consent/form.ts"
import { operatorPage } from "../consent/pages/operator.ts"
import { pageResponse } from "../consent/pages/page.ts"
import { type Visit, whoInWords } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"

/** RFC 8628 §6.1: letters that are hard to confuse and make no words. */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

/**
 * What the page and the command line both show, so that people see whether they belong together: it comes from the challenge. Who
 * sends somebody a link knows it too; what keeps the code from them is that it is only ever sent to the browser's own machine.
 */
export function comparedText(challenge: string): string {
  const letters = [...sha256(`safeconduct operator sign-in ${challenge}`).subarray(0, 8)].map(
    (byte) => LETTERS[byte % 20],
  )
  return `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`
}

/** The request that waits for an answer in this very browser. Throws `not-found`. */
export async function ownOperatorRequest(
  rooms: Rooms,
  visit: Visit,
  { provider, id }: { provider: string; id: string },
): Promise<ArrivedOperator> {
  const request = await rooms.sessions.operatorSignIns.find({ id, browser: visit.browser })
  if (request !== null && hasArrived(request) && request.asked.provider === provider) return request
  const message = "Nothing waits for your answer here. It was answered already, is too old, or is another browser's."
  throw new Refusal("not-found", message)
}

/** Asks whether the command line may act for whoever signed in. */
export function showOperator(visit: Visit, { id, asked, arrival }: ArrivedOperator): Response {
  const path = pathOf(asked.provider, id)
  const page = operatorPage({
    action: path,
    token: formToken(visit.browser, path),
    roles: arrival.roles,
    compared: comparedText(asked.challenge),
    seconds: SIGN_IN_SECONDS,
    leadsTo: asked.redirectUri,
  })
  return pageResponse({ ...page, who: whoInWords(arrival), cookies: visit.setCookies })
}

/** Takes the answer, once. Throws `invalid-request` for a form that is not the page's own, `not-found`. */
export async function answerOperator(
  rooms: Rooms,
  visit: Visit,
  request: ArrivedOperator,
  given: { readonly [field: string]: string | undefined },
): Promise<Response> {
  const { issuer, operatorSignIns } = rooms.sessions
  const path = pathOf(request.asked.provider, request.id)
  requireOwnForm({ issuer: visit.issuer, headers: visit.headers, cookie: visit.cookies.browser, path }, given["form"])
  if (given["decision"] === "deny") {
    await rooms.audit.commit(operatorSignIns.deny(request, visit.browser))
    // A crash here leaves a command line that waits in vain; the request is over all the same.
    return backWith(issuer, request.asked, denied, visit.setCookies)
  }
  if (given["decision"] !== "allow") throw new Refusal("invalid-request", "The answer is neither yes nor no.")
  const { result } = await rooms.audit.commit(operatorSignIns.allow(request, visit.browser))
  // A crash here leaves a code that nobody holds; it is over in a minute.
  return backWith(issuer, request.asked, { code: result.code }, visit.setCookies)
}

function pathOf(provider: string, id: string): string {
  return `/sign-in/${provider}/operator/${id}`
}

const denied = { error: "access_denied", error_description: "The operator denied it." }
