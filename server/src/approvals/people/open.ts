import type { Audit, Change } from "#audit"
import { type Database, type Id, type Keyring, Refusal } from "#kernel"
import { type ChannelName, type Channels, type Locale, localeOf, wordsForCode } from "../channels/index.ts"
import {
  confirming,
  contactsOf,
  forgetting,
  forgettingBrowsers,
  type KnownContact,
  keeping,
  type OwnContact,
  offering,
  quietContext,
} from "./contacts.ts"
import { type QuietHours, quietHoursSchema } from "./quiet.ts"
import { openStandIns, type StandIns } from "./stand-ins/stand-ins.ts"
import * as store from "./store.ts"

/** How somebody is reached, and when not. */
export type Reach = { locale: Locale; quietHours: QuietHours | null; contacts: KnownContact[] }

/** What a person sets. */
export type Wishes = { locale: string; quietHours: unknown }

/** How people are reached: of each their language, quiet hours and contacts, sealed and theirs to erase. */
export interface People {
  reach(user: Id<"user">): Promise<Reach>
  /** Keeps what a person wishes. Throws `invalid-request`. */
  wish(user: Id<"user">, wishes: Wishes): Change<void>
  /** Keeps a browser that takes push messages. Throws `invalid-request`. */
  subscribe(user: Id<"user">, contact: OwnContact & { kind: "push" }): Change<Id<"contact">>
  /** Keeps an address that the claims of the person's provider say is theirs. */
  adopt(user: Id<"user">, contact: OwnContact & { kind: "email" }): Change<Id<"contact">>
  /**
   * Keeps an address or number, and sends a code there; `url` is the page where it is entered. Throws `invalid-request`,
   * `rate-limited`, `not-ready` when the code could not be sent.
   */
  offer(user: Id<"user">, contact: OwnContact & { kind: "email" | "sms" }, url: string): Promise<Id<"contact">>
  /** True when the code was the one that was sent; each is one of five tries. */
  confirm(user: Id<"user">, id: string, code: string): Promise<boolean>
  /** Forgets one. Throws `not-found`. */
  remove(user: Id<"user">, id: string): Promise<void>
  /** Forgets every browser of theirs. */
  forgetBrowsers(user: Id<"user">): Change<number>
  /** Forgets a contact of which its channel says that it is gone. */
  gone(user: Id<"user">, id: string): Change<string | null>
  /** Erases everything of a person that is here; how many contacts there were. `by` is the SPIFFE ID of who does. */
  forget(user: Id<"user">, by: string): Promise<number>
  standIns: StandIns
}

/** What they stand on. */
export type PeopleParts = { database: Database; audit: Audit; keyring: Keyring; channels: Channels; nowMs(): number }

const CODE_SECONDS = 600

/** Opens them. */
export function openPeople(parts: PeopleParts): People {
  const { database, audit, keyring, channels } = parts
  const reach = async (user: Id<"user">): Promise<Reach> => {
    const [person, contacts] = await Promise.all([store.readPerson(database, user), contactsOf(parts, user)])
    const sealed = person.quiet_hours
    const quietHours =
      sealed === null ? null : (JSON.parse(keyring.open(quietContext(user), sealed).toString()) as QuietHours)
    return { locale: person.locale, quietHours, contacts }
  }
  return {
    reach,
    wish(user, wishes) {
      const quietHours = parseQuietHours(wishes.quietHours)
      const sealed = quietHours === null ? null : keyring.seal(quietContext(user), JSON.stringify(quietHours))
      return {
        async work(tx) {
          await store.lockPerson(tx, user)
          await store.writePerson(tx, user, { locale: localeOf(wishes.locale), quietHours: sealed })
        },
        entries: () => [{ event: "approvals.wishes-changed", by: user, user, data: { isQuiet: quietHours !== null } }],
      }
    },
    subscribe(user, contact) {
      const channel = channels.find("push")
      const isTaken = channel?.canReach(contact) === true
      if (!isTaken)
        throw new Refusal("invalid-request", "This browser's push subscription is not one that can be used.")
      return keeping(keyring, { user, contact, by: "browser" })
    },
    adopt: (user, contact) => keeping(keyring, { user, contact, by: "provider" }),
    async offer(user, contact, url) {
      requireChannel(channels, contact.kind)
      const { result } = await audit.commit(offering(keyring, { user, contact }))
      if (result.code === null) return result.id
      // A crash here leaves a contact that counts for nothing, and a code that nobody got: the person asks for another.
      const { locale } = await reach(user)
      const sent = await channels.deliver(
        {
          ...wordsForCode(locale, result.code),
          id: `code_${result.id}`,
          url,
          receiptUrl: null,
          count: 1,
          expiresAtMs: parts.nowMs() + CODE_SECONDS * 1_000,
          isSilent: false,
          topic: result.id,
        },
        contact,
      )
      if (sent.outcome === "delivered") return result.id
      throw new Refusal(
        "not-ready",
        "The code could not be sent. See that it is written correctly, or try again later.",
      )
    },
    async confirm(user, id, code) {
      return (await audit.commit(confirming(keyring, { user, id, code }))).result
    },
    async remove(user, id) {
      const { result } = await audit.commit(forgetting(user, id, user))
      if (result === null) throw new Refusal("not-found", "This is not among the ways to reach you any more.")
    },
    forgetBrowsers: forgettingBrowsers,
    gone: (user, id) => forgetting(user, id, "server"),
    async forget(user, by) {
      const { result } = await audit.commit({
        work: (tx) => store.deletePerson(tx, user),
        entries: (contacts) => [{ event: "approvals.person-forgotten", by, user, data: { contacts } }],
      })
      return result
    },
    standIns: openStandIns(parts),
  }
}

/** The quiet hours that a form or a program gives; null for none. Throws `invalid-request`. */
function parseQuietHours(given: unknown): QuietHours | null {
  if (given === null) return null
  const parsed = quietHoursSchema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new Refusal("invalid-request", `Quiet hours: ${parsed.error.issues[0]?.message ?? "not valid"}.`)
}

function requireChannel(channels: Channels, kind: ChannelName): void {
  if (channels.find(kind) === null) throw new Refusal("invalid-request", "Nothing is sent this way here.")
}
