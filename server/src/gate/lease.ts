import type { AgentPrincipal, Principal } from "#agents"
import type { Cut, Lease } from "#credentials"
import { Refusal } from "#kernel"
import type { Rooms } from "./rooms.ts"

/** Extends a lease of the caller's by the session's lease time, never past the session's hard end. */
export async function renewLease(rooms: Rooms, caller: AgentPrincipal, leaseId: string): Promise<Lease> {
  const lease = await ownLease(rooms, caller, leaseId)
  const { session } = await rooms.sessions.standing(lease.session, caller)
  const until = new Date(rooms.clock.nowMs() + session.leaseSeconds * 1_000)
  return await rooms.credentials.renew(lease.id, until, caller.spiffeId)
}

/** Revokes one lease; an agent only its own. Taking away asks no policy. */
export async function revokeLease(rooms: Rooms, caller: Principal, leaseId: string): Promise<Cut> {
  const lease = await ownLease(rooms, caller, leaseId)
  return await rooms.credentials.revoke(lease.id, "returned", caller.spiffeId)
}

/** Somebody else's lease is answered as one that does not exist. */
async function ownLease(rooms: Rooms, caller: Principal, leaseId: string): Promise<Lease> {
  const lease = await rooms.credentials.lease(leaseId)
  if (caller.kind === "agent" && lease.instance !== caller.instance) {
    throw new Refusal("lease-unknown", "There is no such lease.")
  }
  return lease
}
