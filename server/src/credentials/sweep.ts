import { hasEnded, type Lease } from "./lease.ts"
import { begin } from "./revoke.ts"
import { type Room, within } from "./room.ts"
import { claimDue, claimIfDue, readLive } from "./store.ts"

/** Leases claimed in one sweep. */
const MAX_CLAIMED = 64
/** How long an expiry waits to hear whether the lease was renewed on another server; then it is over. */
const CLAIM_MS = 100
/** When to look again at a lease that another server takes away. */
const LOOK_AGAIN_MS = 5_000

/**
 * Takes away what is due by the database's clock and nobody works on: expired leases of any server, intents that were
 * never confirmed, revocations whose server fell silent. Two servers never claim the same row.
 */
export async function sweep(room: Room): Promise<void> {
  for (;;) {
    const claimed = await claimDue(room.database, MAX_CLAIMED)
    for (const lease of claimed) begin(room, lease, { why: lease.ending ?? "expired", isClaimed: true })
    if (claimed.length < MAX_CLAIMED) return
  }
}

/** What a timer of this server's memory leads to. Without our database, time is up when the timer says so. */
export async function due(room: Room, lease: Lease): Promise<void> {
  const seen = await within(CLAIM_MS, claimIfDue(room.database, lease.id))
  if (room.closing.aborted) return
  if (seen === undefined || seen.isClaimed)
    begin(room, seen?.lease ?? lease, { why: "expired", isClaimed: seen?.isClaimed ?? false })
  else if (seen.lease === null || hasEnded(seen.lease)) room.memory.forget(lease.id)
  else if (seen.lease.state === "live" || seen.lease.state === "intended") room.memory.remember(seen.lease)
  else if (!room.revocations.has(lease.id)) room.memory.remember({ ...seen.lease, remainingMs: LOOK_AGAIN_MS })
}

/** Takes every live lease into memory, also those of a server that is gone, and opens their resources. */
export async function recall(room: Room): Promise<void> {
  for (const lease of await readLive(room.database)) {
    room.memory.remember(lease)
    await room.desks.at({ name: lease.resource, part: lease.part }).catch((error: unknown) => {
      room.log.warn("a resource with live leases cannot be opened", { resource: lease.resource, error })
    })
  }
}
