import type { AgentPrincipal, Principal } from "#agents"
import type { Cut, Lease } from "#credentials"
import { Refusal } from "#kernel"
import { aboutSession, refuseOtherSession, rootOf } from "#sessions"
import { judgeAgain } from "./judge-again.ts"
import { actor, type Rooms, refuseStopped } from "./rooms.ts"

/**
 * Extends a lease of the caller's by the session's lease time, never past the session's hard end. It is asked again
 * whether it may: what was forbidden meanwhile ends within one lease time, and what shows more by now labels the session. Throws `denied-by-policy` with the reasons.
 */
export async function renewLease(rooms: Rooms, caller: AgentPrincipal, leaseId: string): Promise<Lease> {
  refuseStopped(rooms, caller)
  const lease = await ownLease(rooms, caller, leaseId)
  const standing = await rooms.sessions.standing(lease.session, caller)
  const { resource, operation } = lease
  const action = { type: "credential", resource, operation } as const
  const { verdict, reasons, version, labels } = judgeAgain(rooms, caller, standing, action)
  if (verdict !== "allow") {
    const about = { ...actor(caller), ...aboutSession(standing.session) }
    const data = { lease: lease.id, resource, operation, verdict, reasons, policyVersion: version }
    await rooms.audit.commit({ entries: () => [{ event: "gate.renewal-denied", ...about, data }] })
    throw new Refusal("denied-by-policy", reasons.join(" "))
  }
  const unseen = labels.filter((label) => !standing.labels.includes(label))
  if (unseen.length > 0) await rooms.audit.commit(rooms.sessions.usage.label(rootOf(standing.session), unseen))
  // A crash here leaves a session that is labelled with what its lease shows it anyway until it ends.
  const until = new Date(rooms.clock.nowMs() + standing.session.leaseSeconds * 1_000)
  return await rooms.credentials.renew(lease.id, until, caller.spiffeId)
}

/** Revokes one lease; an agent only its own. Taking away asks no policy, and no database where memory knows the lease. */
export async function revokeLease(rooms: Rooms, caller: Principal, leaseId: string): Promise<Cut> {
  const lease = await ownLease(rooms, caller, leaseId)
  return await rooms.credentials.revoke(lease.id, "returned", caller.spiffeId)
}

/** Somebody else's lease is answered as one that does not exist. */
async function ownLease(rooms: Rooms, caller: Principal, leaseId: string): Promise<Lease> {
  const lease = rooms.credentials.held(leaseId) ?? (await rooms.credentials.lease(leaseId))
  if (caller.kind === "agent" && lease.instance !== caller.instance) {
    throw new Refusal("lease-unknown", "There is no such lease.")
  }
  refuseOtherSession(caller, lease.session)
  return lease
}
