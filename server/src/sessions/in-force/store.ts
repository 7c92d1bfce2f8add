import type { Json, Queryable, Transaction } from "#kernel"

/** Parts of the configuration that the room keeps, each in a table of that name. */
export const tables = ["purposes", "providers", "applications"] as const
/** One of them. */
export type PartTable = (typeof tables)[number]

/** Replaces everything that the table holds. */
export async function writePart(tx: Transaction, table: PartTable, part: { [name: string]: Json }): Promise<void> {
  await tx.query(`delete from sessions.${table}`)
  await tx.query(
    `insert into sessions.${table} (name, definition) select name, definition from jsonb_each($1::jsonb) as p (name, definition)`,
    [JSON.stringify(part)],
  )
}

/** As it stands in the database: not checked. */
export async function readPart(
  database: Queryable,
  table: PartTable,
): Promise<{ name: string; definition: unknown }[]> {
  return await database.query(`select name, definition from sessions.${table} order by name`)
}
