import type { Queryable, Transaction } from "#kernel"
import type { Disclosure, Written } from "./leaf.ts"

/** How many leaves the log has, and the RFC 6962 hash over them. */
export type TreeHead = { size: number; root: Buffer }

/** A full tile as it is stored: 8,192 bytes of hashes, and the hash of them all. */
export type StoredTile = { level: number; index: number; hashes: Uint8Array; root: Uint8Array }

/** An entry as it is stored. */
export type StoredEntry = { index: number; id: string; leaf: Buffer }

/** Names of the tables that a log rests in. */
export type LogTables = { entries: string; tiles: string; checkpoints: string }

/** Where the log that goes on rests. */
export const currentTables: LogTables = {
  entries: "audit.entries",
  tiles: "audit.tiles",
  checkpoints: "audit.checkpoints",
}

/** The head, locked until the transaction ends: whoever holds it is the only one to append. */
export async function lockHead(tx: Transaction): Promise<TreeHead> {
  const [row] = await tx.query<TreeHead>("select size, root from audit.head for update")
  return row!
}

/** The head as last committed. */
export async function readHead(database: Queryable): Promise<TreeHead> {
  const [row] = await database.query<TreeHead>("select size, root from audit.head")
  return row!
}

/** What one append writes: entries that go from one head to the next, and tiles that became full with them. */
export type Append = { from: TreeHead; to: TreeHead; entries: readonly Written[]; tiles: readonly StoredTile[] }

/**
 * Appends and moves the head, in one statement (migration 0004). Returns the revocation epoch, read under the head's lock;
 * null, and nothing is written, when the head is not `from`.
 */
export async function append(database: Queryable, { from, to, entries, tiles }: Append): Promise<number | null> {
  const [row] = await database.query<{ epoch: number | null }>(
    `select audit.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) as epoch
     /* insert into audit.entries, insert into audit.tiles, insert into audit.intents, update audit.head */`,
    [
      from.size,
      from.root,
      to.size,
      to.root,
      entries.map(({ id }) => id),
      entries.map(({ event }) => event),
      entries.map(({ session }) => session),
      entries.map(({ at }) => at),
      entries.map(({ deadlineSeconds }) => deadlineSeconds),
      entries.map(({ leaf }) => leaf.length),
      Buffer.concat(entries.map(({ leaf }) => leaf)),
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      Buffer.concat(tiles.map(({ hashes }) => hashes)),
      Buffer.concat(tiles.map(({ root }) => root)),
    ],
  )
  return row!.epoch
}

/** The revocation epoch, for a transaction that records nothing. */
export async function readEpoch(tx: Transaction): Promise<number> {
  const [row] = await tx.query<{ epoch: number }>("select epoch from kernel.epoch")
  return row!.epoch
}

/** Adds the personal values of entries that are in the log already. */
export async function insertDisclosures(tx: Transaction, entries: readonly Written[]): Promise<void> {
  const rows = entries.flatMap(({ id, disclosures }) => disclosures.map((each) => ({ id, ...each })))
  await tx.query(
    "insert into audit.disclosures (entry, name, salt, value) select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[])",
    [
      rows.map(({ id }) => id),
      rows.map(({ name }) => name),
      rows.map(({ salt }) => salt),
      rows.map(({ value }) => value),
    ],
  )
}

/**
 * Forgets intents whose outcome is recorded. One that is locked is being swept: its deadline passed, it is the sweeper's,
 * and waiting for it here, with the head locked, would be a deadlock.
 */
export async function deleteIntents(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx.query(
    "delete from audit.intents where id in (select id from audit.intents where id = any($1) for update skip locked)",
    [ids],
  )
}

/**
 * Takes one intent, to be finished in this transaction; `isLate` when its outcome was called missing before. Null when it
 * was finished already, or has been missing for longer than a day.
 */
export async function takeIntent(tx: Transaction, id: string): Promise<{ isLate: boolean } | null> {
  const [row] = await tx.query<{ is_late: boolean }>(
    "delete from audit.intents where id = $1 returning missed_at is not null as is_late",
    [id],
  )
  return row === undefined ? null : { isLate: row.is_late }
}

/** Whether any intent is past its deadline, by the database's clock, and not called missing yet. */
export async function hasOverdueIntents(database: Queryable): Promise<boolean> {
  const rows = await database.query(
    "select from audit.intents where missed_at is null and deadline < clock_timestamp() limit 1",
  )
  return rows.length > 0
}

/** Marks at most `limit` intents past their deadline as missed; those another server is marking are left to it. */
export async function missOverdueIntents(
  tx: Transaction,
  limit: number,
): Promise<{ id: string; event: string; session: string | null }[]> {
  // What was missed a day ago is forgotten on the way; the log remembers it.
  await tx.query(
    `delete from audit.intents where id in (
       select id from audit.intents where missed_at < now() - interval '1 day' limit $1 for update skip locked)`,
    [limit],
  )
  return await tx.query(
    `update audit.intents set missed_at = now() where id in (
       select id from audit.intents where missed_at is null and deadline < clock_timestamp()
       order by deadline limit $1 for update skip locked)
     returning id, event, session`,
    [limit],
  )
}

/** Hashes of a full tile; null when the database has none. */
export async function readFullTile(
  database: Queryable,
  level: number,
  index: number,
  { tiles } = currentTables,
): Promise<Buffer | null> {
  const [row] = await database.query<{ hashes: Buffer }>(
    `select hashes from ${tiles} where level = $1 and index = $2`,
    [level, index],
  )
  return row?.hashes ?? null
}

