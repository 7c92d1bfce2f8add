import { Refusal } from "#kernel"

/** Does long work one at a time, in the order in which it came. Throws `overloaded` at once when too much waits. */
export type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>

/** `most` counts what waits, and what is done now. */
export function createTurns(most: number): Turns {
  let last: Promise<unknown> = Promise.resolve()
  let count = 0
  return async (work) => {
    if (count >= most) {
      throw new Refusal("overloaded", "Too many searches and evaluations are asked at once. Try again in a moment.")
    }
    count += 1
    const own = last.catch(() => undefined).then(work)
    last = own
    try {
      return await own
    } finally {
      count -= 1
    }
  }
}
