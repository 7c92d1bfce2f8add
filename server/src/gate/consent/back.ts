import { Refusal, type RefusalCode, refusals } from "#kernel"
import type { Asked } from "#sessions"
import { html } from "./pages/html.ts"
import { pageResponse, seeOther } from "./pages/page.ts"

/** What the client is told of a request: where to, and what it gave for itself. */
export type Back = Pick<Asked, "redirectUri" | "state">

/** Codes of RFC 6749 §4.1.2.1, with those of RFC 9396 §5, RFC 8707 §2 and OpenID Connect Core §3.1.2.6. */
const KNOWN = [
  "invalid_request",
  "unauthorized_client",
  "access_denied",
  "unsupported_response_type",
  "invalid_scope",
  "server_error",
  "temporarily_unavailable",
  "invalid_authorization_details",
  "invalid_target",
  "login_required",
  "consent_required",
]

/** Sends the user back with what came of it: a code, or why there is none. `iss` says who answers (RFC 9207). */
export function backWith(
  issuer: string,
  { redirectUri, state }: Back,
  answer: { code: string } | { error: string; error_description?: string },
  cookies: readonly string[] = [],
): Response {
  if (redirectUri === null) return nowhereBack("code" in answer, cookies)
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries({ ...answer, ...(state === null ? {} : { state }), iss: issuer })) {
    url.searchParams.append(name, value)
  }
  return seeOther(url.href, cookies)
}

/** The same for a refusal; null for what is no refusal, which is nobody's business but ours. */
export function backWithRefusal(issuer: string, back: Back, error: unknown, cookies: readonly string[]): Response {
  if (!(error instanceof Refusal)) throw error
  // Without a place to go back to, the refusal is for the user to read.
  if (back.redirectUri === null) throw error
  return backWith(issuer, back, { error: oauthCodeOf(error.code), error_description: ascii(error.message) }, cookies)
}

function oauthCodeOf(code: RefusalCode): string {
  const { oauth, status } = refusals[code]
  if (KNOWN.includes(oauth)) return oauth
  return status >= 500 ? "server_error" : "invalid_request"
}

/** RFC 6749 §4.1.2.1: %x20-21 / %x23-5B / %x5D-7E. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
}

/** For a request that an application makes without a place of its own: it asks again for what it wanted. */
function nowhereBack(isAllowed: boolean, cookies: readonly string[]): Response {
  const title = isAllowed ? "Allowed" : "Not allowed"
  const main = html`<h1>${title}</h1>
<p class="lead">${isAllowed ? "Your answer is remembered." : "Nothing was given."} You can close this page and go on where you were.</p>`
  return pageResponse({ title, main, cookies })
}
