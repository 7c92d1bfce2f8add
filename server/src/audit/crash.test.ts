import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { test } from "node:test"
import { verifyLog } from "@safeconduct/tlog"
import {
  kernelMigrations,
  migrate,
  openDatabase,
  prepareOwnDatabase,
  Refusal,
  refusalCode,
  removePostgres,
  SERVER_ROLE,
  silentLog,
  startPostgres,
} from "#kernel"
import { createLogKey } from "./file-signer.ts"
import { happened, newestSigned, openTestAudit, openTestLog, origin, readerOf, recompute } from "./fixture.ts"
import { migrations } from "./index.ts"

test("a server killed while it commits loses nothing it said, and leaves a log that verifies", async () => {
  await using t = await openTestAudit()
  for (let round = 0; round < 3; round++) {
    const printed = await runUntilKilled({ LOG_URL: t.store.serverUrl, LOG_KEY: t.keyPath }, 40 + round * 30)
    const next = await t.another()
    const tree = await recompute(t.store.database)
    assert.ok(printed.every((index) => index < tree.size))
    assert.equal(new Set(printed).size, printed.length)
    assert.deepEqual(await newestSigned(next, t.verifier), tree)
    assert.deepEqual((await verifyLog(readerOf(next), next.vkey)).problems, [])
    const [rest] = await t.store.owner.query(
      "select (select count(*) from audit.intents) as intents, (select count(*) from audit.disclosures) as disclosures",
    )
    assert.deepEqual(rest, { intents: tree.size, disclosures: tree.size })
  }
})

test("while the database is stopped commits are refused, and go on when it is back", async () => {
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-stopped-"))
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, origin)
  const cluster = { folder: join(folder, "postgres"), isThrowaway: true, log: silentLog }
  let postgres = await startPostgres(cluster)
  try {
    const { ownerUrl, serverUrl } = await prepareOwnDatabase(postgres)
    await using owner = openDatabase({ url: ownerUrl, maxConnections: 1 })
    await using database = openDatabase({ url: serverUrl })
    await migrate(owner, [kernelMigrations, migrations], SERVER_ROLE)
    await using audit = await openTestLog(database, keyPath)
    await audit.commit(happened())

    const { port } = postgres
    await postgres.stop()
    const answers = await Promise.allSettled(Array.from({ length: 5 }, () => audit.commit(happened())))
    for (const answer of answers) {
      assert.equal(answer.status === "rejected" && refusalCode(answer.reason), "store-unavailable")
    }
    assert.equal(audit.fork, null)

    postgres = await startPostgres({ ...cluster, port })
    const { entries } = await audit.commit(happened())
    assert.equal(entries[0]!.index, 1)
    await audit.receipt(entries[0]!.id)
  } finally {
    await postgres.stop()
    await removePostgres(cluster.folder)
    await rm(folder, { recursive: true })
  }
})

test("a connection cut in the middle of a commit refuses it, and the next one succeeds", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(5))
  const cut = t.audit.commit({
    work: async (tx) => {
      const [row] = await tx.query<{ pid: number }>("select pg_backend_pid() as pid")
      await t.store.database.query("select pg_terminate_backend($1)", [row!.pid])
      await tx.query("select 1")
    },
    entries: happened().entries,
  })
  await assert.rejects(cut, { code: "store-unavailable" })
  assert.equal((await t.audit.commit(happened())).entries[0]!.index, 5)
})

test("an append whose answer was lost is found in the log, and the next goes on behind it", async () => {
  await using t = await openTestAudit()
  const losing = { isLost: false }
  const lossy = await t.another({
    database: {
      ...t.store.database,
      async query<Row extends object>(text: string, values?: unknown[]) {
        const rows = await t.store.database.query<Row>(text, values)
        if (losing.isLost && text.includes("audit.append")) throw new Refusal("store-unavailable", "Cut.")
        return rows
      },
    },
  })
  await lossy.commit(happened(5))
  losing.isLost = true
  await assert.rejects(lossy.commit(happened(2)), { code: "store-unavailable" })
  losing.isLost = false
  assert.equal((await lossy.commit(happened())).entries[0]!.index, 7)
  assert.equal(lossy.fork, null)
  assert.equal((await recompute(t.store.database)).size, 8)
})

/** Indexes that the server said were durable before it was killed in the middle of its work. */
async function runUntilKilled(env: { [name: string]: string }, lines: number): Promise<number[]> {
  const program = new URL("./busy.fixture.ts", import.meta.url).pathname
  const child = spawn(process.execPath, ["--conditions=source", program], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const exited = once(child, "exit")
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part
    if (text.split("\n").length > lines) child.kill("SIGKILL")
  })
  assert.deepEqual(await exited, [null, "SIGKILL"])
  // The last line may have been cut.
  return text
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => line.split(" ").map(Number))
}
