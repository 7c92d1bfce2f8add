import { endOverdue, endSessionsOf } from "./end.ts"
import type { Rooms } from "./rooms.ts"

/** A session that runs out sooner is waited for; others are looked for again. */
const LOOK_MS = 1_000
const RETRY_MS = 250

/**
 * Ends sessions when they run out, and those of agents that were stopped, at once. Every server does it; whoever comes
 * second finds nothing. Leases end by their own timers meanwhile (credentials), whether or not this gets through.
 */
export function startSweep(rooms: Rooms): AsyncDisposable {
  let isStopped = false
  let running: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  const look = async () => {
    let pauseMs = RETRY_MS
    try {
      pauseMs = Math.min((await endOverdue(rooms)) ?? LOOK_MS, LOOK_MS)
    } catch (error) {
      rooms.log.warn("sessions that ran out could not be ended; trying again", { error })
    }
    if (!isStopped) timer = setTimeout(again, Math.max(5, pauseMs))
  }
  const again = () => {
    running = look()
  }
  again()
  rooms.agents.onStopped((names) => {
    endSessionsOf(rooms, names).catch((error: unknown) =>
      rooms.log.error("sessions of a stopped agent could not all be ended", { error }),
    )
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
