import { Refusal } from "#kernel"
import { unavailable } from "./desks.ts"
import { draftOf, type Lease } from "./lease.ts"
import { pause, type Room } from "./room.ts"
import { extend } from "./store.ts"

const TRIES = 3

/**
 * Lets a live lease end later, at the most at its hard end; its connections stay. Throws `lease-ended`, and
 * `resource-unavailable` when the resource could not be told: connections stay, new logins end at the old time; again.
 */
export async function renew(room: Room, leaseId: string, until: Date, by = "server"): Promise<Lease> {
  const { result: lease } = await room.audit.commit({
    work: async (tx) => {
      const row = await extend(tx, leaseId, until)
      if (row === null) throw new Refusal("lease-ended", "The lease has ended. Ask for a new one.")
      return row
    },
    entries: (row) => [
      draftOf(row, "credentials.lease-renewed", { by, data: { expiresAt: row.expiresAt.toISOString() } }),
    ],
  })
  room.memory.remember(lease)
  // A crash here leaves an account that refuses new logins too early; the next renewal mends it.
  await tell(room, lease)
  return lease
}

async function tell(room: Room, lease: Lease): Promise<void> {
  const account = { name: lease.roleName, oid: lease.roleOid }
  for (let attempt = 1; ; attempt++) {
    try {
      const desk = await room.desks.at({ name: lease.resource, part: lease.part })
      return await desk.give((engine) => engine.renew(account, lease.expiresAt))
    } catch (error) {
      if (attempt === TRIES) throw unavailable(lease.resource, error)
      await pause(room, 50 * attempt)
    }
  }
}
