import { counts, type Locale, type Requirement, sayOf, type Way } from "#approvals"
import type { SignedInBrowser } from "#sessions"
import { proofThere } from "../approve/channel.ts"
import { leaveToOffer } from "../approve/leave.ts"
import { formToken } from "../consent/form.ts"
import { html } from "../consent/pages/html.ts"
import type { Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { type Asked, askedOf, isWaiting, saidOf, togetherWith, waitingOf } from "./found.ts"
import { chosen, languageOf } from "./language.ts"
import { linksOf, phonePage } from "./page.ts"
import { decidedPage, decidingPage, type Offer } from "./pages/approval.ts"
import { historyPage, inboxPage } from "./pages/lists.ts"
import { stateOfInbox } from "./state.ts"
import { phoneWords } from "./words.ts"

/** How many of what somebody was asked before are listed. */
const MOST_LISTED = 50

/** What waits for somebody. */
export async function showInbox(
  rooms: Rooms,
  given: Visit,
  known: SignedInBrowser,
  language?: string,
): Promise<Response> {
  const visit = chosen(given, language)
  const locale = languageOf(visit)
  const words = phoneWords[locale]
  const waiting = await waitingOf(rooms, known.user, locale)
  const { title, main } = inboxPage({ waiting, words, nowMs: rooms.clock.nowMs(), state: stateOfInbox(waiting) })
  return phonePage(visit, { title, main, known, locale, script: "inbox", tab: "approvals", path: "/approvals" })
}

/**
 * A request's card, to be decided, or what became of it; of several, those that `without` names have no tick. Showing it changes
 * nothing. Throws `approval-unknown`.
 */
export async function showApproval(
  rooms: Rooms,
  given: Visit,
  known: SignedInBrowser,
  { id, language, without = "" }: { id: string; language?: string | undefined; without?: string | undefined },
): Promise<Response> {
  const visit = chosen(given, language)
  const locale = languageOf(visit)
  const words = phoneWords[locale]
  const asked = await askedOf(rooms, known.user, id, locale)
  const page = { known, locale, script: "approve" } as const
  const links = linksOf(locale, `/approvals/${id}`, html`<a href="/approvals">${words.back}</a>`)
  const tokenOf = (own: string) => formToken(visit.cookies.signedIn!, own)
  if (!isWaiting(asked, known.user)) {
    const waiting = (await waitingOf(rooms, known.user, locale)).length
    return phonePage(visit, { ...page, ...decidedPage(asked, { known, words, links, waiting, locale, tokenOf }) })
  }
  const all = await togetherWith(rooms, known.user, asked)
  const say = all.flatMap(({ approval }) => sayOf(approval, known.user))
  const offer = await offerTo(rooms, known, { asked: all, say })
  const drawn = decidingPage({
    asked: all,
    offer,
    // A tap leaves nothing to anybody.
    leave: offer === "sign" && all.length === 1 ? await leaveToOffer(rooms, asked.approval) : null,
    hasMoreTime: (await rooms.approvals.extendable(all.map(({ approval }) => approval.id))).length > 0,
    without: new Set(without.split(".")),
    words,
    links,
    locale,
    issuer: visit.issuer,
    nowMs: rooms.clock.nowMs(),
    tokenOf,
  })
  return phonePage(visit, { ...page, ...drawn })
}

/** How this person may approve them all, by what the configuration takes for their rungs, and by who asks them. */
async function offerTo(
  rooms: Rooms,
  { user }: SignedInBrowser,
  { asked, say }: { asked: readonly Asked[]; say: readonly Requirement[] },
): Promise<Offer> {
  const { approvals } = rooms
  const part = approvals.part()
  const isCounting = (way: Way) => say.every(({ rung }) => counts(part, rung, way))
  if (isCounting("session")) return "tap"
  const passkeys = await approvals.passkeys.list(user.id)
  const hasPasskey = passkeys.some((each) => each.isCounting)
  if (isCounting("passkey") && hasPasskey) return "sign"
  if (isCounting("step-up")) return "step-up"
  const there = await proofThere(
    rooms,
    user.id,
    asked.map(({ approval }) => approval.id),
  )
  if (there === "session") return "tap"
  if (there === "passkey") return hasPasskey ? "sign" : "enrol"
  return isCounting("passkey") ? "enrol" : "there"
}

/** What somebody was asked before. */
export async function showHistory(
  rooms: Rooms,
  given: Visit,
  known: SignedInBrowser,
  language?: string,
): Promise<Response> {
  const visit = chosen(given, language)
  const locale: Locale = languageOf(visit)
  const words = phoneWords[locale]
  const found = await rooms.approvals.list({ person: known.user, limit: MOST_LISTED })
  const over = found.filter(
    (each) => sayOf(each, known.user).length > 0 && (!each.isOpen || saidOf(each, known.user) !== null),
  )
  const { title, main } = historyPage({ over, words, locale, person: known.user })
  return phonePage(visit, { title, main, known, locale, tab: "history", path: "/approvals/history" })
}
