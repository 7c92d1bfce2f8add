import { type Database, Refusal } from "#kernel"
import type { Change, Recorded } from "./change.ts"
import { readLeaf } from "./leaf.ts"
import { locate } from "./logs/closed.ts"
import { closedTables, readClosedLogs } from "./logs/store.ts"
import { currentTables, eraseDisclosures, findDisclosing, listErasures, readDisclosures } from "./store.ts"

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
  // A crash here leaves values whose erasure is recorded; finishErasures() finds them at the next start.
  await eraseDisclosures(database, entry, entries[0]!.id)
  return entries[0]!
}

/** Erases what a crash left behind after its erasure was recorded, in this log or in one that was closed since. */
export async function finishErasures(database: Database): Promise<void> {
  const closed = (await readClosedLogs(database)).map(({ log }) => closedTables(log))
  for (const tables of [currentTables, ...closed]) {
    const told = (await listErasures(database, tables)).map(({ id, leaf }) => ({ telling: id, entry: erasedIn(leaf) }))
    const left = await findDisclosing(
      database,
      told.flatMap(({ entry }) => entry ?? []),
    )
    for (const { telling, entry } of told) {
      if (entry !== null && left.has(entry)) await eraseDisclosures(database, entry, telling)
    }
  }
}

/** Null for what says nothing: a closed log may hold leaves that somebody altered. */
function erasedIn(leaf: Buffer): string | null {
  try {
    const { entry } = readLeaf(leaf).data ?? {}
    return typeof entry === "string" ? entry : null
  } catch {
    return null
  }
}
