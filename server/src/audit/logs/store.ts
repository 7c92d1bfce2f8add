import type { Queryable, Transaction } from "#kernel"
import type { LogTables } from "../store.ts"

/** A log that was closed, and the tree that its tables hold. */
export type ClosedLog = { log: number; size: number; root: Buffer; begunAt: Date; closedAt: Date }

/** A public key of a log's checkpoints. */
export type LogKey = { vkey: string; log: number; addedAt: Date; retiredAt: Date | null }

/** Where a closed log rests. */
export function closedTables(log: number): LogTables {
  const of = (table: string) => `audit.${table}_${Math.trunc(log)}`
  return { entries: of("entries"), tiles: of("tiles"), checkpoints: of("checkpoints") }
}

/** One rotation after another; refused to whoever could not close a log, before anything is done. */
export async function lockLogs(tx: Transaction): Promise<void> {
  await tx.query("lock table audit.logs in share row exclusive mode")
}

/** Number of the log that goes on. */
export async function readLogNumber(database: Queryable): Promise<number> {
  const [row] = await database.query<{ log: number }>("select max(log) as log from audit.logs")
  return row!.log
}

/** Every log that does not go on, the newest first. */
export async function readClosedLogs(database: Queryable): Promise<ClosedLog[]> {
  return await database.query<ClosedLog>(
    `select log, size, root, begun_at as "begunAt", closed_at as "closedAt"
     from audit.logs where closed_at is not null order by log desc`,
  )
}

/** As the owner: until the transaction ends nothing is called that somebody put into a schema on the session's path. */
export async function trustNoPath(tx: Transaction): Promise<void> {
  await tx.query("set local search_path = pg_catalog, pg_temp")
}

/** Closes the log, begins an empty one of that number, and returns the number of the closed one. Only as the owner. */
export async function closeLog(tx: Transaction, next: number, serverRole: string): Promise<number> {
  const [row] = await tx.query<{ log: number }>("select audit.close_log($1, $2) as log", [next, serverRole])
  return row!.log
}

/** Keys of every log, in the order in which they were added. */
export async function readLogKeys(database: Queryable): Promise<LogKey[]> {
  return await database.query<LogKey>(
    `select vkey, log, added_at as "addedAt", retired_at as "retiredAt" from audit.log_keys order by added_at, vkey`,
  )
}

/** Public keys that checkpoints of the log are signed with now, oldest first. */
export async function readKeysInForce(database: Queryable, log: number): Promise<string[]> {
  const keys = (await readLogKeys(database)).filter((key) => key.log === log && key.retiredAt === null)
  return keys.map(({ vkey }) => vkey)
}

/** Puts a key in force; does nothing when it is or was. */
export async function insertLogKey(database: Queryable, vkey: string, log: number): Promise<void> {
  await database.query("insert into audit.log_keys (vkey, log) values ($1, $2) on conflict do nothing", [vkey, log])
}

/** Ends the overlap: keys of the log that are older than the newest are not in force any more. Returns which. */
export async function retireLogKeys(tx: Transaction, log: number): Promise<string[]> {
  const rows = await tx.query<{ vkey: string }>(
    `update audit.log_keys set retired_at = now() where log = $1 and retired_at is null and vkey <> (
       select vkey from audit.log_keys where log = $1 and retired_at is null order by added_at desc, vkey desc limit 1)
     returning vkey`,
    [log],
  )
  return rows.map(({ vkey }) => vkey)
}