/** Hashes of whole tiles of a level, those from tile `from` to before `to`; fewer when there are fewer. */
export async function readTileRoots(
  database: Queryable,
  level: number,
  [from, to]: readonly [from: number, to: number],
  { tiles } = currentTables,
): Promise<Buffer[]> {
  const rows = await database.query<{ root: Buffer }>(
    `select root from ${tiles} where level = $1 and index >= $2 and index < $3 order by index`,
    [level, from, to],
  )
  return rows.map(({ root }) => root)
}

/** Leaves in order, `count` from index `from` on; fewer when there are fewer. */
export async function readLeaves(
  database: Queryable,
  from: number,
  count: number,
  { entries } = currentTables,
): Promise<Buffer[]> {
  const rows = await database.query<{ leaf: Buffer }>(
    `select leaf from ${entries} where index >= $1 and index < $2 order by index`,
    [from, from + count],
  )
  return rows.map(({ leaf }) => leaf)
}

/** The entry of that id, or null. */
export async function findEntry(
  database: Queryable,
  id: string,
  { entries } = currentTables,
): Promise<StoredEntry | null> {
  const [row] = await database.query<StoredEntry>(`select index, id, leaf from ${entries} where id = $1`, [id])
  return row ?? null
}

/** Entries in order, from an index on; all of them, or those of an event or a session. */
export async function listEntries(
  database: Queryable,
  query: { from: number; limit: number; event?: string | undefined; session?: string | undefined },
  { entries } = currentTables,
): Promise<StoredEntry[]> {
  return await database.query<StoredEntry>(
    `select index, id, leaf from ${entries}
     where index >= $1 and ($3::text is null or event = $3) and ($4::text is null or session = $4)
     order by index limit $2`,
    [query.from, query.limit, query.event ?? null, query.session ?? null],
  )
}

/** When the first entry from an index on was written; null when the log does not reach it. */
export async function timeAt(database: Queryable, index: number): Promise<Date | null> {
  const [row] = await database.query<{ at: Date }>(
    `select at from ${currentTables.entries} where index >= $1 order by index limit 1`,
    [index],
  )
  return row?.at ?? null
}

/** How many entries of these events there are, from an index on. */
export async function countEntries(database: Queryable, events: readonly string[], from: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select count(*)::int as count from ${currentTables.entries} where event = any($1) and index >= $2`,
    [events, from],
  )
  return row!.count
}

/** The newest entries of a session, of these events, newest first. */
export async function listNewest(
  database: Queryable,
  { session, events, limit }: { session: string; events: readonly string[]; limit: number },
): Promise<StoredEntry[]> {
  return await database.query<StoredEntry>(
    `select index, id, leaf from ${currentTables.entries}
     where session = $1 and event = any($2) order by index desc limit $3`,
    [session, events, limit],
  )
}

/** An entry's personal values that are not erased, by name. */
export async function readDisclosures(database: Queryable, entry: string): Promise<Disclosure[]> {
  return await database.query<Disclosure>(
    "select name, salt, value from audit.disclosures where entry = $1 order by name",
    [entry],
  )
}

/** Erases an entry's personal values. The database refuses unless `telling` is an entry that tells of it. Idempotent. */
export async function eraseDisclosures(database: Queryable, entry: string, telling: string): Promise<number> {
  const [row] = await database.query<{ erased: number }>("select audit.erase($1, $2) as erased", [entry, telling])
  return row!.erased
}

/** Entries of a log that tell of an erasure. */
export async function listErasures(database: Queryable, { entries } = currentTables): Promise<StoredEntry[]> {
  return await database.query<StoredEntry>(
    `select index, id, leaf from ${entries} where event = 'audit.erased' order by index`,
  )
}

/** Those of the entries that have personal values. */
export async function findDisclosing(database: Queryable, entries: readonly string[]): Promise<Set<string>> {
  const rows = await database.query<{ entry: string }>(
    "select distinct entry from audit.disclosures where entry = any($1)",
    [entries],
  )
  return new Set(rows.map(({ entry }) => entry))
}

/** Keeps a checkpoint; of one size there is one, and signing again gives the same. */
export async function insertCheckpoint(database: Queryable, head: TreeHead, note: string): Promise<void> {
  await database.query(
    "insert into audit.checkpoints (size, root, note) values ($1, $2, $3) on conflict (size) do nothing",
    [head.size, head.root, note],
  )
}

/** The signed note of the largest tree, whoever signed it; null before the first. */
export async function newestCheckpoint(database: Queryable, { checkpoints } = currentTables): Promise<string | null> {
  const [row] = await database.query<{ note: string }>(`select note from ${checkpoints} order by size desc limit 1`)
  return row?.note ?? null
}

/** What the role we are connected as could do to the log beyond appending. */
export async function readPowers(database: Queryable): Promise<{ isOwner: boolean; canRewrite: boolean }> {
  const [row] = await database.query<{ isOwner: boolean; canRewrite: boolean }>(
    `select bool_or(pg_has_role(current_user, relowner, 'member')) as "isOwner",
       bool_or(has_table_privilege(oid, 'update') or has_table_privilege(oid, 'delete')
         or has_table_privilege(oid, 'truncate')) filter (where relname ~ '^(entries|tiles|checkpoints)(_[0-9]+)?$')
         as "canRewrite"
     from pg_class where relnamespace = 'audit'::regnamespace and relkind = 'r'`,
  )
  return row!
}
