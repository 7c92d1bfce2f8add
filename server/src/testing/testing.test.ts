import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, utimesSync } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { openDatabase, silentLog } from "#kernel"
import { manualClock, testDatabase, testKeyring, testPostgres } from "#testing"

test("what a killed test process left behind is ended and removed by the next", async () => {
  const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "--eval", LEAVER], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [line] = (await once(createInterface(child.stdout), "line")) as [string]
  const { superuserUrl, folder } = JSON.parse(line) as { superuserUrl: string; folder: string }
  child.kill("SIGKILL")
  await once(child, "exit")
  await using database = openDatabase({ url: superuserUrl, log: silentLog })
  await database.query("select 1")
  const longAgo = new Date(Date.now() - 3_600_000)
  utimesSync(folder, longAgo, longAgo)
  await testPostgres(18)
  assert.ok(!existsSync(folder))
  await assert.rejects(database.query("select 1"), { code: "store-unavailable" })
})

test("a resource runs the version that was asked for, and once", async () => {
  for (const version of [15, 18] as const) {
    const resource = await testPostgres(version)
    assert.equal(await testPostgres(version), resource)
    await using database = openDatabase({ url: resource.superuserUrl })
    const [row] = await database.query<{ version: number }>(
      "select current_setting('server_version_num')::int / 10000 as version",
    )
    assert.equal(row!.version, version)
  }
})

test("each test has a database of its own, as its owner and as the server's role", async () => {
  await using one = await testDatabase()
  await using two = await testDatabase()
  await one.owner.query("create schema mine")
  await two.owner.query("create schema mine")
  assert.deepEqual(await one.database.query("select current_user as name"), [{ name: "safeconduct_server" }])
  assert.deepEqual(await one.owner.query("select current_user as name"), [{ name: "safeconduct_owner" }])
})

test("a clock stands still until it is moved", () => {
  const clock = manualClock(1_000)
  assert.equal(clock.nowMs(), 1_000)
  clock.advance(500)
  assert.equal(clock.nowMs(), 1_500)
})

test("two keyrings do not open each other's", () => {
  assert.throws(() => testKeyring().open("a", testKeyring().seal("a", "value")), { code: "key-unusable" })
})

const LEAVER = `
  import { testPostgres } from "#testing"
  const { superuserUrl, folder } = await testPostgres(18)
  console.log(JSON.stringify({ superuserUrl, folder }))
  setInterval(() => undefined, 60_000)
`
