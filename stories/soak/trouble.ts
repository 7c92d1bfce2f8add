/** When something that taking away needs could not be reached, as far as one's own calls showed. */
export type Troubles = {
  /** A call for this thing failed, which succeeded last at `sinceMs`. */
  failed(what: string, nowMs: number): void
  succeeded(what: string, nowMs: number): void
  /** Milliseconds by which something due at that time may be late: until the trouble around it was over, and a while more. */
  lateBy(dueMs: number): number
  /** Milliseconds for which anything was unreachable; two things at once count twice. */
  readonly totalMs: number
  /** What has been unreachable for longer than that by now: who cannot look has nothing to say. */
  longerThan(ms: number): string[]
}

type Interval = { fromMs: number; toMs: number }

/** Intervals that are remembered; nothing waits for longer than these reach back. */
const MOST = 200

/** No trouble so far. `afterMs` is what whoever comes back may need to take up what was left. */
export function noTroubles(afterMs: number): Troubles {
  const open = new Map<string, Interval>()
  const past: Interval[] = []
  const lastGood = new Map<string, number>()
  let totalMs = 0
  return {
    failed(what, nowMs) {
      const known = open.get(what)
      if (known) known.toMs = nowMs
      // It may have begun right after the last success.
      else open.set(what, { fromMs: lastGood.get(what) ?? nowMs, toMs: nowMs })
    },
    succeeded(what, nowMs) {
      lastGood.set(what, nowMs)
      const over = open.get(what)
      if (over === undefined) return
      open.delete(what)
      past.push({ ...over, toMs: nowMs })
      totalMs += nowMs - over.fromMs
      if (past.length > MOST) past.shift()
    },
    lateBy(dueMs) {
      let untilMs = dueMs
      // In order of their beginnings: one that began before the last was over stretches it.
      const all = [...past, ...open.values()].toSorted((a, b) => a.fromMs - b.fromMs)
      for (const { fromMs, toMs } of all) {
        if (fromMs <= untilMs && toMs + afterMs > untilMs) untilMs = toMs + afterMs
      }
      return untilMs - dueMs
    },
    get totalMs() {
      return totalMs
    },
    longerThan: (ms) => [...open].filter(([, { fromMs, toMs }]) => toMs - fromMs > ms).map(([what]) => what),
  }
}
