import { FRESH_SECONDS, isAddress, type KnownContact, type StandIn } from "#approvals"
import { type Id, parseJson, Refusal } from "#kernel"
import { inSight, type SignedInBrowser } from "#sessions"
import { placeOf, type Visit } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { languageOf } from "./language.ts"
import { notificationsMain, notificationsPath, type ShownStandIn } from "./notifications-page.ts"
import { type NotificationWords, notificationWords } from "./notifications-words.ts"
import { tokensOf } from "./own-form.ts"
import { phonePage } from "./page.ts"
import { notFresh } from "./passkeys.ts"

const DAY_SECONDS = 86_400

/** The page on which somebody says how they are told. `problem` picks a sentence on what just failed. */
export async function showNotifications(
  rooms: Rooms,
  visit: Visit,
  known: SignedInBrowser,
  problem: ((words: NotificationWords) => string) | null = null,
): Promise<Response> {
  const { channels, people } = rooms.approvals
  const locale = languageOf(visit)
  const words = notificationWords[locale]
  const [reach, pushKey, standIns] = await Promise.all([
    people.reach(known.user.id),
    channels.pushKey(),
    shownStandIns(rooms, known),
  ])
  const adoptable = addressOf(known)
  const isUsed = ({ contact }: KnownContact) => contact.kind === "email" && contact.address === adoptable
  const main = notificationsMain(
    {
      ...reach,
      channels: channels.order(),
      pushKey,
      adoptable: reach.contacts.some((each) => each.isVerified && isUsed(each)) ? null : adoptable,
      groups: groupsOf(rooms, known),
      standIns,
      isFresh: known.ageSeconds <= FRESH_SECONDS,
      problem: problem === null ? null : problem(words),
    },
    { words, tokenOf: tokensOf(visit) },
  )
  const status = problem === null ? 200 : 422
  const page = { title: words.title, main, known, locale, tab: "me", path: notificationsPath, status } as const
  return phonePage(visit, { ...page, script: "notifications" })
}

/** Keeps the browser that takes push messages. Throws `invalid-request`. */
export async function subscribeBrowser(rooms: Rooms, { user }: SignedInBrowser, subscription: string): Promise<void> {
  const { endpoint, keys } = parsed(subscription)
  const { p256dh, auth } = (keys ?? {}) as { [name: string]: unknown }
  if (typeof endpoint !== "string" || typeof p256dh !== "string" || typeof auth !== "string") {
    throw new Refusal("invalid-request", "This browser's push subscription is not one that can be used.")
  }
  const contact = { kind: "push", endpoint, p256dh, auth } as const
  await rooms.audit.commit(rooms.approvals.people.subscribe(user.id, contact))
}

/** Keeps the address that the person's provider says is theirs. Throws `invalid-request` where it says none. */
export async function adoptAddress(rooms: Rooms, known: SignedInBrowser): Promise<void> {
  const address = addressOf(known)
  if (address === null) throw new Refusal("invalid-request", "Your provider does not say which address is yours.")
  await rooms.audit.commit(rooms.approvals.people.adopt(known.user.id, { kind: "email", address }))
}

/** Sends a code to an address or number. Throws `invalid-request`, `rate-limited`, `not-ready`. */
export async function offerContact(
  rooms: Rooms,
  visit: Visit,
  { user }: SignedInBrowser,
  { kind, value }: { kind: "email" | "sms"; value: string },
): Promise<void> {
  const url = placeOf(visit.issuer, notificationsPath)
  const text = value.trim()
  const contact = kind === "email" ? { kind, address: text } : { kind, number: text.replaceAll(/[ ()/.-]/g, "") }
  await rooms.approvals.people.offer(user.id, contact, url)
}

/** Keeps when and in which language somebody is told; both times empty: always. Throws `invalid-request`. */
export async function keepWishes(
  rooms: Rooms,
  { user }: SignedInBrowser,
  { language, from, to, timeZone }: { language: string; from: string; to: string; timeZone: string },
): Promise<void> {
  const quietHours = from === "" && to === "" ? null : { from, to, timeZone: timeZone.trim() }
  await rooms.audit.commit(rooms.approvals.people.wish(user.id, { locale: language, quietHours }))
}

/**
 * Lets somebody stand in, who then signs with a key of their own: so it takes more than the cookie of who is away. False when nobody of
 * that name signed in here. Throws `invalid-request`, `login-required`.
 */
export async function appointStandIn(
  rooms: Rooms,
  known: SignedInBrowser,
  { subject, days, groups }: { subject: string; days: number; groups: readonly string[] },
): Promise<boolean> {
  const { sessions, approvals, audit } = rooms
  if (known.ageSeconds > FRESH_SECONDS) throw notFresh()
  const memberOf = groupsOf(rooms, known)
  // Only members get to know who else signs in here.
  if (memberOf.length === 0) throw new Refusal("invalid-request", "You are a member of no group.")
  // No provider names anybody so, and PostgreSQL takes no NUL.
  if (/\p{Cc}/u.test(subject)) return false
  const found = await sessions.findUser({ iss: known.user.iss, sub: subject.trim() })
  if (found === null) return false
  const seconds = days * DAY_SECONDS
  const appointment = { user: known.user.id, standIn: found.id, groups: [...groups], startsInSeconds: 0, seconds }
  await audit.commit(approvals.people.standIns.appoint(appointment, memberOf))
  return true
}

/** Ends it, from either side. Throws `not-found`. */
export async function endStandIn(rooms: Rooms, { user }: SignedInBrowser, id: string): Promise<void> {
  const { result } = await rooms.audit.commit(rooms.approvals.people.standIns.revoke(user.id, id))
  if (result === null) throw new Refusal("not-found", "Nobody stands in here any more.")
}

/** Groups that somebody is a member of by the configuration in force. */
function groupsOf({ approvals }: Rooms, { user }: SignedInBrowser): string[] {
  const isOne = (member: { provider: string; subject: string }) =>
    member.provider === user.provider && member.subject === user.sub
  return Object.entries(approvals.part().groups).flatMap(([name, { members }]) => (members.some(isOne) ? [name] : []))
}

/** The address that the provider's claims say is the person's, and verified; by our names for the claims, and in a form that is written to. */
function addressOf({ user: { claims } }: SignedInBrowser): string | null {
  const [address, ...more] = claims["email"] ?? []
  const isVerified = claims["emailVerified"]?.length === 1 && claims["emailVerified"][0] === "true"
  return address !== undefined && more.length === 0 && isVerified && isAddress(address) ? address : null
}

async function shownStandIns({ approvals, sessions }: Rooms, { user }: SignedInBrowser): Promise<ShownStandIn[]> {
  const list = await approvals.people.standIns.list(user.id)
  const nameOf = async (id: Id<"user">) => inSight((await sessions.findUser({ id }))?.sub ?? id)
  return await Promise.all(
    list.map(async (each: StandIn) => {
      const isMine = each.user === user.id
      return { ...each, isMine, name: await nameOf(isMine ? each.standIn : each.user) }
    }),
  )
}

function parsed(subscription: string): { [name: string]: unknown } {
  try {
    const value = parseJson(subscription)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}
  } catch {
    return {}
  }
}
