import type { Change, Draft } from "#audit"
import { type Json, newId, Refusal } from "#kernel"
import { plainText, type SignedInBrowser, type User } from "#sessions"
import type { PasskeyEvidence } from "../evidence/assertion.ts"
import { insertNotice } from "../notices/store.ts"
import type { ApprovalsPart } from "../part.ts"
import { MOST_PASSKEYS, type Passkey } from "./passkey.ts"
import type { RegisteredKey, RegistrationAnswer } from "./register.ts"
import { requireSite, type Site } from "./site.ts"
import * as store from "./store.ts"

/** How long ago somebody has proven to their provider who they are, at the most, who makes a key or loses all. */
export const FRESH_SECONDS = 300

/** Refuses who did so longer ago: a browser that was left open makes nobody a key. Throws `login-required`. */
export function requireFresh({ ageSeconds }: SignedInBrowser): void {
  if (ageSeconds <= FRESH_SECONDS) return
  throw new Refusal("login-required", "Sign in once more: this needs you to have done so within the last five minutes.")
}

/** An older key of the same user's that signed for the new one. */
export type Vouched = { key: Passkey; evidence: PasskeyEvidence }

/** A key that was verified, and all that it stands on. */
export type Enrolling = {
  site: Site
  part: ApprovalsPart
  user: User
  /** What the browser was given. */
  given: store.EnrolmentRow
  registered: RegisteredKey
  label: string
  vouched: Vouched | null
  answer: RegistrationAnswer
}

/**
 * Lets the key in. Who could make one so easily as their first would take an account over by losing its keys, so any later one
 * needs an older one's signature, or time in which its owner is told (decision 25).
 */
export function enrolling({ site, part, user, given, registered, label, vouched, answer }: Enrolling): Change<Passkey> {
  const own = labelOf(label)
  const entry = newId("entry")
  return {
    async work(tx) {
      await store.lockPasskeysOf(tx, user.id)
      if (!(await store.takeEnrolment(tx, given))) {
        const message = "This passkey was begun elsewhere, was finished already, or took too long. Begin again."
        throw new Refusal("passkey-invalid", message)
      }
      requireSite(site, await store.fixSite(tx, site.rpId))
      const admittedBy = await admit(tx, user.id, vouched)
      const { afterLoss } = part.passkeys
      const passkey = await store.insertPasskey(tx, {
        ...registered,
        id: newId("passkey"),
        user: user.id,
        label: own,
        admittedBy,
        enrolledEntry: entry,
        countsInSeconds: admittedBy !== "recovery" ? 0 : afterLoss === "operator" ? null : afterLoss,
      })
      if (passkey === null) throw new Refusal("passkey-invalid", "This passkey is somebody's already. Make a new one.")
      await insertNotice(tx, { user: user.id, kind: "enrolled", isCritical: true })
      return passkey
    },
    entries: (passkey) => [enrolledDraft(passkey, { site, user, vouched, answer })],
  }
}

/** How a new key comes in. Throws `passkey-required`, `passkey-limit`. */
async function admit(
  tx: Parameters<typeof store.lockPasskeysOf>[0],
  user: string,
  vouched: Vouched | null,
): Promise<Passkey["admittedBy"]> {
  const all = await store.listPasskeys(tx, user)
  const left = all.filter(({ revokedAt }) => revokedAt === null)
  if (left.length >= MOST_PASSKEYS) {
    throw new Refusal("passkey-limit", `You have ${MOST_PASSKEYS} passkeys. Revoke one that you do not use.`)
  }
  if (vouched !== null && left.some(({ id, isCounting }) => isCounting && id === vouched.key.id)) return "passkey"
  if (left.some(({ isCounting }) => isCounting)) {
    const message = "Confirm the new passkey with one that you have; if you have none any more, say that you lost it."
    throw new Refusal("passkey-required", message)
  }
  return all.length === 0 ? "first" : "recovery"
}

/** The user's own words for a key, on one line. Throws `invalid-request`. */
export function labelOf(text: string): string {
  const label = plainText(text.trim(), "The name of a passkey")
  if (label.length <= 60 && !label.includes("\n")) return label
  throw new Refusal("invalid-request", "The name of a passkey is one line of 60 characters at the most.")
}

/** What makes old approvals verifiable: the key, and whose it is as a commitment. Its name is the user's own affair. */
function enrolledDraft(
  passkey: Passkey,
  { site, user, vouched, answer }: Pick<Enrolling, "site" | "user" | "vouched" | "answer">,
): Draft {
  const { clientDataJSON, attestationObject } = answer.response
  const { iss, sub } = user
  return {
    id: passkey.enrolledEntry,
    event: "approvals.passkey-enrolled",
    by: user.id,
    user: user.id,
    data: {
      passkey: passkey.id,
      credentialId: passkey.credentialId,
      publicKey: passkey.publicKey,
      algorithm: passkey.algorithm,
      rpId: site.rpId,
      origin: site.origin,
      aaguid: passkey.aaguid,
      isBackupEligible: passkey.isBackupEligible,
      isBackedUp: passkey.isBackedUp,
      admittedBy: passkey.admittedBy,
      vouchedBy: vouched === null ? null : vouched.key.credentialId,
      countsFrom: passkey.countsFrom?.toISOString() ?? null,
    },
    personal: {
      iss,
      sub,
      registration: { clientDataJSON, attestationObject } as Json,
      ...(vouched === null ? {} : { vouching: vouched.evidence as Json }),
    },
  }
}
