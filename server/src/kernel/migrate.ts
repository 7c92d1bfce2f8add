import { readdirSync, readFileSync } from "node:fs"
import pg from "pg"
import { fingerprint } from "./bytes.ts"
import type { Database } from "./database.ts"
import { Refusal } from "./refusal.ts"

/** A room's numbered migrations: files `0001-what-it-does.sql` in a folder, applied in order, never edited afterwards. */
export type Migrations = { room: string; folder: URL }

/** The kernel's own: the epoch, the deployment's name, sealed keys. */
export const kernelMigrations: Migrations = { room: "kernel", folder: new URL("./migrations/", import.meta.url) }

/**
 * Counts the releases that changed a schema. It is raised by one with the first migration after a release, and every migration is
 * recorded under it: that is how an older server sees how far ahead of it a database is.
 */
export const GENERATION = 5

/** The owner's: what somebody put into a schema on his session's path would be called in his name. */
const TRUST_NO_PATH = "set local search_path = pg_catalog, pg_temp"

/** One advisory lock for all servers and operators that migrate at once. */
const LOCK = 7_236_823

/**
 * Brings every room's schema to the newest version: forward only, each file in one transaction, under an advisory lock.
 * `{{server}}` in a file stands for the role that `serve` connects as. Runs as the owner of the database.
 * Throws `not-ready` when an applied file was edited since. Returns what was applied now, as `room/file`.
 */
export async function migrate(owner: Database, rooms: readonly Migrations[], serverRole: string): Promise<string[]> {
  const role = pg.escapeIdentifier(serverRole)
  await owner.transaction(async (tx) => {
    await tx.query(TRUST_NO_PATH)
    // Two at once: `if not exists` alone lets both try, and one fails.
    await tx.query("select pg_advisory_xact_lock($1)", [LOCK])
    await tx.query("create schema if not exists kernel")
    await tx.query(`create table if not exists kernel.migrations (
      room text not null, number int not null, file text not null, digest text not null,
      applied_at timestamptz not null default now(), primary key (room, number))`)
    // The second was the last that did not say so.
    await tx.query("alter table kernel.migrations add column if not exists generation int not null default 2")
    // The server tells what is pending also when nothing else was granted yet.
    await tx.query(`grant usage on schema kernel to ${role}; grant select on kernel.migrations to ${role}`)
  })
  const applied: string[] = []
  for (const { room, file, number, sql } of rooms.flatMap(readFiles)) {
    const isNew = await owner.transaction(async (tx) => {
      await tx.query(TRUST_NO_PATH)
      await tx.query("select pg_advisory_xact_lock($1)", [LOCK])
      const [done] = await tx.query<{ digest: string }>(
        "select digest from kernel.migrations where room = $1 and number = $2",
        [room, number],
      )
      if (done !== undefined) {
        if (done.digest === fingerprint(sql)) return false
        throw new Refusal("not-ready", `Migration ${room}/${file} was edited after it was applied. Restore the file.`)
      }
      // A crash here leaves nothing of this file: schema changes are transactional.
      await tx.query(sql.replaceAll("{{server}}", () => role))
      await tx.query(
        "insert into kernel.migrations (room, number, file, digest, generation) values ($1, $2, $3, $4, $5)",
        [room, number, file, fingerprint(sql), GENERATION],
      )
      return true
    })
    if (isNew) applied.push(`${room}/${file}`)
  }
  return applied
}

/** Names of migrations that this version knows and the database lacks; empty when it may serve. */
export async function pendingMigrations(database: Database, rooms: readonly Migrations[]): Promise<string[]> {
  const [table] = await database.query<{ exists: boolean }>(
    "select to_regclass('kernel.migrations') is not null as exists",
  )
  if (!table?.exists) return rooms.flatMap(readFiles).map(({ room, file }) => `${room}/${file}`)
  const rows = await database.query<{ room: string; number: number }>("select room, number from kernel.migrations")
  const done = new Set(rows.map((row) => `${row.room}/${row.number}`))
  return rooms
    .flatMap(readFiles)
    .filter(({ room, number }) => !done.has(`${room}/${number}`))
    .map(({ room, file }) => `${room}/${file}`)
}

/**
 * Throws `not-ready` when the database is not one that this version runs on: it lacks a migration that this version knows, or
 * a release after the next one has migrated it. The next one's schemas are run on, so that servers can be replaced one by one.
 */
export async function requireSchemas(database: Database, rooms: readonly Migrations[]): Promise<void> {
  const pending = await pendingMigrations(database, rooms)
  if (pending.length > 0) {
    throw new Refusal("not-ready", `The database lacks ${pending.length} migrations; run "safeconduct migrate" first.`)
  }
  // Read as JSON: what the second generation made has no such column.
  const [row] = await database.query<{ newest: number | null }>(
    "select max((to_jsonb(m) ->> 'generation')::int) as newest from kernel.migrations m",
  )
  if ((row?.newest ?? 0) <= GENERATION + 1) return
  const message = `A release after the next one has migrated the database (to schemas ${row!.newest}; this one is of ${GENERATION}).`
  throw new Refusal("not-ready", `${message} Start a newer version of Safeconduct.`)
}

function readFiles({ room, folder }: Migrations) {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".sql"))
    .sort()
    .map((file) => ({
      room,
      file,
      number: Number.parseInt(file, 10),
      sql: readFileSync(new URL(file, folder), "utf8"),
    }))
}
