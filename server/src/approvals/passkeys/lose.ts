import type { Change, Draft } from "#audit"
import { type Id, newId, Refusal } from "#kernel"
import { insertNotice } from "../notices/store.ts"
import type { Passkey } from "./passkey.ts"
import * as store from "./store.ts"

/** Revokes one of the user's own. */
export function revoking({ id, user }: { id: string; user: Id<"user"> }): Change<Passkey> {
  const entry = newId("entry")
  return {
    async work(tx) {
      await store.lockPasskeysOf(tx, user)
      const passkey = await store.revokePasskey(tx, { user, id, entry })
      if (passkey === null) throw unknownPasskey(null)
      // Whoever has their browser may do this, and must not unseen.
      await insertNotice(tx, { user, kind: "lost", isCritical: true })
      return passkey
    },
    entries: (passkey) => [revokedDraft(passkey, "user")],
  }
}

/** Revokes every key of the user's at once, and has them told: whoever says this may not be who they seem. */
export function losing(user: Id<"user">): Change<Passkey[]> {
  return {
    async work(tx) {
      await store.lockPasskeysOf(tx, user)
      const left = (await store.listPasskeys(tx, user)).filter(({ revokedAt }) => revokedAt === null)
      const revoked: Passkey[] = []
      for (const { id } of left) {
        const passkey = await store.revokePasskey(tx, { user, id, entry: newId("entry") })
        if (passkey !== null) revoked.push(passkey)
      }
      await insertNotice(tx, { user, kind: "lost", isCritical: true })
      return revoked
    },
    entries: (revoked) => [
      { event: "approvals.device-lost", by: user, user, data: { passkeys: revoked.map(({ id }) => id) } },
      ...revoked.map((passkey) => revokedDraft(passkey, "lost")),
    ],
  }
}

/** An operator knows whose the key is, and does not wait. `by` is a SPIFFE ID. */
export function confirming(id: string, by: string): Change<Passkey> {
  const entry = newId("entry")
  return {
    async work(tx) {
      const passkey = await store.confirmPasskey(tx, { id, entry })
      if (passkey === null) throw new Refusal("passkey-unknown", "No such passkey waits for anybody to confirm it.")
      return passkey
    },
    entries: (passkey) => [
      {
        id: entry,
        event: "approvals.passkey-confirmed",
        by,
        user: passkey.user,
        data: {
          passkey: passkey.id,
          credentialId: passkey.credentialId,
          countsFrom: passkey.countsFrom?.toISOString() ?? null,
        },
      },
    ],
  }
}

/** For a key that is not there, is another's or is revoked, and one that does not count yet. */
export function unknownPasskey(found: Passkey | null): Refusal {
  if (found === null || found.revokedAt !== null) {
    return new Refusal("passkey-unknown", "There is no such passkey of yours. Add one on your page.")
  }
  const when = found.countsFrom === null ? "once an operator confirms it" : `from ${found.countsFrom.toISOString()} on`
  return new Refusal("passkey-unknown", `This passkey was added after others were lost; it counts ${when}.`)
}

function revokedDraft({ id, credentialId, user, revokedEntry }: Passkey, because: "user" | "lost"): Draft {
  const data = { passkey: id, credentialId, because }
  return { id: revokedEntry!, event: "approvals.passkey-revoked", by: user, user, data }
}
