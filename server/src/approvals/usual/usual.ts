import { createHmac } from "node:crypto"
import type { Change } from "#audit"
import { canonical, type Database, type Json, random } from "#kernel"
import type { ArgumentFact } from "../card/facts.ts"
import type { Approval } from "../request.ts"
import { insertUsual, type Noted, type Of, readUsual } from "./store.ts"

/** What is unlike what somebody approved before; what a number is compared with takes as many. */
const LEAST_NUMBERS = 3
/** A number so many times the usual is shown. */
const TIMES = 3

/** What a user approved before of the same operation. */
export interface Usual {
  /** How each argument differs from that; null for what does not, and when nothing was approved before. */
  compare(of: Of, given: { [argument: string]: Json }): Promise<{ [argument: string]: ArgumentFact["unusual"] }>
  /** Notes what was approved and is done now; to be joined with using it up. */
  note(approval: Approval): Change<void>
}

/** Opens it. */
export function openUsual(database: Database): Usual {
  return {
    async compare(of, given) {
      const before = Map.groupBy(await readUsual(database, of), ({ argument }) => argument)
      return Object.fromEntries(
        Object.entries(given).map(([argument, value]) => [argument, unlike(value, before.get(argument) ?? [])]),
      )
    },
    note: ({ user, action }) => ({
      async work(tx) {
        if (user === null || action === null) return
        const { resource, operation, arguments: given } = action
        await insertUsual(tx, { user, resource, operation }, Object.entries(given).map(notedOf))
      },
      entries: () => [],
    }),
  }
}

function unlike(value: Json, before: readonly Noted[]): ArgumentFact["unusual"] {
  if (before.length === 0) return null
  if (typeof value !== "number") {
    return before.some(({ salt, mark }) => mark.equals(markOf(salt, value))) ? null : { kind: "first-time" }
  }
  const numbers = before.flatMap(({ amount }) => (amount === null ? [] : [Math.abs(amount)])).sort((a, b) => a - b)
  const median = numbers[Math.floor(numbers.length / 2)] ?? 0
  const times = median > 0 ? Math.floor(Math.abs(value) / median) : 0
  return numbers.length >= LEAST_NUMBERS && times >= TIMES ? { kind: "times-usual", times } : null
}

function notedOf([argument, value]: [string, Json]): Noted {
  const salt = random(16)
  return { argument, salt, mark: markOf(salt, value), amount: typeof value === "number" ? value : null }
}

function markOf(salt: Buffer, value: Json): Buffer {
  return createHmac("sha256", salt).update(canonical(value)).digest()
}
