import assert from "node:assert/strict"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { test } from "node:test"
import { openDatabase, prepareOwnDatabase, removePostgres, silentLog, startPostgres } from "#kernel"
import { scratchCluster, scratchFolder, startElsewhere } from "./fixture.ts"
import { settings } from "./postmaster.ts"
import { startOf } from "./processes.ts"

const isRoot = process.geteuid?.() === 0
const throwaway = { isThrowaway: true, log: silentLog } as const
const inUse = { name: "Refusal", code: "folder-in-use" }
const notReady = { name: "Refusal", code: "not-ready" }
const notRoot = isRoot ? false : "needs root"

test("a stopped cluster has its rows when it is started again", async () => {
  await using scratch = await scratchFolder()
  for (const expected of [[], [{ n: 1 }]]) {
    await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
    await using database = openDatabase({ url: postgres.superuserUrl })
    await database.query("create table if not exists toy (n int)")
    assert.deepEqual(await database.query("select n from toy"), expected)
    await database.query("insert into toy values (1)")
  }
})

test("as root it runs as another user, in a folder that only root can enter", { skip: notRoot }, async () => {
  await using scratch = await scratchFolder()
  chmodSync(scratch.path, 0o700)
  const folder = join(scratch.path, "deep", "er")
  for (const expected of [false, true]) {
    await using postgres = await startPostgres({ ...throwaway, folder })
    await using database = openDatabase({ url: postgres.superuserUrl })
    assert.notEqual(statSync(`/proc/${postgres.pid}`).uid, 0)
    const rows = await database.query("select 1 from pg_tables where tablename = 'toy'")
    assert.equal(rows.length === 1, expected)
    await database.query("create table if not exists toy (n int)")
  }
  assert.ok(!existsSync(join(folder, "data")))
  const place = readFileSync(join(folder, "data-is-in"), "utf8").trim()
  rmSync(join(place, "data"), { recursive: true })
  await assert.rejects(startPostgres({ ...throwaway, folder }), { ...notReady, message: /data is gone/ })
  await removePostgres(folder)
  assert.ok(!existsSync(place))
})

test("a throwaway cluster whose folder was deleted is removed by the next", { skip: notRoot }, async () => {
  await using scratch = await scratchFolder()
  chmodSync(scratch.path, 0o700)
  const folder = join(scratch.path, "lost")
  await (await startPostgres({ ...throwaway, folder })).stop()
  const place = readFileSync(join(folder, "data-is-in"), "utf8").trim()
  rmSync(folder, { recursive: true })
  await (await startPostgres({ ...throwaway, folder: join(scratch.path, "next") })).stop()
  assert.ok(!existsSync(place))
})

test("a folder that was deleted and made again begins anew", { skip: notRoot }, async () => {
  await using scratch = await scratchFolder()
  chmodSync(scratch.path, 0o700)
  const folder = join(scratch.path, "again")
  for (let round = 1; round <= 2; round++) {
    {
      await using postgres = await startPostgres({ ...throwaway, folder })
      await using database = openDatabase({ url: postgres.superuserUrl })
      // Fails in the second round if the first round's table, or its password, were still there.
      await database.query("create table toy (n int)")
    }
    if (round === 1) rmSync(folder, { recursive: true })
  }
  await removePostgres(folder)
})

test("data that its user can no longer reach is not replaced by an empty cluster", { skip: notRoot }, async () => {
  await using scratch = await scratchFolder()
  const folder = join(scratch.path, "cluster")
  await (await startPostgres({ ...throwaway, folder })).stop()
  chmodSync(scratch.path, 0o700)
  await assert.rejects(startPostgres({ ...throwaway, folder }), { ...notReady, message: /cannot reach/ })
  chmodSync(scratch.path, 0o755)
  await (await startPostgres({ ...throwaway, folder })).stop()
})

test("an ordinary user gets everything in the folder, and nothing of root's", { skip: notRoot }, async (t) => {
  await using scratch = await scratchFolder()
  const nobody = { uid: 65_534, gid: 65_534 }
  const home = scratch.path
  chmodSync(home, 0o777)
  const started = await startElsewhere(join(home, "cluster"), { ...nobody, env: { HOME: home, TMPDIR: home } })
  // A checkout under a private folder cannot be read by another user at all.
  if (started === null) return t.skip("the checkout is out of another user's reach")
  assert.equal(statSync(join(home, "cluster", "data")).uid, nobody.uid)
  await started.kill()
  process.kill(started.postmaster, "SIGQUIT")
})

