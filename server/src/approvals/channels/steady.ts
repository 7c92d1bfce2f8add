import { setTimeout as sleep } from "node:timers/promises"
import { type Channel, type Contact, type Delivery, undelivered } from "./channel.ts"

/** What a channel is given in time and room. */
export type SteadyLimits = {
  /** Times that a message is tried before it goes to another channel. */
  tries: number
  /** Before the second try; doubled for each after it, with up to as much again by chance. */
  backoffMs: number
  /** Messages on their way at once. */
  width: number
  /** Messages that wait for room. */
  maxWaiting: number
  /** Failures in a row after which nothing is tried for a while. */
  failuresToOpen: number
  /** For how long, first; doubled each time up to a minute. */
  coolMs: number
  /** What the pauses of a channel that fails are measured by; runs evenly. */
  nowMs(): number
}

const usual: SteadyLimits = {
  tries: 3,
  backoffMs: 250,
  width: 16,
  maxWaiting: 1_000,
  failuresToOpen: 5,
  coolMs: 2_000,
  nowMs: () => performance.now(),
}
const MOST_COOL_MS = 60_000
const MOST_WAIT_MS = 5_000

/**
 * The same channel, tried again when that may help, never more at once than it has room for, and left alone for a while when it
 * fails: whoever waits learns at once, and goes to the next. Push services fail each for itself, all else as a whole.
 */
export function steadily(channel: Channel, limits: Partial<SteadyLimits> = {}): Channel {
  const own = { ...usual, ...limits }
  const { tries, backoffMs, width, maxWaiting } = own
  const circuits = new Map<string, Circuit>()
  const room = createRoom(width, maxWaiting)
  const circuitOf = (to: Contact) => {
    const key = to.kind === "push" ? (URL.parse(to.endpoint)?.origin ?? "") : to.kind
    const known = circuits.get(key) ?? createCircuit(own)
    circuits.delete(key)
    circuits.set(key, known)
    // Endpoints are what browsers say: their number has a bound.
    if (circuits.size > 256) circuits.delete(circuits.keys().next().value!)
    return known
  }
  const attempt: Channel["deliver"] = async (message, to, signal) => {
    const circuit = circuitOf(to)
    let last: Delivery = undelivered("circuit-open")
    for (let nth = 1; nth <= tries; nth++) {
      if (!circuit.mayTry()) return last
      last = await channel.deliver(message, to, signal)
      circuit.learn(last)
      if (last.outcome === "delivered" || last.isPermanent || signal.aborted || nth === tries) return last
      const pauseMs = backoffMs * 2 ** (nth - 1) * (1 + Math.random())
      await sleep(Math.min(pauseMs, MOST_WAIT_MS), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return last
    }
    return last
  }
  return {
    name: channel.name,
    canReach: channel.canReach,
    async deliver(message, to, signal) {
      const turn = room.enter(signal)
      if (turn === null || !(await turn)) return undelivered("too-slow")
      try {
        return await attempt(message, to, signal)
      } finally {
        room.leave()
      }
    },
  }
}

type Circuit = { mayTry(): boolean; learn(delivery: Delivery): void }

/** What is wrong with one contact says nothing of the channel. */
function createCircuit({ failuresToOpen, coolMs, nowMs }: SteadyLimits): Circuit {
  let failures = 0
  let openUntilMs = 0
  return {
    mayTry() {
      if (failures < failuresToOpen) return true
      if (nowMs() < openUntilMs) return false
      // One of them finds out whether it is back; the others go on as if it were not.
      openUntilMs = nowMs() + coolMs
      return true
    },
    learn(delivery) {
      if (delivery.outcome === "delivered" || delivery.isPermanent) {
        failures = 0
        return
      }
      failures += 1
      const times = Math.max(0, failures - failuresToOpen)
      openUntilMs = nowMs() + Math.min(coolMs * 2 ** Math.min(times, 10), MOST_COOL_MS)
    },
  }
}

/** Places, and a bounded row of those who wait for one. */
function createRoom(width: number, maxWaiting: number) {
  const waiting: (() => void)[] = []
  let inside = 0
  return {
    /** Null when the row is full; false when the signal came first. */
    enter(signal: AbortSignal): Promise<boolean> | null {
      if (inside < width) {
        inside += 1
        return Promise.resolve(true)
      }
      if (waiting.length >= maxWaiting) return null
      return new Promise((resolve) => {
        const go = () => resolve(true)
        waiting.push(go)
        const leave = () => {
          const at = waiting.indexOf(go)
          if (at !== -1) waiting.splice(at, 1)
          resolve(at === -1)
        }
        signal.addEventListener("abort", leave, { once: true })
      })
    },
    leave() {
      const next = waiting.shift()
      // The place is handed over: it stays counted.
      if (next !== undefined) next()
      else inside -= 1
    },
  }
}
