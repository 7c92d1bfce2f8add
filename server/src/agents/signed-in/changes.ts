import type { Change, Draft } from "#audit"
import type { OperatorRole } from "../principal.ts"
import { bumpRevision, lock } from "../store.ts"
import { endSignIn, type Grounds, readSignIns, type SignIn, type SignInsOf, setSignInRoles } from "./store.ts"

/** Why a sign-in is over before its time. */
export type SignOutReason = "logged-out" | "code-replayed" | "no-role"

/**
 * Ends the sign-ins of a person, of a session at their provider, or of a key: each key stands for nobody from then on, on every
 * server when that server has read the epoch.
 */
export function endSignIns(of: SignInsOf, reason: SignOutReason, by: string): Change<SignIn[]> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      const ended = await readSignIns(tx, of)
      for (const { instance } of ended) await endSignIn(tx, instance)
      if (ended.length > 0) await bumpRevision(tx)
      return ended
    },
    entries: (ended) => ended.map((signIn) => signedOutDraft(signIn, reason, by)),
  }
}

/** A sign-in that another configuration leaves fewer roles, or none. */
export type Narrowed = { signIn: SignIn; roles: OperatorRole[] }

/**
 * Leaves sign-ins only those of their roles that their grounds are worth by a new configuration, and ends those that are left
 * none. It never adds one: roles are taken when somebody signs in.
 */
export function narrowSignIns(worth: (grounds: Grounds) => readonly OperatorRole[], by: string): Change<Narrowed[]> {
  return {
    async work(tx) {
      await lock(tx, "registry")
      const narrowed: Narrowed[] = []
      for (const signIn of await readSignIns(tx)) {
        const now = worth(signIn)
        const roles = signIn.roles.filter((role) => now.includes(role))
        if (roles.length === signIn.roles.length) continue
        if (roles.length === 0) await endSignIn(tx, signIn.instance)
        else await setSignInRoles(tx, signIn.instance, roles)
        narrowed.push({ signIn, roles })
      }
      if (narrowed.length > 0) await bumpRevision(tx)
      return narrowed
    },
    entries: (narrowed) =>
      narrowed.map(({ signIn, roles }) => {
        if (roles.length === 0) return signedOutDraft(signIn, "no-role", by)
        const { operator, operatorId: id, user, instance, roles: before } = signIn
        return { event: "agents.operator-changed", by, user, data: { operator, id, instance, roles, before } }
      }),
  }
}

function signedOutDraft({ operator, operatorId: id, user, instance }: SignIn, reason: string, by: string): Draft {
  return { event: "agents.operator-signed-out", by, user, data: { operator, id, instance, reason } }
}
