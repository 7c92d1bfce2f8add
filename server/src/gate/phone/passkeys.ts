import {
  type AssertionAnswer,
  assertionSchema,
  FRESH_SECONDS,
  type Locale,
  type Passkey,
  type RegistrationAnswer,
  registrationSchema,
  vouchingChallenge,
} from "#approvals"
import { together } from "#audit"
import { type Id, parseJson, Refusal, refusalCode } from "#kernel"
import { inSight, type SignedInBrowser } from "#sessions"
import { revokeLeave } from "../approve/leave.ts"
import { setCookie } from "../consent/cookies.ts"
import { seeOther } from "../consent/pages/page.ts"
import { callbackOf } from "../consent/sign-in.ts"
import { placeOf, type Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { languageOf } from "./language.ts"
import { tokensOf } from "./own-form.ts"
import { phonePage } from "./page.ts"
import { listMain, lostMain, newMain } from "./passkeys-page.ts"
import { passkeyWords } from "./passkeys-words.ts"

/** Where somebody's passkeys are, where they add one, and where they say that they lost a device. */
export const passkeysPath = "/me/passkeys"
/** One word each, so that whoever signs in comes back to it. */
export const newPath = "/me/new-passkey"
/** The same. */
export const lostPath = "/me/lost-device"

/** The page with a user's passkeys. */
export async function showPasskeys(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  const locale = languageOf(visit)
  const words = passkeyWords[locale]
  const own = await standing(rooms, known)
  const main = listMain(own, { words, locale, tokenOf: tokensOf(visit) })
  return phonePage(visit, { title: words.title, main, known, locale, tab: "me", path: passkeysPath })
}

/** The page on which a passkey is made; whoever signed in a while ago does so again first. Throws `passkeys-unavailable`. */
export async function showNew(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  await rooms.approvals.passkeys.site()
  if (known.ageSeconds > FRESH_SECONDS) return await signInAnew(rooms, visit, known, newPath)
  const locale = languageOf(visit)
  const words = passkeyWords[locale]
  const all = await rooms.approvals.passkeys.list(known.user.id)
  const comes = comesIn(all)
  const { afterLoss } = rooms.approvals.part().passkeys
  const main = newMain({ comes, afterLoss }, { words, tokenOf: tokensOf(visit) })
  return phonePage(visit, { title: words.newTitle, main, known, locale, script: "enrol", tab: "me", path: newPath })
}

/** The page on which somebody says that they lost a device; nothing happens by opening it. */
export async function showLost(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  if (known.ageSeconds > FRESH_SECONDS) return await signInAnew(rooms, visit, known, lostPath)
  const locale = languageOf(visit)
  const words = passkeyWords[locale]
  const main = lostMain({ isDone: false }, { words, tokenOf: tokensOf(visit) })
  return phonePage(visit, { title: words.lostTitle, main, known, locale, tab: "me", path: lostPath })
}

/** Revokes everything of a user's that a lost device could be used for. Throws `login-required`. */
export async function loseDevice(rooms: Rooms, visit: Visit, known: SignedInBrowser): Promise<Response> {
  const { approvals, sessions } = rooms
  const { id } = known.user
  if (known.ageSeconds > FRESH_SECONDS) throw notFresh()
  const leaving = together(sessions.browsers.signOutAll({ user: id }), sessions.consents.cancel({ user: id }))
  const withdrawing = together(approvals.withdraw({ user: id }, "device-lost", id), leaving)
  // Whoever has the device would be told in their place, and may have let somebody stand in.
  const { people } = approvals
  const forgetting = together(people.forgetBrowsers(id), people.standIns.revokeAll(id))
  await rooms.audit.commit(together(approvals.passkeys.lose(id), together(forgetting, withdrawing)))
  // A crash here leaves what they gave leave for until its time; whoever says it again takes that back too. No more is given:
  // the keys to sign it with are gone.
  await takeLeaveBack(rooms, id)
  const locale: Locale = languageOf(visit)
  const words = passkeyWords[locale]
  const main = lostMain({ isDone: true }, { words, tokenOf: () => "" })
  const setCookies = [...visit.setCookies, setCookie(visit.issuer, "signedIn", null)]
  return phonePage({ ...visit, setCookies }, { title: words.lostDone, main, known, locale })
}

/** Whoever had the device may have given leave for more. */
async function takeLeaveBack(rooms: Rooms, user: Id<"user">): Promise<void> {
  for (const { id, isStanding } of await rooms.approvals.grants.list({ user, limit: 1_000 })) {
    if (!isStanding) continue
    await revokeLeave(rooms, { id, user }, user).catch((error: unknown) => {
      // Taken back by somebody else meanwhile.
      if (refusalCode(error) !== "not-found") throw error
    })
  }
}

/** What a page makes a passkey with. Throws `login-required`, `passkeys-unavailable`, `passkey-limit`. */
export async function creationOptions(rooms: Rooms, visit: Visit, known: SignedInBrowser) {
  const { provider, sub } = known.user
  const name = sub.length <= 64 ? `${inSight(sub)} (${provider})` : provider
  return { options: await rooms.approvals.passkeys.registrationOptions({ known, browser: visit.browser, name }) }
}

/** What a page has an older passkey sign for a newer one with. Throws `passkey-unknown`. */
export async function vouchingOptions(rooms: Rooms, known: SignedInBrowser, answer: RegistrationAnswer) {
  return { options: await rooms.approvals.passkeys.assertionOptions(known.user.id, vouchingChallenge(answer)) }
}

/** What comes with the form: JSON in hidden fields. */
export type NewForm = { label: string; answer: string; vouching?: string | undefined }

/** Lets a passkey in that the page had made. Throws what enrolling does, and `invalid-request`. */
export async function addPasskey(
  rooms: Rooms,
  visit: Visit,
  { known, form: { label, answer, vouching } }: { known: SignedInBrowser; form: NewForm },
): Promise<Response> {
  const given = {
    answer: read<RegistrationAnswer>(registrationSchema, answer),
    vouching: vouching === undefined || vouching === "" ? null : read<AssertionAnswer>(assertionSchema, vouching),
  }
  const change = await rooms.approvals.passkeys.enrol({ known, browser: visit.browser, label, ...given })
  await rooms.audit.commit(change)
  return seeOther(placeOf(visit.issuer, passkeysPath), visit.setCookies)
}

/** How a passkey that is made now would come in. */
export type ComesIn = "first" | "vouched" | "recovery"

function comesIn(all: readonly Passkey[]): ComesIn {
  if (all.length === 0) return "first"
  return all.some(({ isCounting }) => isCounting) ? "vouched" : "recovery"
}

async function standing(rooms: Rooms, { user }: SignedInBrowser): Promise<Passkey[]> {
  return (await rooms.approvals.passkeys.list(user.id)).filter(({ revokedAt }) => revokedAt === null)
}

/** Sends somebody to their provider, who proves anew who they are (`max_age=0`), and then comes back to the page. */
export async function signInAnew(
  rooms: Rooms,
  visit: Visit,
  { user }: SignedInBrowser,
  path: string,
): Promise<Response> {
  const { providers, browsers } = rooms.sessions
  const redirectUri = callbackOf(visit.issuer, user.provider)
  const { url, pending } = await providers.beginSignIn({ provider: user.provider, redirectUri, maxAgeSeconds: 0 })
  await browsers.keepSignIn(pending, visit.browser, null)
  // A crash here leaves a sign-in that no browser was sent with; it is forgotten.
  return seeOther(url, [...visit.setCookies, setCookie(visit.issuer, "after", path)])
}

/** What is done about somebody who signed in too long ago for it. */
export function notFresh(): Refusal {
  return new Refusal(
    "login-required",
    "Sign in once more: this needs you to have done so within the last five minutes.",
  )
}

function read<T>(schema: { safeParse(value: unknown): { data?: T | undefined } }, text: string): T {
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    value = undefined
  }
  const { data } = schema.safeParse(value)
  if (data !== undefined) return data
  throw new Refusal("invalid-request", "This is not what a passkey answers. Open the page again.")
}
