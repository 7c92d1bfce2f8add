import assert from "node:assert/strict"
import { copyFile } from "node:fs/promises"
import { test } from "node:test"
import { consistencyProof, openCheckpoint, verifyConsistency, verifyLog } from "@safeconduct/tlog"
import { silentLog, systemClock, type Transaction } from "#kernel"
import { openFileSigner } from "./file-signer.ts"
import { happened, newestSigned, openTestAudit, origin, readerOf, recompute } from "./fixture.ts"
import { openAudit } from "./open.ts"
import type { LogSigner } from "./signer.ts"
import { tileReader } from "./tree.ts"

for (const hosts of ["one host", "two hosts"]) {
  test(`two servers on ${hosts} write one log, without a gap and without a fork`, async () => {
    await using t = await openTestAudit()
    const keyPath = hosts === "one host" ? t.keyPath : `${t.keyPath}.elsewhere`
    if (keyPath !== t.keyPath) await copyFile(t.keyPath, keyPath)
    const other = await t.another({ keyPath })
    const commits = Array.from({ length: 300 }, (_, at) => {
      const audit = at % 2 === 0 ? t.audit : other
      return new Promise<number[]>((resolve, reject) => {
        // Spread over several turns, so that batches of both servers alternate.
        setTimeout(() => {
          audit.commit(happened(1 + (at % 3))).then(({ entries }) => resolve(entries.map(({ index }) => index)), reject)
        }, at)
      })
    })
    const indexes = (await Promise.all(commits)).flat().sort((a, b) => a - b)
    assert.deepEqual(
      indexes,
      indexes.map((_, at) => at),
    )
    assert.equal(indexes.length, 600)

    for (const audit of [t.audit, other]) {
      const { entries } = await audit.commit(happened())
      await audit.receipt(entries[0]!.id)
      assert.equal(audit.fork, null)
    }
    assert.deepEqual(await newestSigned(t.audit, t.verifier), await recompute(t.store.database))
    assert.deepEqual((await verifyLog(readerOf(other), t.audit.vkey)).problems, [])

    // Whoever signed them: all checkpoints are of one tree.
    const notes = await t.store.database.query<{ note: string }>("select note from audit.checkpoints order by size")
    const heads = await Promise.all(notes.map(({ note }) => openCheckpoint(note, t.verifier)))
    for (const [at, { size: newSize, root: newRoot }] of heads.entries()) {
      const { size: oldSize, root: oldRoot } = heads[Math.max(at - 1, 0)]!
      const proof = await consistencyProof(tileReader(t.store.database), oldSize, newSize)
      assert.ok(verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof }))
    }
  })
}

test("two servers that change the same rows in another order wait for each other once, and not for ever", async () => {
  await using t = await openTestAudit()
  const other = await t.another()
  await t.store.owner.query("create table public.rows as select n from generate_series(1, 2) n")
  await t.store.owner.query("grant select, update on public.rows to public")
  const isHolding = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const changing = (first: number, second: number, between?: () => Promise<void>) => ({
    async work(tx: Transaction) {
      await tx.query("update public.rows set n = n where n = $1", [first])
      await between?.()
      await tx.query("update public.rows set n = n where n = $1", [second])
    },
    entries: () => happened().entries(),
  })
  const holding = async () => {
    isHolding.resolve()
    await goOn.promise
  }
  const one = t.audit.commit(changing(1, 2, holding))
  await isHolding.promise
  const two = other.commit(changing(2, 1))
  const isWaiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
  while ((await t.store.database.query(isWaiting)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  goOn.resolve()
  const indexes = (await Promise.all([one, two])).map(({ entries }) => entries[0]!.index)
  assert.deepEqual(indexes, [0, 1])
})

test("an entry of one server gets its receipt from another", async () => {
  await using t = await openTestAudit()
  const other = await t.another()
  const { entries } = await t.audit.commit(happened())
  assert.match(await other.receipt(entries[0]!.id), /^c2sp\.org\/tlog-proof@v1\n/)
})

test("what a server left unsigned when it died is signed by the next start, and by another server meanwhile", async () => {
  await using t = await openTestAudit()
  const signer = await openFileSigner(t.keyPath, origin)
  const dying = await t.another({ signer: dead(signer) })
  await dying.commit(happened(3))
  assert.equal((await newestSigned(t.audit, t.verifier)).size, 0)
  await t.another()
  assert.equal((await newestSigned(t.audit, t.verifier)).size, 3)

  const watching = await t.another({ sweepMs: 5 })
  await dying.commit(happened(3))
  while ((await newestSigned(watching, t.verifier)).size < 6) await new Promise((resolve) => setTimeout(resolve, 5))
})

test("a signer that fails leaves commits alone, and receipts are not ready", async () => {
  await using t = await openTestAudit()
  const audit = await t.another({ signer: dead(await openFileSigner(t.keyPath, origin)) })
  const { entries } = await audit.commit(happened())
  await assert.rejects(audit.receipt(entries[0]!.id), { code: "not-ready" })
  assert.equal(audit.fork, null)
})

test("a checkpoint is of the newest entries, however many were committed meanwhile", async () => {
  await using t = await openTestAudit()
  const audit = await openAudit({
    database: t.store.database,
    clock: systemClock,
    log: silentLog,
    signer: await openFileSigner(t.keyPath, origin),
    origin,
    events: { "test.happened": "" },
    checkpointMs: 200,
  })
  await using _ = audit
  const before = (await t.store.database.query("select from audit.checkpoints")).length
  const fromMs = performance.now()
  let last = ""
  for (let commit = 0; commit < 20; commit++) last = (await audit.commit(happened())).entries[0]!.id
  await audit.receipt(last)
  const made = (await t.store.database.query("select from audit.checkpoints")).length - before
  assert.ok(made <= 1 + (performance.now() - fromMs) / 200, `${made} checkpoints of 20 commits`)
})

/** A signer that knows its key and never gets to sign. */
function dead(signer: LogSigner): LogSigner {
  return { ...signer, sign: () => Promise.reject(new Error("the disk is full")) }
}

test("nothing of ours calls a function that somebody put on the path beside PostgreSQL's", async () => {
  await using t = await openTestAudit()
  const { owner } = t.store
  // PostgreSQL prefers it to its own, whose argument is anyarray; and the owner appends too, when a log is begun.
  await owner.query(`create function public.cardinality(smallint[]) returns int language plpgsql as $$
    begin raise exception 'called as %', current_user; end $$`)
  await assert.rejects(owner.query("select cardinality('{}'::smallint[])"), /called as/)
  const { entries } = await t.audit.commit(happened(300))
  assert.equal(entries.length, 300)
  const paths = await owner.query<{ name: string; settings: string[] | null }>(
    `select proname as name, proconfig as settings from pg_proc where pronamespace = 'audit'::regnamespace order by 1`,
  )
  assert.deepEqual(
    paths.map(({ name, settings }) => [name, settings]),
    ["append", "close_log", "erase"].map((name) => [name, ["search_path=pg_catalog, pg_temp"]]),
  )
})
