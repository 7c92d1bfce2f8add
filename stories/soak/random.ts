/** Chance that can be had again: the same seed gives the same sequence. */
export type Chance = {
  /** At least 0, less than 1. */
  next(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  pick<T>(values: readonly T[]): T
}

/** Mulberry32 (public domain): good enough to choose what to break, and short enough to read. */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (values) => values[Math.floor(next() * values.length)]!,
  }
}

/** Goes through all values in an order of chance, then again in another: in any run each comes as often as any other. */
export function* shuffled<T>(values: readonly T[], chance: Chance): Generator<T, never> {
  for (;;) {
    const rest = [...values]
    while (rest.length > 0) yield rest.splice(chance.between(0, rest.length - 1), 1)[0]!
  }
}
