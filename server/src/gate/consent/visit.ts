import { Refusal } from "#kernel"
import { type Consents, inSight, type SignedInBrowser } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { type Cookies, readCookies, setCookie } from "./cookies.ts"

/** A browser at one of our pages. */
export type Visit = {
  issuer: URL
  headers: Headers
  cookies: Cookies
  /** Binds what it begins to it; made when it had none. */
  browser: string
  /** Headers that its answer has to carry. */
  setCookies: readonly string[]
}

/**
 * Who visits; a browser that was never here gets its cookie with the answer. `by` is what fetches: a window, or a script of a page of
 * ours. Throws `invalid-request`.
 */
export function visitOf(
  { sessions }: Pick<Rooms, "sessions">,
  headers: Headers,
  by: "window" | "script" = "window",
): Visit {
  if (by === "window") refuseUnseen(headers)
  else refuseForeign(headers)
  const issuer = new URL(sessions.issuer)
  const cookies = readCookies(headers, issuer)
  const isKnown = cookies.browser !== null && /^[A-Za-z0-9_-]{43}$/.test(cookies.browser)
  const browser = isKnown ? cookies.browser! : sessions.browsers.newBrowser()
  return { issuer, headers, cookies, browser, setCookies: isKnown ? [] : [setCookie(issuer, "browser", browser)] }
}

/**
 * A page of ours may use up a link, or give a code without a question, so it is for somebody who looks: not drawn into another
 * page, which one of the same site could do with our cookies, and not fetched ahead (Fetch Metadata §2.1, Fetch §2.2.7).
 */
function refuseUnseen(headers: Headers): void {
  const destination = headers.get("sec-fetch-dest") ?? "document"
  const isAhead = ["sec-purpose", "purpose", "x-moz"].some((name) => headers.get(name)?.startsWith("prefetch"))
  if (destination === "document" && !isAhead) return
  throw new Refusal("invalid-request", "This page opens by itself only. Open the link in a window of its own.")
}

/** A script of another site's page has no business here, whatever it could read of the answer. */
function refuseForeign(headers: Headers): void {
  if ((headers.get("sec-fetch-site") ?? "same-origin") === "same-origin") return
  throw new Refusal("invalid-request", "Only pages of this site may ask for this.")
}

/** Where somebody is led who signed in to get to a page of ours; null for none. */
export function afterSignIn({ issuer, cookies: { after } }: Visit): string | null {
  return after !== null && isOwnPage(after) ? placeOf(issuer, after) : null
}

/** True for what may be a page of somebody's own: nothing else is kept for their return, or led to. */
export function isOwnPage(path: string): boolean {
  return /^\/(approvals|me)(\/[a-z0-9_-]{1,60})?$/.test(path)
}

/** Who is signed in with the visiting browser, now; null for nobody. */
export async function signedInOf({ sessions }: Rooms, { cookies }: Visit): Promise<SignedInBrowser | null> {
  return cookies.signedIn === null ? null : await sessions.browsers.signedIn(cookies.signedIn)
}

/** The same by nothing but the headers of a request. */
export async function signedInWith(rooms: Rooms, headers: Headers): Promise<SignedInBrowser | null> {
  const { signedIn } = readCookies(headers, new URL(rooms.sessions.issuer))
  return signedIn === null ? null : await rooms.sessions.browsers.signedIn(signedIn)
}

/** The public URL of a path of ours. */
export function placeOf(issuer: URL | string, path: string): string {
  return String(issuer).replace(/\/$/, "") + path
}

/** What people read about who they are signed in as; a long subject is a name for machines. */
export function whoInWords({ user }: Pick<SignedInBrowser, "user">): string {
  const name = user.sub.length <= 32 ? ` as ${inSight(user.sub)}` : ""
  return `Signed in at ${user.provider}${name}`
}

/** A request of this browser's. */
export type Own = NonNullable<Awaited<ReturnType<Consents["find"]>>>
