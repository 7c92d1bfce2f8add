import type { Audit } from "#audit"
import type { Database, Log } from "#kernel"
import { forgetGrants } from "./grants/store.ts"
import { forgetKinds } from "./pacing/store.ts"
import type { ApprovalsPart } from "./part.ts"
import { expiring } from "./requests.ts"
import { forgetRequests, nextExpiryMs } from "./store.ts"

const LOOK_MS = 1_000
const LEAST_PAUSE_MS = 20
const AT_ONCE = 100
const FORGET_EVERY_MS = 600_000

/** What is swept, and the configuration's part as it is in force. */
export type SweepParts = { database: Database; commit: Audit["commit"]; log: Log; part: () => ApprovalsPart }

/** Expires requests when their time is over, and forgets old ones. Every server does it; each takes others. */
export function startSweep(parts: SweepParts): AsyncDisposable {
  const { database, commit, log, part } = parts
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let forgotAtMs = performance.now()

  const look = async () => {
    let nextMs: number | null = LOOK_MS
    try {
      // A crash before this leaves a request that says it waits and has expired: nobody can decide or use it any more.
      const dueMs = await nextExpiryMs(database)
      const isDue = dueMs !== null && dueMs <= 0
      const expired = isDue ? (await commit(expiring(part(), AT_ONCE))).result : []
      nextMs = expired.length === AT_ONCE ? 0 : dueMs
      if (performance.now() - forgotAtMs > FORGET_EVERY_MS) {
        forgotAtMs = performance.now()
        await forgetRequests(database)
        await forgetKinds(database)
        await forgetGrants(database)
      }
    } catch (error) {
      log.warn("requests for approval could not be swept; trying again", { error })
    }
    const pauseMs = Math.max(LEAST_PAUSE_MS, Math.min(nextMs ?? LOOK_MS, LOOK_MS))
    if (!isStopped) timer = setTimeout(again, pauseMs)
  }
  let running = look()
  function again() {
    running = running.then(look)
  }
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await running
      clearTimeout(timer)
    },
  }
}
