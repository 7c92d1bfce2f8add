import { type Database, type Queryable, Refusal } from "#kernel"
import type { Change, Recorded } from "./change.ts"
import { locate } from "./logs/closed.ts"
import { eraseDisclosures, findUnfinishedErasures, readDisclosures } from "./store.ts"

/** A wish to erase the personal values of an entry. `reason` is recorded, so it names nobody. */
export type Erasure = { entry: string; by: string; reason: string }

type ErasingParts = { database: Database; commit: (change: Change<unknown>) => Promise<{ entries: Recorded[] }> }

/** Records the erasure and does it; the database does none that is not recorded. Throws `not-found`, `invalid-request`. */
export async function erase({ database, commit }: ErasingParts, { entry, by, reason }: Erasure): Promise<Recorded> {
  if (/\p{Cc}/u.test(reason)) throw new Refusal("invalid-request", "The reason holds a control character.")
  await locate(database, entry)
  const names = (await readDisclosures(database, entry)).map(({ name }) => name)
  const { entries } = await commit({
    entries: () => [{ event: "audit.erased", by, data: { entry, names, reason } }],
  })
  // A crash here leaves values whose erasure is recorded; finishErasures() finds them at the next start, and when the log is closed.
  await eraseDisclosures(database, entry, entries[0]!.id)
  return entries[0]!
}

/** Erases what a crash left behind after its erasure was recorded. */
export async function finishErasures(database: Queryable): Promise<void> {
  for (const { entry, telling } of await findUnfinishedErasures(database)) {
    await eraseDisclosures(database, entry, telling)
  }
}
