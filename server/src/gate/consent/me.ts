import type { Grant } from "#approvals"
import { together } from "#audit"
import { operationOf } from "#credentials"
import { Refusal } from "#kernel"
import { type Consent, inWords, type Session, type SignedInBrowser } from "#sessions"
import { leaveView, revokeLeave } from "../approve/leave.ts"
import { endSession } from "../end.ts"
import type { Rooms } from "../rooms.ts"
import { setCookie } from "./cookies.ts"
import { formToken, requireOwnForm } from "./form.ts"
import { lately } from "./lately.ts"
import { type Acting, type Left, mePage, type Remembered } from "./pages/me.ts"
import { pageResponse, seeOther } from "./pages/page.ts"
import { placeOf, type Visit, whoInWords } from "./visit.ts"
import { describing } from "./wanted.ts"
import { withdraw } from "./withdraw.ts"

/** The page of whoever is signed in. */
export async function showMine(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  const { sessions } = rooms
  const [open, remembered] = await Promise.all([
    sessions.ofUser(known.user.id, { state: "open" }),
    sessions.consents.ofUser(known.user.id),
  ])
  const acting = await Promise.all(open.map((session) => actingOf(rooms, session)))
  const left = (await rooms.approvals.grants.list({ user: known.user.id })).filter(({ isStanding }) => isStanding)
  const signOut = await signOutUrl(rooms, visit, known)
  const page = mePage({
    who: whoInWords(known),
    acting,
    remembered: remembered.map((consent) => rememberedOf(rooms, consent)),
    left: await Promise.all(left.map((grant) => leftOf(rooms, grant))),
    tokenOf: (path) => formToken(visit.cookies.signedIn!, path),
    leadsTo: signOut,
  })
  return pageResponse({ ...page, cookies: visit.setCookies })
}

/** Something that the user does on their page, by the path of its form. Throws `invalid-request` for a form of another page. */
export function requireMine(visit: Visit, path: string, token: string | undefined): void {
  const { issuer, headers, cookies } = visit
  requireOwnForm({ issuer, headers, cookie: cookies.signedIn, path }, token)
}

/** Ends a session of the user's own, and all that it handed on. Throws `session-unknown` for another user's. */
export async function endMine(rooms: Rooms, { user }: SignedInBrowser, id: string): Promise<void> {
  const open = await rooms.sessions.openOf({ user: user.id })
  if (!open.some((session) => session.id === id)) {
    throw new Refusal("session-unknown", "No agent acts for you in this session any more.")
  }
  await endSession(rooms, id, "withdrawn", user.id)
}

/** Takes a consent back and ends what was opened by it, or by an older one for the same. Throws `not-found`. */
export async function revokeMine(rooms: Rooms, { user }: SignedInBrowser, id: string): Promise<void> {
  const which = ({ delegation }: Session, revoked: Consent[]) =>
    delegation?.kind === "consent" && revoked.some((consent) => consent.id === delegation.consent)
  const first = rooms.sessions.consents.revoke(id, user)
  await withdraw(rooms, { first, of: { user: user.id }, which, reason: "withdrawn", by: user.id })
}

/** Takes back leave that the user gave. Throws `not-found`, also for another user's. */
export async function revokeMyLeave(rooms: Rooms, { user }: SignedInBrowser, id: string): Promise<void> {
  await revokeLeave(rooms, { id, user: user.id }, user.id)
}

/** Ends every session of the user, and takes every consent back. */
export async function endAllMine(rooms: Rooms, { user }: SignedInBrowser): Promise<void> {
  const { consents } = rooms.sessions
  const first = together(consents.revokeAll(user), consents.cancel({ user: user.id }))
  await withdraw(rooms, { first, of: { user: user.id }, reason: "withdrawn", by: user.id })
}

/** Signs the browser out here, and leads to the provider's own sign-out where there is one (RP-Initiated Logout §2). */
export async function signOut(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  const { browsers, consents } = rooms.sessions
  const leaving = together(browsers.signOut(visit.cookies.signedIn!), consents.cancel({ browser: visit.browser }))
  await rooms.audit.commit(leaving)
  const url = await signOutUrl(rooms, visit, known)
  return seeOther(url ?? placeOf(visit.issuer, "/me"), [
    ...visit.setCookies,
    setCookie(visit.issuer, "signedIn", null),
    setCookie(visit.issuer, "browser", null),
  ])
}

/** A provider that cannot be asked keeps nobody from signing out here. */
async function signOutUrl(
  { sessions, log }: Rooms,
  { issuer }: Visit,
  { user }: SignedInBrowser,
): Promise<string | null> {
  try {
    return await sessions.providers.logoutUrl({ provider: user.provider, redirectUri: placeOf(issuer, "/me") })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    log.info("a provider's sign-out is not known now", { provider: user.provider, error })
    return null
  }
}

async function actingOf(rooms: Rooms, session: Session): Promise<Acting> {
  const { id, agent, application, chain, openedAt, hardEndAt } = session
  return {
    id,
    agent,
    purpose: purposeInWords(rooms, session.purpose),
    application,
    through: chain.at(-1)?.agent ?? null,
    since: openedAt,
    until: hardEndAt,
    did: await lately(rooms, session),
  }
}

async function leftOf(rooms: Rooms, grant: Grant): Promise<Left> {
  const { id, agent, resource, operation, until } = grant
  const described = operationOf(rooms.credentials.current()[resource], operation)?.description
  const { left, of } = await leaveView(rooms, grant)
  return { id, agent, what: described ?? `${operation} ${resource}`, left, of, until }
}

function rememberedOf(rooms: Rooms, consent: Consent): Remembered {
  const { id, agent, application, hardEndSeconds, givenAt } = consent
  const phrases = inWords(consent.details, describing(rooms))
  return { id, agent, purpose: purposeInWords(rooms, consent.purpose), application, phrases, hardEndSeconds, givenAt }
}

function purposeInWords({ sessions }: Pick<Rooms, "sessions">, name: string): string {
  return sessions.purpose(name)?.description ?? name
}
