import type { Database } from "#kernel"

/** Where requests wait to be told that one of them changed. */
export interface Waiting extends AsyncDisposable {
  /** Resolves when it is so, or after so many milliseconds; true when it is so. */
  until(id: string, isSo: () => Promise<boolean>, ms: number): Promise<boolean>
}

/** A hint may be lost: so long at the most until the database is read again. */
const LOOK_MS = 1_000

/** Follows hints of the database. */
export async function openWaiting(database: Database): Promise<Waiting> {
  const waiters = new Map<string, Set<() => void>>()
  const wake = (id: string) => {
    // An empty hint comes after a reconnection: any of them may have been missed.
    const woken = id === "" ? [...waiters.values()].flatMap((each) => [...each]) : [...(waiters.get(id) ?? [])]
    for (const resolve of woken) resolve()
  }
  const listening = await database.listen("approvals_changed", wake)
  return {
    async until(id, isSo, ms) {
      const endMs = performance.now() + ms
      for (;;) {
        const hint = Promise.withResolvers<void>()
        const mine = waiters.get(id) ?? new Set()
        waiters.set(id, mine.add(hint.resolve))
        try {
          if (await isSo()) return true
          const leftMs = endMs - performance.now()
          if (leftMs <= 0) return false
          const timer = setTimeout(hint.resolve, Math.min(LOOK_MS, leftMs))
          await hint.promise
          clearTimeout(timer)
        } finally {
          mine.delete(hint.resolve)
          if (mine.size === 0) waiters.delete(id)
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      wake("")
    },
  }
}
