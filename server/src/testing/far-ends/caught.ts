/** What a catcher caught, in the order in which it came. */
export type Caught<Item> = {
  readonly all: readonly Item[]
  /** Resolves when that many were caught in all. */
  until(count: number): Promise<readonly Item[]>
}

/** How a catcher answers: takes it, refuses it for now or for good, or says nothing. */
export type Manner = "take" | "later" | "for-good" | "gone" | "silent"

/** An empty catch, and how to put something into it. */
export function openCaught<Item>(): { caught: Caught<Item>; add(item: Item): void } {
  const all: Item[] = []
  let waiting: { count: number; resolve(): void }[] = []
  return {
    caught: {
      all,
      async until(count) {
        if (all.length >= count) return all
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const late = () => reject(new Error(`${all.length} were caught within a minute, not ${count}`))
        const timer = setTimeout(late, 60_000)
        waiting.push({ count, resolve })
        await promise.finally(() => clearTimeout(timer))
        return all
      },
    },
    add(item) {
      all.push(item)
      for (const each of waiting) if (all.length >= each.count) each.resolve()
      waiting = waiting.filter(({ count }) => all.length < count)
    },
  }
}
