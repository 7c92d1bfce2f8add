/** How long a figure may take. `rounds` alternate between what is measured and its floor, so that both see the same machine. */
export type Pace = { isQuick: boolean; rounds: number; seconds: number }

/** Median of some values, with the least and the most. */
export type Spread = { median: number; least: number; most: number }

/** The spread of values, in any order; there is at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), least: sorted[0]!, most: sorted.at(-1)! }
}

/** The value that this share of ascending values does not exceed. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

/** One number, as short as it can be told. */
export function show(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en")
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

/** `median (least–most)`. */
export function showSpread({ median, least, most }: Spread): string {
  return `${show(median)} (${show(least)}–${show(most)})`
}

/** What callers in this process saw: answers per second, and milliseconds that they waited. */
export type Round = { perSecond: number; p50Ms: number; p99Ms: number }

/** So many callers for so many seconds, each with one call under way. */
export async function callersOf(callers: number, seconds: number, once: () => Promise<unknown>): Promise<Round> {
  const waits: number[] = []
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1_000
  const caller = async () => {
    for (let fromMs = performance.now(); fromMs < endMs; ) {
      await once()
      const nowMs = performance.now()
      waits.push(nowMs - fromMs)
      fromMs = nowMs
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const took = (performance.now() - beganMs) / 1_000
  waits.sort((a, b) => a - b)
  return { perSecond: waits.length / took, p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99) }
}

/** Works on all items, `width` at a time. */
export async function each<T>(items: readonly T[], width: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const caller = async () => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: width }, caller))
}

/** Milliseconds that the work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Tells on standard error what is going on; results go to standard output. */
export function progress(what: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${what}\n`)
}
