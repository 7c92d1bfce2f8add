import { Refusal } from "#kernel"
import { ResourceError } from "./engine.ts"

/** A bounded queue with a few workers: calls beyond the width wait, beyond the queue are refused. */
export type Lane = {
  /** Throws `overloaded` at once when too many wait. */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** Makes a lane. `maxWaiting` may be Infinity where refusing would mean to forget. */
export function createLane({ width, maxWaiting }: { width: number; maxWaiting: number }): Lane {
  const waiting: (() => void)[] = []
  let running = 0
  return {
    async run(work) {
      if (running >= width) {
        if (waiting.length >= maxWaiting) {
          throw new Refusal("overloaded", "Too many credentials of this resource are being made. Try again.")
        }
        // Whoever ends hands its place over, so `running` already counts us when we wake.
        await new Promise<void>((resolve) => waiting.push(resolve))
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
const LEAST_COOL_MS = 250
const MOST_COOL_MS = 5_000

/** Remembers that a resource does not answer, so that nobody waits to learn it again. */
export type Breaker = {
  /** Milliseconds until the next try makes sense; 0 when closed. */
  waitMs(): number
  /** Passes the work's outcome through, and learns from it. */
  watch<T>(work: () => Promise<T>): Promise<T>
}

/** Makes a breaker: open after three failures in a row to reach the resource, for a quarter of a second, doubling to five. */
export function createBreaker(nowMs: () => number = () => performance.now()): Breaker {
  let failures = 0
  let openUntilMs = 0
  return {
    waitMs: () => Math.max(0, openUntilMs - nowMs()),
    async watch(work) {
      try {
        const result = await work()
        failures = 0
        openUntilMs = 0
        return result
      } catch (error) {
        if (error instanceof ResourceError && !error.isUnreachable) failures = 0
        else if (error instanceof ResourceError && ++failures >= FAILURES_TO_OPEN) {
          const coolMs = Math.min(LEAST_COOL_MS * 2 ** (failures - FAILURES_TO_OPEN), MOST_COOL_MS)
          openUntilMs = nowMs() + coolMs
        }
        throw error
      }
    },
  }
}
