import { type Database, type Queryable, Refusal, random } from "#kernel"

const LEAST_VERSION = 15

/** More than a page of PostgreSQL's has left, so that it has to find room on the disk. */
const PROBE_BYTES = 65_536

/** Throws what stands in the way of writing now: proves that this role may and that there is room. Leaves nothing. */
export async function proveRoom(database: Database): Promise<void> {
  const takenBack = new Error("taken back")
  await database
    .transaction(async (tx) => {
      await tx.query("update kernel.epoch set epoch = epoch")
      await tx.query("insert into kernel.probe (bytes) values ($1)", [random(PROBE_BYTES)])
      throw takenBack
    })
    .catch((error: unknown) => {
      if (error !== takenBack) throw error
    })
}

/** The database's time now, milliseconds since the Unix epoch. */
export async function readClock(database: Queryable): Promise<number> {
  const text = "select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms"
  return (await database.query<{ ms: number }>(text))[0]!.ms
}

/** Who we are there, and whether we could do what a server must not. */
export async function readRole(database: Queryable) {
  const [row] = await database.query<{ name: string; isSuperuser: boolean; isOwner: boolean }>(
    `select current_user as name, rolsuper as "isSuperuser",
            coalesce((select pg_has_role(current_user, nspowner, 'member') from pg_namespace where nspname = 'audit'), false) as "isOwner"
       from pg_roles where rolname = current_user`,
  )
  return row!
}

/** Entries of the log that goes on. */
export async function readLogSize(database: Queryable): Promise<number> {
  return (await database.query<{ size: number }>("select size from audit.head"))[0]!.size
}

type Durability = { fsync: string; pages: string; commit: string; mayLose: string | null }

/** Why what this database calls committed could be lost with its machine, and what to do; null when it could not. */
export async function durabilityProblem(database: Queryable): Promise<string | null> {
  const [row] = await database.query<Durability>(
    `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages,
            current_setting('synchronous_commit') as commit,
            current_setting('safeconduct.commits_may_be_lost', true) as "mayLose"`,
  )
  const { fsync, pages, commit, mayLose } = row!
  if (mayLose === "on") return null
  const off = [
    ...(fsync === "off" ? ["fsync"] : []),
    ...(pages === "off" ? ["full_page_writes"] : []),
    ...(commit === "off" ? ["synchronous_commit"] : []),
  ]
  if (off.length === 0) return null
  return `The database may lose what it calls committed: ${off.join(", ")} must be on. Set it in postgresql.conf and restart.`
}

/** Throws `not-ready` for a database that may lose what it calls committed: an entry there proves nothing. */
export async function requireDurable(database: Queryable): Promise<void> {
  const problem = await durabilityProblem(database)
  if (problem !== null) throw new Refusal("not-ready", problem)
}

/** PostgreSQL's version, such as `18.1`. Throws `not-ready` for one that is too old to run on. */
export async function requireVersion(database: Queryable): Promise<string> {
  const [row] = await database.query<{ version: string }>("select current_setting('server_version') as version")
  const { version } = row!
  if (Number.parseInt(version, 10) >= LEAST_VERSION) return version
  throw new Refusal("not-ready", `PostgreSQL ${version} is too old; Safeconduct needs ${LEAST_VERSION} or newer.`)
}
