import { type Queryable, Refusal, refusalCode } from "#kernel"
import { findEntry, type LogTables, newestCheckpoint, type StoredEntry } from "../store.ts"
import { type ClosedLog, closedTables, readClosedLogs } from "./store.ts"

/** A closed log and where it rests. */
export type ClosedPlace = ClosedLog & { tables: LogTables }

/** The closed log of that number. Throws `not-found`. */
export async function findClosed(database: Queryable, log: number): Promise<ClosedPlace> {
  const found = (await readClosedLogs(database)).find((each) => each.log === log)
  if (found === undefined) throw new Refusal("not-found", `There is no log ${log} here.`)
  return { ...found, tables: closedTables(log) }
}

/** An entry, and the closed log that it is in; null for the log that goes on. Throws `not-found`. */
export async function locate(
  database: Queryable,
  entryId: string,
): Promise<{ entry: StoredEntry; closed: ClosedPlace | null }> {
  const entry = await findEntry(database, entryId)
  if (entry !== null) return { entry, closed: null }
  for (const closed of await readClosedLogs(database)) {
    const tables = closedTables(closed.log)
    const older = await findEntry(database, entryId, tables)
    if (older !== null) return { entry: older, closed: { ...closed, tables } }
  }
  throw new Refusal("not-found", "The log has no such entry.")
}

/** Whether an entry of that id is in this log, or in one that was closed: what was promised under it is done. */
export async function isRecorded(database: Queryable, entryId: string): Promise<boolean> {
  try {
    await locate(database, entryId)
    return true
  } catch (error) {
    if (error instanceof Refusal && refusalCode(error) === "not-found") return false
    throw error
  }
}

/** The last checkpoint of a closed log. Throws `not-found` when none was ever signed. */
export async function lastCheckpointOf(database: Queryable, { log, tables }: ClosedPlace): Promise<string> {
  const note = await newestCheckpoint(database, tables)
  if (note === null) throw new Refusal("not-found", `Log ${log} was closed before any checkpoint of it was signed.`)
  return note
}
