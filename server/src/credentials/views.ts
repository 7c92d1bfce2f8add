import { Refusal } from "#kernel"
import type { Lease, LeaseFilter } from "./lease.ts"
import type { ResourcePart } from "./part.ts"
import type { Room } from "./room.ts"
import { countOpenByResource, listLeases, readLastActive, readLease, readRoots } from "./store.ts"

/** A resource as operators see it. `username` is null while Safeconduct holds no account there; `problem` while all is well. */
export type ResourceView = {
  name: string
  part: ResourcePart
  username: string | null
  openLeases: number
  /** What went wrong when the server that was asked last turned to it, and what to do. */
  problem: string | null
}

/** One lease. Throws `lease-unknown`. */
export async function getLease(room: Room, leaseId: string): Promise<Lease> {
  const lease = await readLease(room.database, leaseId)
  if (lease === null) throw unknownLease()
  return lease
}

/** Leases, newest first, 500 at the most. */
export async function searchLeases(room: Room, filter: LeaseFilter): Promise<Lease[]> {
  return await listLeases(room.database, filter)
}

/** When a credential of the session was last used at its resource. */
export async function lastActive(room: Room, session: string): Promise<Date | null> {
  return await readLastActive(room.database, session)
}

/** The resources in force, with what is held and open there. */
export async function listResources(room: Room): Promise<ResourceView[]> {
  const [roots, open] = await Promise.all([readRoots(room.database), countOpenByResource(room.database)])
  return Object.entries(room.resources).map(([name, part]) => ({
    name,
    part,
    username: roots.find(({ resource }) => resource === name)?.username ?? null,
    openLeases: open.get(name) ?? 0,
    problem: room.desks.problemOf(name),
  }))
}

/** The refusal for a lease that is not there, or is somebody else's. */
export function unknownLease(): Refusal {
  return new Refusal("lease-unknown", "There is no such lease.")
}
