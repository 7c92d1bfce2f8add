import assert from "node:assert/strict"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { pathToFileURL } from "node:url"
import {
  GENERATION,
  kernelMigrations,
  type Migrations,
  migrate,
  openDatabase,
  pendingMigrations,
  requireSchemas,
  SERVER_ROLE,
} from "#kernel"
import { emptyDatabase, testDatabase } from "#testing"

/** The kernel's own files, in order. */
const own = readdirSync(kernelMigrations.folder)
  .sort()
  .map((file) => `kernel/${file}`)
const lacking = new RegExp(`lacks ${own.length + 1} migrations`)

test("a fresh database gets every file once, in order", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0002-b.sql": "create table toy.b (id int references toy.a)", "0001-a.sql": TOY })
  assert.deepEqual(await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE), [
    ...own,
    "toy/0001-a.sql",
    "toy/0002-b.sql",
  ])
  assert.deepEqual(await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE), [])
})

test("two that migrate at once apply every file once", async () => {
  for (let round = 0; round < 5; round++) {
    await using store = await emptyDatabase()
    await using other = openDatabase({ url: store.ownerUrl })
    using room = roomOf({ "0001-a.sql": TOY })
    const both = await Promise.all(
      [store.owner, other, other].map((owner) => migrate(owner, [kernelMigrations, room], SERVER_ROLE)),
    )
    assert.deepEqual(both.flat().sort(), [...own, "toy/0001-a.sql"])
  }
})

test("a file that was edited after it was applied stops everything after it", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0001-a.sql": TOY })
  await migrate(store.owner, [room], SERVER_ROLE)
  room.write("0001-a.sql", `${TOY} -- edited`)
  room.write("0002-b.sql", "create table toy.b ()")
  await assert.rejects(migrate(store.owner, [room], SERVER_ROLE), {
    name: "Refusal",
    code: "not-ready",
    message: /toy\/0001-a\.sql was edited/,
  })
  assert.deepEqual(await store.owner.query("select 1 from pg_tables where schemaname = 'toy' and tablename = 'b'"), [])
})

test("a file that fails leaves nothing of itself and all of those before it", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0001-a.sql": TOY, "0002-b.sql": "create table toy.b (); select 1/0" })
  await assert.rejects(migrate(store.owner, [room], SERVER_ROLE), { code: "22012" })
  const tables = await store.owner.query("select tablename from pg_tables where schemaname = 'toy'")
  assert.deepEqual(tables, [{ tablename: "a" }])
  assert.deepEqual(await pendingMigrations(store.owner, [room]), ["toy/0002-b.sql"])
})

test("the server sees what is pending before it is granted anything else", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0001-a.sql": TOY })
  const all = [...own, "toy/0001-a.sql"]
  assert.deepEqual(await pendingMigrations(store.database, [kernelMigrations, room]), all)
  await migrate(store.owner, [], SERVER_ROLE)
  assert.deepEqual(await pendingMigrations(store.database, [kernelMigrations, room]), all)
  await migrate(store.owner, [kernelMigrations], SERVER_ROLE)
  assert.deepEqual(await pendingMigrations(store.database, [kernelMigrations, room]), ["toy/0001-a.sql"])
  await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE)
  assert.deepEqual(await pendingMigrations(store.database, [kernelMigrations, room]), [])
})

test("a version runs on its own schemas and on the next release's, and on none before or after", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0001-a.sql": TOY })
  const rooms = [kernelMigrations, room]
  await assert.rejects(requireSchemas(store.database, rooms), { code: "not-ready", message: lacking })
  await migrate(store.owner, rooms, SERVER_ROLE)
  await requireSchemas(store.database, rooms)
  const migrateLater = (generation: number) =>
    store.owner.query(
      "insert into kernel.migrations (room, number, file, digest, generation) values ('toy', $1, 'later', '', $1)",
      [generation],
    )
  await migrateLater(GENERATION + 1)
  await requireSchemas(store.database, rooms)
  await migrateLater(GENERATION + 2)
  await assert.rejects(requireSchemas(store.database, rooms), { code: "not-ready", message: /a newer version/ })
})

test("what was migrated before generations were recorded is of the second", async () => {
  await using store = await emptyDatabase()
  using room = roomOf({ "0001-a.sql": TOY })
  await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE)
  await store.owner.query("alter table kernel.migrations drop column generation")
  await requireSchemas(store.database, [kernelMigrations, room])
  room.write("0002-b.sql", "create table toy.b ()")
  assert.deepEqual(await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE), ["toy/0002-b.sql"])
  const rows = await store.owner.query(
    "select file, generation from kernel.migrations where room = 'toy' order by number",
  )
  assert.deepEqual(rows, [
    { file: "0001-a.sql", generation: 2 },
    { file: "0002-b.sql", generation: GENERATION },
  ])
})

test("the server's role cannot migrate, nor change what it was not granted", async () => {
  await using store = await testDatabase()
  await assert.rejects(migrate(store.database, [kernelMigrations], SERVER_ROLE), { code: "42501" })
  for (const statement of [
    "create schema mine",
    "create table public.mine ()",
    "delete from kernel.migrations",
    "update kernel.migrations set digest = ''",
    "delete from kernel.keys",
    "delete from kernel.epoch",
    "alter table kernel.keys add x int",
    "create role mine",
  ]) {
    await assert.rejects(store.database.query(statement), { code: "42501" }, statement)
  }
})

const TOY = "create schema toy; create table toy.a (id int primary key)"

/** A room whose migrations are the files. */
function roomOf(files: Record<string, string>): Migrations & Disposable & { write(file: string, sql: string): void } {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-room-"))
  const write = (file: string, sql: string) => writeFileSync(join(folder, file), sql)
  for (const [file, sql] of Object.entries(files)) write(file, sql)
  return {
    room: "toy",
    folder: pathToFileURL(`${folder}/`),
    write,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

test("a migration calls nothing that somebody put on the owner's path", async () => {
  await using store = await testDatabase()
  // PostgreSQL prefers text for a literal without a type; its own takes bytea.
  await store.owner.query(`create function public.sha256(text) returns bytea language plpgsql as $$
    begin raise exception 'called as %', current_user; end $$`)
  await assert.rejects(store.owner.query("select sha256('')"), /called as/)
  using room = roomOf({ "0001-a.sql": "create schema toy; create table toy.a as select sha256('') as hash" })
  assert.deepEqual(await migrate(store.owner, [kernelMigrations, room], SERVER_ROLE), ["toy/0001-a.sql"])
})
