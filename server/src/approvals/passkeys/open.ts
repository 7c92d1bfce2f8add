import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from "@simplewebauthn/server"
import type { Audit, Change } from "#audit"
import { type Database, fromBase64url, type Id, Refusal, random, sha256 } from "#kernel"
import type { SignedInBrowser } from "#sessions"
import type { ApprovalsPart } from "../part.ts"
import type { Proven } from "../proof.ts"
import { enrolling, labelOf, requireFresh, type Vouched } from "./enrol.ts"
import { confirming, losing, revoking, unknownPasskey } from "./lose.ts"
import type { Passkey } from "./passkey.ts"
import {
  challengeIn,
  type RegistrationAnswer,
  readRegistration,
  registrationOptions,
  vouchingChallenge,
} from "./register.ts"
import { requireSite, type Site, siteOf } from "./site.ts"
import * as store from "./store.ts"
import { type AssertionAnswer, assertionOptions, readAssertion } from "./verify.ts"

/** A browser that somebody is signed in with; `browser` is the value of its cookie. */
export type AtBrowser = { known: SignedInBrowser; browser: string }

/** What a browser brings to let a new key in. */
export type Enrolment = AtBrowser & {
  answer: RegistrationAnswer
  /** The user's own words for it. */
  label: string
  /** By a key that counts, over vouchingChallenge(); null where there is none. */
  vouching: AssertionAnswer | null
}

/** Keys that people sign approvals with. Whether one counts is judged by the database's clock. */
export interface Passkeys {
  /** The site that they are for. Throws `passkeys-unavailable` where the public URL has no name, or another than the first key's. */
  site(): Promise<Site>
  /** Every key of a user's that ever was, the oldest first. */
  list(user: string): Promise<Passkey[]>
  /** The key of that credential id, whosever it is or was; null when there never was one. */
  find(credentialId: string): Promise<Passkey | null>
  /** Keys of anybody's that wait for somebody to confirm them, or for their time. */
  waiting(): Promise<Passkey[]>
  /** What a page makes a key with; good once, in this browser, for this user, for five minutes. Throws `login-required`, `passkeys-unavailable`, `passkey-limit`. */
  registrationOptions(at: AtBrowser & { name: string }): Promise<PublicKeyCredentialCreationOptionsJSON>
  /**
   * Lets a key in that was verified: at once when it is the user's first or an older one vouches for it, else after the time that
   * the configuration gives. Throws `passkey-invalid`, `login-required`, `passkey-required`; its work `passkey-invalid`.
   */
  enrol(enrolment: Enrolment): Promise<Change<Passkey>>
  /** What a page asks for a signature of these 32 bytes with. Throws `passkey-unknown` for a user without a key that counts. */
  assertionOptions(user: string, challenge: Buffer): Promise<PublicKeyCredentialRequestOptionsJSON>
  /**
   * Verifies that a key of the user's that counts signed exactly these bytes, and notes its use. Throws `passkey-invalid`,
   * `passkey-unknown` for another's, one that is revoked or one that waits still.
   */
  verify(user: string, challenge: Buffer, answer: AssertionAnswer): Promise<Proven>
  /** Holds the key of a proof as it is until the transaction ends. The work throws `passkey-unknown` when it was revoked meanwhile. */
  holding(user: string, proven: Proven): Change<void>
  /** Throws `invalid-request`; its work `passkey-unknown`. */
  rename(of: { id: string; user: Id<"user">; label: string }): Change<void>
  /** Revokes one of the user's. The work throws `passkey-unknown`. */
  revoke(of: { id: string; user: Id<"user"> }): Change<Passkey>
  /** The user lost a device, and does not say which keys were on it: all are revoked, and the user is told wherever they can be. */
  lose(user: Id<"user">): Change<Passkey[]>
  /** An operator says that a waiting key is its owner's. The work throws `passkey-unknown`. */
  confirm(id: string, by: string): Change<Passkey>
}

/** What they stand on. */
export type PasskeysParts = {
  database: Database
  audit: Pick<Audit, "commit">
  issuer: string
  part: () => ApprovalsPart
}