test("what survived a kill of its owner is adopted, with its port and its connections", async () => {
  await using scratch = await scratchCluster()
  const elsewhere = (await startElsewhere(scratch.path))!
  await using database = openDatabase({ url: elsewhere.superuserUrl, maxConnections: 1 })
  const backend = () => database.query("select pg_backend_pid()")
  const before = await backend()
  await elsewhere.kill()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  assert.ok(postgres.isAdopted)
  assert.equal(postgres.pid, elsewhere.postmaster)
  assert.equal(postgres.superuserUrl, elsewhere.superuserUrl)
  assert.deepEqual(await backend(), before)
})

test("an adopted one that is on another port than wished is moved", async () => {
  await using scratch = await scratchCluster()
  const elsewhere = (await startElsewhere(scratch.path))!
  await elsewhere.kill()
  await using free = await scratchCluster()
  const other = await startPostgres({ ...throwaway, folder: free.path })
  const { port } = other
  await other.stop()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path, port })
  assert.equal(postgres.port, port)
  assert.ok(!postgres.isAdopted)
})

test("when owner and postmaster are both killed, what was committed is recovered", async () => {
  await using scratch = await scratchCluster()
  const elsewhere = (await startElsewhere(scratch.path))!
  {
    await using database = openDatabase({ url: elsewhere.superuserUrl })
    // A throwaway cluster does not wait for its own log otherwise.
    await database.query("set synchronous_commit = on; create table toy as select 1 as n")
  }
  await elsewhere.kill()
  process.kill(elsewhere.postmaster, "SIGKILL")
  // Adopted while it dies, it would only be started again a moment later.
  while (startOf(elsewhere.postmaster) !== null);
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  await using database = openDatabase({ url: postgres.superuserUrl })
  assert.deepEqual(await database.query("select n from toy"), [{ n: 1 }])
})

test("a postmaster that is killed is started again on its port, born here or adopted", async () => {
  await using scratch = await scratchCluster()
  await (await startElsewhere(scratch.path))!.kill()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  for (let round = 0; round < 2; round++) {
    const before = postgres.pid
    process.kill(before, "SIGKILL")
    await using database = openDatabase({ url: postgres.superuserUrl })
    while ((await database.query("select 1").catch(() => [])).length === 0 || postgres.pid === before);
    assert.notEqual(postgres.pid, before)
  }
})

test("a second owner is refused while the first lives, in the same process and in another", async () => {
  await using scratch = await scratchCluster()
  const postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  await assert.rejects(startPostgres({ ...throwaway, folder: scratch.path }), inUse)
  await assert.rejects(startElsewhere(scratch.path), /folder-in-use/)
  await assert.rejects(removePostgres(scratch.path), inUse)
  await postgres.stop()
  const elsewhere = (await startElsewhere(scratch.path))!
  await assert.rejects(startPostgres({ ...throwaway, folder: scratch.path }), inUse)
  await elsewhere.kill()
  await (await startPostgres({ ...throwaway, folder: scratch.path })).stop()
})

test("stopping ends the postmaster, twice is once, and nothing starts it again", async () => {
  await using scratch = await scratchCluster()
  const postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  await Promise.all([postgres.stop(), postgres.stop()])
  await using database = openDatabase({ url: postgres.superuserUrl })
  await assert.rejects(database.query("select 1"), { code: "store-unavailable" })
  assert.ok(!existsSync(join(scratch.path, "data", "postmaster.pid")))
})

test("nobody gets in without the password, nor from outside of the machine", async () => {
  await using scratch = await scratchCluster()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  for (const password of ["", "postgres", "wrong"]) {
    await using database = openDatabase({ url: postgres.urlFor("postgres", password, "postgres") })
    await assert.rejects(database.query("select 1"))
  }
  await using database = openDatabase({ url: postgres.superuserUrl })
  const settings = await database.query(`select name, setting from pg_settings where name in
    ('listen_addresses', 'unix_socket_directories', 'password_encryption', 'server_encoding', 'lc_collate') order by name`)
  assert.deepEqual(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
    listen_addresses: "127.0.0.1",
    password_encryption: "scram-sha-256",
    server_encoding: "UTF8",
    unix_socket_directories: "",
  })
  assert.deepEqual(await database.query("select 1 from pg_hba_file_rules where auth_method <> 'scram-sha-256'"), [])
})

test("only a throwaway cluster gives up on syncing to disk", () => {
  const unsafe = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
  const found = (isThrowaway: boolean) => settings(5_432, isThrowaway).filter((each) => unsafe.includes(each))
  assert.deepEqual(found(true), unsafe)
  assert.deepEqual(found(false), [])
})

