import {
  type Approval,
  approvalOver,
  counts,
  type Locale,
  locales,
  type Person,
  renderCard,
  sayOf,
  shownOf,
} from "#approvals"
import { equal, fromBase64url, Refusal } from "#kernel"
import { providerEvidence, type SignedInBrowser } from "#sessions"
import { seeOther } from "../consent/pages/page.ts"
import { callbackOf } from "../consent/sign-in.ts"
import { placeOf, type Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { approve, challengeFor } from "./decide.ts"
import { personOf } from "./person.ts"

/** What somebody decides by proving anew who they are: these requests, in this order, by the cards in this language. */
export type SteppingUpFor = { ids: readonly string[]; locale: Locale }

/**
 * Where somebody goes at their provider, to prove anew who they are and to have it sign over what they approve. Nothing is decided by it.
 * Throws `approval-unknown`, `approval-over`, `proof-insufficient` where that would not count, and what beginning a sign-in does.
 */
export async function beginStepUp(
  rooms: Rooms,
  visit: Visit,
  { user }: SignedInBrowser,
  { ids, locale }: SteppingUpFor,
): Promise<string> {
  const { challenge, approvals } = await challengeFor(rooms, user, { ids, shown: cardIn(locale) })
  requireCounting(rooms, user, approvals)
  const redirectUri = callbackOf(visit.issuer, user.provider)
  const { url, pending } = await rooms.sessions.providers.beginStepUp({
    provider: user.provider,
    redirectUri,
    challenge,
  })
  const requests = approvals.map(({ id }) => id)
  await rooms.approvals.ways.keepStepUp({ browser: visit.browser, user: user.id, requests, locale, pending })
  // A crash here leaves a step-up that no browser was sent with; it is forgotten.
  return url
}

/**
 * Somebody is back from their provider, in the browser that was sent there: what they went for is approved, if it is they. Null
 * where no step-up was begun with that state. Throws `sign-in-failed`, `approval-unknown`, `approval-over`, `proof-insufficient`.
 */
export async function comeBackFromStepUp(
  rooms: Rooms,
  visit: Visit,
  provider: string,
  given: { readonly [name: string]: string },
): Promise<Response | null> {
  const taken = await rooms.approvals.ways.takeStepUp({ state: given["state"] ?? "", browser: visit.browser, provider })
  if (taken === null) return null
  const { pending, requests, locale } = taken
  const known = await rooms.sessions.findUser({ id: taken.user })
  if (known === null || known.provider !== provider) throw failed()
  const url = new URL(callbackOf(visit.issuer, provider))
  url.search = new URLSearchParams(given).toString()
  const challenge = fromBase64url(pending.nonce)
  const proof = await rooms.sessions.providers.finishStepUp({ pending, url, user: known, challenge })
  const person = await personOf(rooms, known)
  const signed = await challengeFor(rooms, person, { ids: requests, shown: cardIn(localeOf(locale)) })
  // What they would sign by now is not what their provider signed over.
  if (!equal(signed.challenge, challenge)) throw failed()
  await approve(rooms, person, signed, { way: "step-up", evidence: providerEvidence(proof) })
  // A crash here leaves an approval that is given; the card says so when it is opened again.
  return seeOther(placeOf(visit.issuer, `/approvals/${requests[0]!}`), visit.setCookies)
}

/** Nobody is sent away for what would not count. */
function requireCounting({ approvals: { part } }: Rooms, person: Person, approvals: readonly Approval[]): void {
  const isCounting = (approval: Approval) => sayOf(approval, person).some(({ rung }) => counts(part(), rung, "step-up"))
  if (approvals.every(isCounting)) return
  throw new Refusal("proof-insufficient", "Signing in anew is not enough to approve this. Sign it with your passkey.")
}

function cardIn(locale: Locale): (approval: Approval) => ReturnType<typeof shownOf> {
  return (approval) => {
    if (approval.facts === null) throw approvalOver(approval)
    return shownOf(renderCard(approval.facts, locale))
  }
}

function localeOf(text: string): Locale {
  return locales.find((each) => each === text) ?? "en"
}

function failed(): Refusal {
  return new Refusal("sign-in-failed", "What you proved is about something else than what waits for you. Begin again.")
}
