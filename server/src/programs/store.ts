import type { Queryable } from "#kernel"

/** The database's time, out of a write that leaves nothing: proves that this role can write now, which a select would not. */
export async function writeNothing(database: Queryable): Promise<Date> {
  const [row] = await database.query<{ now: Date }>(
    "update kernel.epoch set epoch = epoch returning clock_timestamp() as now",
  )
  return row!.now
}

/** The server's version, such as `18.1`; of a database that may not be ours. */
export async function readServerVersion(database: Queryable): Promise<string> {
  const [row] = await database.query<{ version: string }>("select current_setting('server_version') as version")
  return row!.version
}
