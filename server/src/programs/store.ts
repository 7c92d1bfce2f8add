import { type Queryable, Refusal } from "#kernel"

const LEAST_VERSION = 15

/** The database's time, out of a write that leaves nothing: proves that this role can write now, which a select would not. */
export async function writeNothing(database: Queryable): Promise<Date> {
  const [row] = await database.query<{ now: Date }>(
    "update kernel.epoch set epoch = epoch returning clock_timestamp() as now",
  )
  return row!.now
}

/** PostgreSQL's version, such as `18.1`. Throws `not-ready` for one that is too old to run on. */
export async function requireVersion(database: Queryable): Promise<string> {
  const [row] = await database.query<{ version: string }>("select current_setting('server_version') as version")
  const { version } = row!
  if (Number.parseInt(version, 10) >= LEAST_VERSION) return version
  throw new Refusal("not-ready", `PostgreSQL ${version} is too old; Safeconduct needs ${LEAST_VERSION} or newer.`)
}
