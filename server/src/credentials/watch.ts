import type { Account } from "./engine.ts"
import { draftOf, type Lease } from "./lease.ts"
import type { Room } from "./room.ts"
import { readJustEnded } from "./store.ts"

/** How long a dropped account is looked for: a login that began before the drop may finish after it. */
const WATCH_MS = 60_000

/** Accounts that are gone, watched for connections that come late. */
export interface Watch {
  add(lease: Lease, account: Account): void
  /** Looks once at every resource; closes and records what came late. */
  look(room: Room): Promise<void>
}

type Watched = { lease: Lease; account: Account; untilMs: number }

/** Watches nothing yet. */
export function createWatch(): Watch {
  const watched = new Map<string, Watched>()
  return {
    add: (lease, account) => {
      watched.set(lease.id, { lease, account, untilMs: performance.now() + WATCH_MS })
    },
    async look(room) {
      const byResource = new Map<string, Watched[]>()
      for (const [id, each] of watched) {
        if (each.untilMs < performance.now()) watched.delete(id)
        else byResource.set(each.lease.resource, [...(byResource.get(each.lease.resource) ?? []), each])
      }
      await Promise.all([...byResource.values()].map((each) => lookAt(room, each)))
    },
  }
}

/** Takes up the watch of what ended within the last minute, on whichever server. */
export async function resumeWatch(room: Room): Promise<void> {
  for (const lease of await readJustEnded(room.database)) {
    room.watch.add(lease, { name: lease.roleName, oid: lease.roleOid })
  }
}

async function lookAt(room: Room, watched: Watched[]): Promise<void> {
  const { resource, part } = watched[0]!.lease
  const desk = await room.desks.at({ name: resource, part })
  const traces = await desk.take((engine) => engine.readBack(watched.map(({ account }) => account)))
  for (const [at, trace] of traces.entries()) {
    if (!trace.hasAccount && trace.connections === 0) continue
    const { lease, account } = watched[at]!
    const { connectionsClosed } = await desk.take((engine) => engine.revoke(account))
    room.log.warn("a connection came after its account was dropped", { lease: lease.id, connectionsClosed })
    await room.audit.commit({
      entries: () => [draftOf(lease, "credentials.late-connection-killed", { data: { connectionsClosed } })],
    })
  }
}
