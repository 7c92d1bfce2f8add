import type { Queryable, Transaction } from "../database.ts"

/** A server that runs, and what its key files hold. */
export type RunningServer = {
  id: string
  sealing: string
  keyEncryptionKeys: readonly string[]
  logKeys: readonly string[]
}

/** A server that was not heard of for longer does not run any more. */
const SILENT = "interval '15 seconds'"

/** Name of the key that seals; null before there is one. */
export async function readSealing(database: Queryable): Promise<string | null> {
  const [row] = await database.query<{ key: string }>("select key from kernel.sealing")
  return row?.key ?? null
}

/** Some value that rests sealed, if any does: says which key seals in a database from before that was written down. */
export async function readSealedValue(database: Queryable): Promise<string | null> {
  const [row] = await database.query<{ sealed: string }>(
    "select sealed from kernel.keys where sealed is not null order by created_at limit 1",
  )
  return row?.sealed ?? null
}

/** Writes down what seals; does nothing when it is written already. */
export async function insertSealing(database: Queryable, key: string): Promise<void> {
  await database.query("insert into kernel.sealing (key) values ($1) on conflict do nothing", [key])
}

/** Lets another key seal. False when `before` did not seal any more. */
export async function updateSealing(tx: Transaction, before: string, key: string): Promise<boolean> {
  const rows = await tx.query("update kernel.sealing set key = $2, since = now() where key = $1 returning only_row", [
    before,
    key,
  ])
  return rows.length > 0
}

/** Says what a server has; others that fell silent are forgotten on the way. */
export async function writeServer(database: Queryable, server: RunningServer): Promise<void> {
  await database.query(
    `with silent as (delete from kernel.servers where seen_at < now() - ${SILENT} and id <> $1)
     insert into kernel.servers (id, sealing, key_encryption_keys, log_keys) values ($1, $2, $3, $4)
     on conflict (id) do update set sealing = excluded.sealing, key_encryption_keys = excluded.key_encryption_keys,
       log_keys = excluded.log_keys, seen_at = now()`,
    [server.id, server.sealing, server.keyEncryptionKeys, server.logKeys],
  )
}

/** The server stops. */
export async function deleteServer(database: Queryable, id: string): Promise<void> {
  await database.query("delete from kernel.servers where id = $1", [id])
}

/** Servers that run. */
export async function readServers(database: Queryable): Promise<RunningServer[]> {
  return await database.query<RunningServer>(
    `select id, sealing, key_encryption_keys as "keyEncryptionKeys", log_keys as "logKeys"
     from kernel.servers where seen_at >= now() - ${SILENT} order by id`,
  )
}
