import type { Clock, Database } from "#kernel"
import { markUsed } from "./store.ts"

/** When sessions were last used on this server. Noted in memory, written now and then: a decision never waits for it. */
export interface Use {
  /** The session was used now. */
  touch(id: string): void
  /** Seconds since this server last saw it used; Infinity when it did not since the last writing. */
  unusedSeconds(id: string): number
  /** Seconds since a time of this server's clock; Infinity for none. */
  secondsSince(atMs: number | null): number
  /** Writes what was noted, at most every `everyMs` unless it is the last time; other servers' renewals see it then. */
  flush(options?: { isLast: boolean }): Promise<void>
}

/** Starts noting. */
export function noteUse(parts: { database: Database; clock: Clock; everyMs?: number }): Use {
  const { database, clock, everyMs = 5_000 } = parts
  let used = new Map<string, number>()
  let flushedAtMs = clock.nowMs()
  const secondsSince = (atMs: number | null) => (atMs === null ? Infinity : Math.max(0, (clock.nowMs() - atMs) / 1000))
  return {
    secondsSince,
    touch: (id) => void used.set(id, clock.nowMs()),
    unusedSeconds: (id) => secondsSince(used.get(id) ?? null),
    async flush({ isLast } = { isLast: false }) {
      if (used.size === 0 || (!isLast && clock.nowMs() - flushedAtMs < everyMs)) return
      const writing = used
      used = new Map()
      flushedAtMs = clock.nowMs()
      try {
        await markUsed(database, new Map([...writing].map(([id, atMs]) => [id, secondsSince(atMs)])))
      } catch (error) {
        // What was noted since is newer.
        used = new Map([...writing, ...used])
        throw error
      }
    },
  }
}