test("PostgreSQL's processes hold nothing of our environment", { skip: process.platform !== "linux" }, async () => {
  await using scratch = await scratchCluster()
  process.env["SAFECONDUCT_TEST_KEY"] = "not-for-postgres"
  try {
    await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
    assert.ok(!readFileSync(`/proc/${postgres.pid}/environ`, "utf8").includes("not-for-postgres"))
  } finally {
    delete process.env["SAFECONDUCT_TEST_KEY"]
  }
})

test("a failing statement leaves no password in the log", async () => {
  await using scratch = await scratchCluster()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  await using database = openDatabase({ url: postgres.superuserUrl })
  await assert.rejects(database.query("create role postgres password 'hunter2hunter2'"))
  assert.match(readFileSync(join(scratch.path, "postgres.log"), "utf8"), /role "postgres" already exists/)
  assert.doesNotMatch(readFileSync(join(scratch.path, "postgres.log"), "utf8"), /hunter2/)
})

test("our own database has an owner and a server that are no superusers, and is found again", async () => {
  await using scratch = await scratchCluster()
  await using postgres = await startPostgres({ ...throwaway, folder: scratch.path })
  const [first, second] = await Promise.all([prepareOwnDatabase(postgres), prepareOwnDatabase(postgres, "second")])
  assert.deepEqual(await prepareOwnDatabase(postgres), first)
  assert.notEqual(first.ownerUrl, second.ownerUrl)
  await using owner = openDatabase({ url: first.ownerUrl })
  await using server = openDatabase({ url: first.serverUrl })
  await owner.query("create schema mine; create table mine.toy ()")
  for (const statement of [
    "create schema yours",
    "create table public.yours ()",
    "select * from mine.toy",
    "create role r",
  ]) {
    await assert.rejects(server.query(statement), { code: "42501" }, statement)
  }
  const roles = await owner.query(
    "select rolname from pg_roles where rolname ~ '^safeconduct' and (rolsuper or rolcreaterole or rolcreatedb)",
  )
  assert.deepEqual(roles, [])
  for (const name of readdirSync(scratch.path).filter((each) => each.endsWith(".password"))) {
    assert.equal(statSync(join(scratch.path, name)).mode & 0o777, 0o600, name)
  }
})

test("data of another major version is refused and not touched", async () => {
  await using scratch = await scratchFolder()
  await (await startPostgres({ ...throwaway, folder: scratch.path, version: 15 })).stop()
  await assert.rejects(startPostgres({ ...throwaway, folder: scratch.path }), { ...notReady, message: /PostgreSQL 15/ })
  await (await startPostgres({ ...throwaway, folder: scratch.path, version: 15 })).stop()
})

test("a port that is taken is named, and the folder is free again", async () => {
  await using scratch = await scratchFolder()
  await using blocker = await scratchCluster()
  await using first = await startPostgres({ ...throwaway, folder: blocker.path })
  const second = { ...throwaway, folder: join(scratch.path, "second") }
  await assert.rejects(startPostgres({ ...second, port: first.port }), { ...notReady, message: /Port \d+ is taken/ })
  await (await startPostgres(second)).stop()
})

test("a start that was interrupted before there was data begins again", async () => {
  await using scratch = await scratchFolder()
  mkdirSync(join(scratch.path, "draft-abc", "data"), { recursive: true })
  writeFileSync(join(scratch.path, "draft-abc", "password"), "half")
  await (await startPostgres({ ...throwaway, folder: scratch.path })).stop()
  assert.deepEqual(
    readdirSync(scratch.path).filter((name) => name.startsWith("draft-")),
    [],
  )
})

test("a folder that others may write to is refused", async () => {
  await using scratch = await scratchFolder()
  const folder = join(scratch.path, "open")
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await assert.rejects(startPostgres({ ...throwaway, folder }), { ...notReady, message: /this user alone/ })
})

test("removing ends what survived and leaves nothing", async () => {
  await using scratch = await scratchFolder()
  const folder = join(scratch.path, "cluster")
  const elsewhere = (await startElsewhere(folder))!
  await elsewhere.kill()
  await using database = openDatabase({ url: elsewhere.superuserUrl })
  await database.query("select 1")
  await removePostgres(folder)
  await assert.rejects(database.query("select 1"), { code: "store-unavailable" })
  assert.ok(!existsSync(folder))
  await removePostgres(folder)
})

test("removing spares a folder that never was a cluster's", async () => {
  await using scratch = await scratchFolder()
  writeFileSync(join(scratch.path, "thesis.txt"), "four years")
  await assert.rejects(removePostgres(scratch.path), { name: "Refusal", code: "not-found" })
  assert.ok(existsSync(join(scratch.path, "thesis.txt")))
})
