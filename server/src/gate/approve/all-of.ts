import type { Change } from "#audit"

/** All of them, or none. */
export function allOf<T>(changes: readonly Change<T>[]): Change<T[]> {
  return {
    async work(tx) {
      const results: T[] = []
      for (const change of changes) results.push((await change.work?.(tx)) as T)
      return results
    },
    entries: (results) => changes.flatMap((change, at) => change.entries(results[at]!)),
  }
}
