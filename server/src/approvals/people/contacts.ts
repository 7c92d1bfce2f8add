import { randomInt } from "node:crypto"
import type { Change } from "#audit"
import { canonical, equal, type Id, type Json, type Keyring, newId, Refusal, type Transaction } from "#kernel"
import { type Contact, isAddress, isNumber } from "../channels/index.ts"
import * as store from "./store.ts"

/** What a person may be reached by, of their own. */
export type OwnContact = Exclude<Contact, { kind: "webhook" }>

/** A contact of a person's, opened. `isVerified` says that it counts. */
export type KnownContact = { id: Id<"contact">; isVerified: boolean; contact: OwnContact }

/** Contacts of one kind that one person may have. */
const MOST = 5
const CODE_SECONDS = 600
const MAX_TRIES = 5
/** A day. */
const MAX_CODES = 10

/** The person's contacts, the oldest first. Throws `key-unusable`. */
export async function contactsOf(
  { database, keyring }: { database: Transaction; keyring: Keyring },
  user: string,
): Promise<KnownContact[]> {
  const rows = await store.readContacts(database, user)
  return rows.map((row) => ({ id: row.id, isVerified: row.verified_by !== null, contact: opened(keyring, row) }))
}

/**
 * Keeps a contact that is known to be the person's: their signed-in browser brought it, or claims of their provider say so. The
 * same again changes nothing. Throws `invalid-request` when there are too many.
 */
export function keeping(
  keyring: Keyring,
  { user, contact, by }: { user: Id<"user">; contact: OwnContact; by: "browser" | "provider" },
): Change<Id<"contact">> {
  let isNew = false
  return {
    async work(tx) {
      const { id, isKnown, wasVerified } = await insertOnce(tx, keyring, user, contact)
      isNew = !isKnown || !wasVerified
      if (isNew) await store.markVerified(tx, id, by)
      return id
    },
    entries: () =>
      isNew ? [{ event: "approvals.contact-verified", by: user, user, data: { kind: contact.kind, by } }] : [],
  }
}

/**
 * Keeps a contact that counts for nothing before the code that comes with it, sent there, was entered; the code is null for one
 * that counts already. Throws `invalid-request`, and `rate-limited` when too many codes were sent today: strangers get them.
 */
export function offering(
  keyring: Keyring,
  { user, contact }: { user: Id<"user">; contact: OwnContact },
): Change<{ id: Id<"contact">; code: string | null }> {
  requireForm(contact)
  return {
    async work(tx) {
      const { id, wasVerified } = await insertOnce(tx, keyring, user, contact)
      if (wasVerified) return { id, code: null }
      if (!(await store.countCode(tx, user, MAX_CODES))) {
        throw new Refusal("rate-limited", "Too many codes were sent for you today. Try again tomorrow.")
      }
      const code = String(randomInt(0, 1_000_000)).padStart(6, "0")
      const sealed = keyring.seal(codeContext(id), code)
      await store.writeCode(tx, id, { sealed, ttlSeconds: CODE_SECONDS })
      return { id, code }
    },
    entries: ({ code }) =>
      code === null ? [] : [{ event: "approvals.contact-offered", by: user, user, data: { kind: contact.kind } }],
  }
}

/**
 * What came of a code: true when the contact counts from now on. Each call is one of five tries, also when it is refused: the
 * change is to be committed whatever it says.
 */
export function confirming(
  keyring: Keyring,
  { user, id, code }: { user: Id<"user">; id: string; code: string },
): Change<boolean> {
  return {
    async work(tx) {
      await store.lockPerson(tx, user)
      const sealed = await store.takeTry(tx, { user, id, maxTries: MAX_TRIES })
      if (sealed === null) return false
      const isRight = equal(keyring.open(codeContext(id), sealed), Buffer.from(code))
      if (isRight) await store.markVerified(tx, id, "code")
      return isRight
    },
    entries: (isRight) =>
      isRight ? [{ event: "approvals.contact-verified", by: user, user, data: { by: "code" } }] : [],
  }
}

/** Forgets a contact; `by` is the person, or the server for one that is gone. Null when it is not theirs. */
export function forgetting(user: Id<"user">, id: string, by: string): Change<string | null> {
  return {
    work: (tx) => store.deleteContact(tx, user, id),
    entries: (kind) => (kind === null ? [] : [{ event: "approvals.contact-forgotten", by, user, data: { kind } }]),
  }
}

/** Forgets every browser of a person's: one of them is in other hands, takes what is told, and keeps other channels silent. */
export function forgettingBrowsers(user: Id<"user">): Change<number> {
  return {
    work: (tx) => store.deleteBrowsers(tx, user),
    entries: (count) =>
      Array.from({ length: count }, () => {
        return { event: "approvals.contact-forgotten", by: user, user, data: { kind: "push" } }
      }),
  }
}

/** Seals anew what another key-encryption key sealed of people. Returns how many; repeated until it returns 0. */
export async function resealPeople(database: Transaction, keyring: Keyring): Promise<number> {
  const stale = (await store.readSealed(database)).filter(({ sealed }) => !keyring.isCurrent(sealed))
  for (const row of stale) {
    const context = { contact: contactContext, code: codeContext, quiet: quietContext }[row.place](row.id)
    await store.replaceSealed(database, row, keyring.seal(context, keyring.open(context, row.sealed)))
    // A crash here leaves the others under the old key, which opens them still; the next run goes on.
  }
  return stale.length
}

/** Where quiet hours rest sealed. */
export function quietContext(user: string): string {
  return `approvals.people/${user}/quiet`
}

async function insertOnce(tx: Transaction, keyring: Keyring, user: string, contact: OwnContact) {
  await store.lockPerson(tx, user)
  const rows = await store.readContacts(tx, user)
  const same = rows.find((row) => canonical(opened(keyring, row) as Json) === canonical(contact as Json))
  if (same !== undefined) return { id: same.id, isKnown: true, wasVerified: same.verified_by !== null }
  if (rows.filter(({ kind }) => kind === contact.kind).length >= MOST) {
    throw new Refusal("invalid-request", `There are ${MOST} of this kind already. Remove one first.`)
  }
  const id = newId("contact")
  const sealed = keyring.seal(contactContext(id), canonical(contact as Json))
  await store.insertContact(tx, user, { id, kind: contact.kind, sealed, verified_by: null })
  return { id, isKnown: false, wasVerified: false }
}

function requireForm(contact: OwnContact): void {
  const isForm =
    contact.kind === "email" ? isAddress(contact.address) : contact.kind === "sms" && isNumber(contact.number)
  if (isForm) return
  throw new Refusal("invalid-request", "Write an address as name@example.org, or a number as +49301234567.")
}

function opened(keyring: Keyring, { id, sealed }: store.ContactRow): OwnContact {
  return JSON.parse(keyring.open(contactContext(id), sealed).toString("utf8")) as OwnContact
}

function contactContext(id: string): string {
  return `approvals.contacts/${id}`
}

function codeContext(id: string): string {
  return `approvals.contacts/${id}/code`
}