/** Opens them. */
export function openPasskeys({ database, audit, issuer, part }: PasskeysParts): Passkeys {
  const site = async (): Promise<Site> => {
    const found = siteOf(issuer)
    requireSite(found, await store.readSite(database))
    return found
  }
  const counting = async (user: string) => (await store.listPasskeys(database, user)).filter((each) => each.isCounting)

  /** The key of a signature, with what it signed. A use that the counter contradicts is recorded. */
  const readSigned = async (user: string, challenge: Buffer, answer: AssertionAnswer) => {
    const at = await site()
    const credentialId = idOf(answer.id)
    const key = credentialId === null ? null : await store.findPasskey(database, { user, credentialId })
    if (key === null || !key.isCounting) throw unknownPasskey(key)
    const { evidence, facts } = await readAssertion(at, { answer, challenge, key })
    const { counter, isBackedUp } = facts
    if (await store.usePasskey(database, { id: key.id, counter, isBackedUp })) return { key, evidence }
    const again = await store.findPasskey(database, { user, credentialId: credentialId! })
    if (again === null || !again.isCounting) throw unknownPasskey(again)
    await audit.commit({
      entries: () => [
        { event: "approvals.passkey-suspected", by: user, user: key.user, data: { passkey: key.id, counter } },
      ],
    })
    const message = "A copy of this passkey seems to be in use elsewhere. Revoke it, and add a new one."
    throw new Refusal("passkey-invalid", message)
  }

  return {
    site,
    list: (user) => store.listPasskeys(database, user),
    async find(text) {
      const credentialId = idOf(text)
      return credentialId === null ? null : await store.findCredential(database, credentialId)
    },
    waiting: () => store.listWaiting(database),
    async registrationOptions({ known, browser, name }) {
      requireFresh(known)
      const at = await site()
      const existing = (await store.listPasskeys(database, known.user.id)).filter(({ revokedAt }) => revokedAt === null)
      const challenge = random(32)
      await store.insertEnrolment(database, { challenge, browser: sha256(browser), user: known.user.id })
      // A crash here leaves a challenge that nobody has; it is forgotten.
      return await registrationOptions(at, { challenge, user: known.user.id, name, existing })
    },
    async enrol({ known, browser, answer, label, vouching }) {
      requireFresh(known)
      const at = await site()
      const challenge = challengeIn(answer)
      if (challenge === null) throw new Refusal("passkey-invalid", "This is no answer to what the page asked for.")
      const registered = await readRegistration(at, answer, challenge)
      const { user } = known
      const vouched: Vouched | null =
        vouching === null ? null : await readSigned(user.id, vouchingChallenge(answer), vouching)
      const given = { challenge, browser: sha256(browser), user: user.id }
      return enrolling({ site: at, part: part(), user, given, registered, label, vouched, answer })
    },
    async assertionOptions(user, challenge) {
      const keys = await counting(user)
      if (keys.length === 0) throw unknownPasskey(null)
      return await assertionOptions(await site(), { challenge, keys })
    },
    async verify(user, challenge, answer) {
      const { evidence } = await readSigned(user, challenge, answer)
      return { way: "passkey", evidence }
    },
    holding: (user, { evidence }) => ({
      async work(tx) {
        const credentialId = idOf(evidence["credentialId"])
        if (credentialId === null || !(await store.holdPasskey(tx, { user, credentialId }))) throw unknownPasskey(null)
      },
      entries: () => [],
    }),
    rename({ id, user, label: given }) {
      const label = labelOf(given)
      return {
        async work(tx) {
          if (!(await store.renamePasskey(tx, { id, user, label }))) throw unknownPasskey(null)
        },
        entries: () => [{ event: "approvals.passkey-renamed", by: user, user, data: { passkey: id } }],
      }
    },
    revoke: revoking,
    lose: losing,
    confirm: confirming,
  }
}

/** Null for what is no id of a credential. */
function idOf(text: unknown): Buffer | null {
  try {
    return typeof text === "string" ? fromBase64url(text) : null
  } catch {
    return null
  }
}
