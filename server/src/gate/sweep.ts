import type { RevokedInstance } from "#agents"
import { endOverdue, endSessionsOf, endSessionsOfInstances } from "./end.ts"
import type { Rooms } from "./rooms.ts"

/** A session that runs out sooner is waited for; others are looked for again. */
const LOOK_MS = 1_000
const RETRY_MS = 250
const LEAST_PAUSE_MS = 5

/**
 * Ends sessions when they run out, and those of agents that were stopped or instances that were revoked, at once, trying again until it gets through.
 * Every server does it; whoever comes second finds nothing. Leases end by their own timers meanwhile (credentials),
 * whether or not this gets through.
 */
export function startSweep(rooms: Rooms): AsyncDisposable {
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let stopped = new Set<string>()
  let revoked: readonly RevokedInstance[] = []

  const endStopped = async () => {
    const names = stopped
    stopped = new Set()
    try {
      // What was commanded while nothing could be recorded comes before what follows from it.
      if (names.size > 0) {
        await rooms.owed.enter()
        await endSessionsOf(rooms, names)
      }
    } catch (error) {
      stopped = stopped.union(names)
      throw error
    }
  }
  const endRevoked = async () => {
    const instances = revoked
    revoked = []
    try {
      if (instances.length > 0) await endSessionsOfInstances(rooms, instances)
    } catch (error) {
      revoked = [...revoked, ...instances]
      throw error
    }
  }
  const look = async () => {
    const [ended, cut, overdue] = await Promise.allSettled([endStopped(), endRevoked(), endOverdue(rooms)])
    for (const each of [ended, cut, overdue]) {
      if (each.status === "fulfilled") continue
      rooms.log.warn("sessions that are over could not all be ended; trying again", { error: each.reason })
    }
    const nextInMs = overdue.status === "fulfilled" ? Math.min(overdue.value ?? LOOK_MS, LOOK_MS) : RETRY_MS
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(again, Math.max(LEAST_PAUSE_MS, isLeft() ? RETRY_MS : nextInMs))
  }
  const isLeft = () => stopped.size > 0 || revoked.length > 0
  let running = look()
  function again() {
    clearTimeout(timer)
    running = running.then(look)
  }
  rooms.agents.onStopped((names) => {
    if (isStopped) return
    stopped = stopped.union(names)
    again()
  })
  rooms.agents.onRevoked((instances) => {
    if (isStopped) return
    revoked = [...revoked, ...instances]
    again()
  })
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await running
      clearTimeout(timer)
    },
  }
}
