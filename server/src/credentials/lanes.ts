import { Refusal } from "#kernel"
import { ResourceError } from "./engine.ts"

/** A bounded queue with a few workers: calls beyond the width wait, beyond the queue are refused. */
export type Lane = {
  /** Throws `overloaded` at once when too many wait. */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** Infinity for both where refusing would mean to forget. */
export type LaneLimits = { width: number; maxWaiting: number; maxWaitMs: number }

/** Makes a lane; whoever has waited `maxWaitMs` is refused too. */
export function createLane({ width, maxWaiting, maxWaitMs }: LaneLimits): Lane {
  const waiting: (() => void)[] = []
  let running = 0
  const crowded = () => new Refusal("overloaded", "Too many credentials of this resource are being made. Try again.")
  const turn = () =>
    new Promise<void>((resolve, reject) => {
      const late = () => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(crowded())
      }
      const timer = maxWaitMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(late, maxWaitMs)
      const go = () => {
        clearTimeout(timer)
        resolve()
      }
      waiting.push(go)
    })
  return {
    async run(work) {
      if (running >= width) {
        if (waiting.length >= maxWaiting) throw crowded()
        // Whoever ends hands its place over, so `running` already counts us when we wake.
        await turn()
      } else running++
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next) next()
        else running--
      }
    },
  }
}

const FAILURES_TO_OPEN = 3
/** A call that failed after so long hung: nobody else should wait as long to learn the same. */
const HUNG_MS = 2_000
const LEAST_COOL_MS = 250
const MOST_COOL_MS = 5_000
/** While one finds out whether the resource is back, the others look again after this. */
const LOOK_MS = 250

/** Remembers that a resource does not answer, so that nobody waits to learn it again. */
export type Breaker = {
  /** Milliseconds until the next try makes sense; 0 when closed. */
  waitMs(): number
  /** Passes the work's outcome through, and learns from it. */
  watch<T>(work: () => Promise<T>): Promise<T>
}

/**
 * Makes a breaker: open after three failures in a row to reach the resource, or one that hung, for a quarter of a second,
 * doubling to five. After that one call at a time tries, until one gets through.
 */
export function createBreaker(nowMs: () => number = () => performance.now()): Breaker {
  let failures = 0
  let openUntilMs = 0
  let isTrying = false
  return {
    waitMs: () => Math.max(openUntilMs - nowMs(), isTrying ? LOOK_MS : 0, 0),
    async watch(work) {
      const isTry = failures >= FAILURES_TO_OPEN
      const startedMs = nowMs()
      if (isTry) isTrying = true
      try {
        const result = await work()
        failures = 0
        openUntilMs = 0
        return result
      } catch (error) {
        if (error instanceof ResourceError && !error.isUnreachable) failures = 0
        else if (error instanceof ResourceError) {
          failures = nowMs() - startedMs >= HUNG_MS ? Math.max(failures + 1, FAILURES_TO_OPEN) : failures + 1
          if (failures < FAILURES_TO_OPEN) throw error
          const coolMs = Math.min(LEAST_COOL_MS * 2 ** (failures - FAILURES_TO_OPEN), MOST_COOL_MS)
          openUntilMs = nowMs() + coolMs
        }
        throw error
      } finally {
        if (isTry) isTrying = false
      }
    },
  }
}
