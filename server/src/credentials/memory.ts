import type { Lease } from "./lease.ts"

/**
 * What this server must know to take its leases away when our database is gone (invariant 9): the open leases, each with
 * a timer on the monotonic clock. A timer says only that it is time to look; whether the lease is due, the database says.
 */
export interface Memory extends Disposable {
  /** Remembers a lease as it is now, or in place of what was known of it. */
  remember(lease: Lease): void
  /** Adds what the resource told about the account, the timer stays. */
  amend(id: string, roleOid: string): void
  forget(id: string): void
  get(id: string): Lease | undefined
  ofSession(session: string): Lease[]
  all(): Lease[]
}

// setTimeout counts in 32 bits; a lease that lives longer is looked at in between.
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Makes a memory that calls back when a lease's time is over. */
export function createMemory(onDue: (lease: Lease) => void): Memory {
  const leases = new Map<string, { lease: Lease; timer: NodeJS.Timeout }>()
  const forget = (id: string) => {
    clearTimeout(leases.get(id)?.timer)
    leases.delete(id)
  }
  return {
    remember(lease) {
      clearTimeout(leases.get(lease.id)?.timer)
      const dueAtMs = performance.now() + lease.remainingMs
      const look = () => {
        const leftMs = dueAtMs - performance.now()
        if (leftMs > 0) held.timer = setTimeout(look, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS)).unref()
        else onDue(lease)
      }
      const held = {
        lease,
        timer: setTimeout(look, Math.min(Math.max(0, lease.remainingMs), LONGEST_TIMER_MS)).unref(),
      }
      leases.set(lease.id, held)
    },
    amend(id, roleOid) {
      const held = leases.get(id)
      if (held) held.lease = { ...held.lease, roleOid }
    },
    forget,
    get: (id) => leases.get(id)?.lease,
    ofSession: (session) => [...leases.values()].flatMap(({ lease }) => (lease.session === session ? [lease] : [])),
    all: () => [...leases.values()].map(({ lease }) => lease),
    [Symbol.dispose]() {
      for (const id of [...leases.keys()]) forget(id)
    },
  }
}
