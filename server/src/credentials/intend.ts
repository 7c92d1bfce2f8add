import type { Change, Draft } from "#audit"
import { type Id, newId, Refusal } from "#kernel"
import { type Approved, refuseUnapproved } from "./approved.ts"
import { type Behalf, OWN } from "./behalf.ts"
import { notConfigured } from "./desks.ts"
import { draftOf, hasEnded, type Lease, roleName } from "./lease.ts"
import { bindsUser, givesCredentials, type Limits } from "./part.ts"
import type { Room } from "./room.ts"
import { insertIntent, lockLedger, releaseKey, type Standing } from "./store.ts"

/** What the gate allowed: a credential for one operation, in one session. */
export type Intention = {
  session: string
  purpose: string
  /** On whose behalf: the agent's own unless told. */
  behalf?: Behalf
  /** Who asks; only what entries name is kept. */
  caller: { spiffeId: string; name: string; instance: string; serial: string }
  /** What a human agreed to, where one was asked. The lease is for that alone, wherever the resource can tell. */
  approval?: Approved
  /** The decided action. Its resource and operation say what is made. */
  action: NonNullable<Draft["action"]>
  /** The same key again is the same lease; null: the action's own id. */
  idempotencyKey: string | null
  leaseSeconds: number
  /** The purpose's look-up that we make it for; absent for a credential that is handed out. */
  lookup?: string
  /** When the session ends for good; no renewal passes it. */
  hardEndAt: Date
}

/** A lease that is recorded; issue() makes it. A replay was recorded, and perhaps issued, before. */
export type Intended = Lease & { isReplay: boolean }

/**
 * The change that records a lease before anything is made. Its work throws `resource-unknown`, `user-required`, `approval-required`,
 * `resource-not-configured`, `lease-limit`, `lease-ended` (a replay after the end, or a hard end that has passed), `idempotency-conflict`.
 */
export function intend(room: Room, intention: Intention): Change<Intended> {
  const { session, action, approval = null } = intention
  const key = intention.idempotencyKey ?? action.id
  const { user, application, chain, parameters = {} } = intention.behalf ?? OWN
  return {
    async work(tx) {
      const part = room.resources[action.resource]
      if (part?.operations[action.operation] === undefined) {
        const what = `There is no operation "${action.operation}" of a resource "${action.resource}".`
        throw new Refusal("resource-unknown", what)
      }
      if (!givesCredentials(part)) {
        const what = `There are no credentials for "${action.resource}": its operations are tools.`
        throw new Refusal("resource-unknown", what)
      }
      if (bindsUser(part, action.operation) && user === null) {
        const what = `The operation "${action.operation}" of "${action.resource}" is for a user's own rows.`
        throw new Refusal("user-required", `${what} Open a session that a user delegated.`)
      }
      refuseUnapproved(part, action.operation, approval)
      const id = newId("lease") as Id<"lease">
      await lockLedger(tx)
      const wanted = {
        id,
        session,
        agent: intention.caller.name,
        instance: intention.caller.instance,
        svid: intention.caller.serial,
        purpose: intention.purpose,
        user: user?.id ?? null,
        application,
        // Only what is named here is kept: a session's user and hops say more.
        chain: chain.map(({ session: of, agent, instance }) => ({ session: of, agent, instance })),
        person: user === null ? null : { iss: user.iss, sub: user.sub, claims: user.claims },
        parameters,
        approval:
          approval === null ? null : { id: approval.id, digest: approval.digest, arguments: approval.arguments },
        resource: action.resource,
        operation: action.operation,
        part,
        roleName: roleName(room.deployment, id),
        lookup: intention.lookup ?? null,
        idempotencyKey: key,
        leaseSeconds: intention.leaseSeconds,
        hardEndAt: intention.hardEndAt,
      }
      let { lease, standing } = await insertIntent(tx, wanted)
      if (lease !== null && standing.isReplay && wasNeverMade(lease)) {
        // The caller was told to try again, and does: with the same key, and for another account.
        await releaseKey(tx, lease.id)
        ;({ lease, standing } = await insertIntent(tx, wanted))
      }
      if (lease === null) throw refusalOf(standing, action.resource, part.limits)
      return standing.isReplay ? replayed(lease, intention) : { ...lease, isReplay: false }
    },
    entries: (lease) => {
      if (lease.isReplay) return []
      const draft = draftOf(lease, "credentials.lease-intended", {
        // What is looked up, the agent did not ask for, and does not get.
        by: lease.lookup === null ? intention.caller.spiffeId : "server",
        data: { expiresAt: lease.expiresAt.toISOString() },
      })
      // Without a deadline of audit's: the ledger is the watch over it, and the sweep writes how it ended.
      return [lease.lookup === null ? { ...draft, action } : draft]
    },
  }
}

/** A lease that nobody was ever given, and nobody will be. */
function wasNeverMade({ state, liveAt }: Lease): boolean {
  return liveAt === null && state !== "intended"
}

function replayed(lease: Lease, { action, caller, approval }: Intention): Intended {
  const isSame =
    lease.resource === action.resource &&
    lease.operation === action.operation &&
    lease.instance === caller.instance &&
    lease.approval?.id === approval?.id
  if (!isSame) throw new Refusal("idempotency-conflict", "This Idempotency-Key was used for something else.")
  if (hasEnded(lease) || lease.state === "revoking" || lease.state === "stuck") {
    throw new Refusal("lease-ended", "The lease of this Idempotency-Key has ended. Ask with a new key.")
  }
  return { ...lease, isReplay: true }
}

function refusalOf({ leases, own, isConfigured }: Standing, resource: string, limits: Limits): Refusal {
  if (!isConfigured) return notConfigured(resource)
  const over = (who: string, open: number) =>
    new Refusal("lease-limit", `${who} has ${open} open leases, its limit. Release one, or raise the limit.`)
  if (leases >= limits.leases) return over(`The resource "${resource}"`, leases)
  if (own >= limits.leasesPerSession) return over(`This session at "${resource}"`, own)
  return new Refusal("lease-ended", "The session's hard end has passed. Open a new session.")
}
