import assert from "node:assert/strict"
import { test } from "node:test"
import { type LogReader, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { type Database, SERVER_ROLE } from "#kernel"
import { happened, openTestAudit, readerOf, recompute } from "../fixture.ts"
import type { Audit } from "../open.ts"
import { restore, rotation, second } from "./fixture.ts"
import { beginAfterFork, closeWholeLogAndBeginNext } from "./rotate.ts"

function closedReader(audit: Audit, log: number): LogReader {
  return {
    async read(path) {
      if (path === "checkpoint") return Buffer.from(await audit.checkpoint(log))
      return (await audit.tile(path, log))?.bytes ?? null
    },
  }
}

test("a restored log does not go on, the next one begins with what was signed of it, and both verify", async () => {
  await using t = await openTestAudit()
  const vkey = t.audit.vkey
  const { entries } = await t.audit.commit(happened(100))
  const early = await t.audit.receipt(entries[5]!.id)
  const atBackup = await recompute(t.store.database)
  const { entries: lost } = await t.audit.commit(happened(200))
  await t.audit.receipt(lost.at(-1)!.id)
  const older = await t.audit.checkpoint()
  await t.audit[Symbol.asyncDispose]()
  await restore(t, 100, atBackup.root)

  const stopped = await t.another()
  assert.match(stopped.fork!.message, /it has 100 entries, and 300 were signed.*safeconduct audit rotate/)
  await assert.rejects(stopped.commit(happened()), { code: "log-forked" })

  const { parts, vkey: nextKey, open } = await rotation(t, "restored the backup of Monday")
  const begun = await beginAfterFork(parts)
  assert.deepEqual(
    { ...begun, before: { ...begun.before, why: "" } },
    { log: 2, origin: second, vkey: nextKey, before: { log: 1, kept: 100, signed: 300, why: "" } },
  )

  const audit = await open(t)
  assert.equal(audit.fork, null)
  const { entries: fresh } = await audit.commit(happened(300))
  const proof = await audit.receipt(fresh[0]!.id)
  const whole = await verifyLog(readerOf(audit), nextKey)
  assert.deepEqual([whole.problems, whole.size, whole.origin], [[], 301, second])

  const [first] = (await audit.entries({ limit: 1 })).entries
  assert.equal(first!.leaf.event, "audit.log-begun")
  const { before, reason } = first!.leaf.data as {
    reason: string
    before: { log: number; kept: { size: number; root: string }; signed: { size: number; checkpoint: string } }
  }
  assert.equal(reason, "restored the backup of Monday")
  assert.deepEqual(before.kept, { size: 100, root: atBackup.root.toString("base64") })
  assert.deepEqual([before.log, before.signed.size, before.signed.checkpoint], [1, 300, older])

  // What was kept of the first log is whole, and an auditor who saw more of it is told that it is gone.
  assert.deepEqual((await verifyLog(closedReader(audit, 1), vkey)).problems, [])
  assert.equal((await verifyLog(closedReader(audit, 1), vkey, { older })).problems[0]?.code, "entries-dropped")
  const { text } = await audit.entry(entries[5]!.id)
  assert.equal((await verifyReceipt(early, Buffer.from(text), vkey)).ok, true)
  assert.equal((await verifyReceipt(await audit.receipt(entries[5]!.id), Buffer.from(text), vkey)).ok, true)
  assert.equal((await verifyReceipt(proof, Buffer.from(text), nextKey)).ok, false)
  assert.equal((await audit.entries({ log: 1, from: 99 })).entries[0]!.id, entries[99]!.id)
  await assert.rejects(audit.entry(lost[0]!.id), { code: "not-found" })
  await assert.rejects(audit.checkpoint(3), { code: "not-found" })
  assert.deepEqual(
    (await audit.logs()).map(({ log, closed, keys }) => [log, closed?.size, keys.map((each) => each.vkey)]),
    [
      [2, undefined, [nextKey]],
      [1, 100, [vkey]],
    ],
  )
})

test("an entry that no checkpoint of its closed log covers is not called proven", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(2))
  const signed = (await t.audit.entries({})).entries
  await t.audit.receipt(signed[1]!.id)
  const { entries } = await t.audit.commit(happened(1))
  await t.audit.receipt(entries[0]!.id)
  // As if it had been committed on a machine that failed before it signed.
  await t.audit[Symbol.asyncDispose]()
  await t.store.owner.query("delete from audit.checkpoints where size > 2")
  await t.store.owner.query("update audit.head set root = sha256('other')")
  const { parts, open } = await rotation(t)
  await beginAfterFork(parts)
  const audit = await open(t)
  await audit.receipt(signed[1]!.id)
  await assert.rejects(audit.receipt(entries[0]!.id), { code: "not-verified" })
})

test("history that was rewritten before the rotation is found by whoever kept an older checkpoint", async () => {
  await using t = await openTestAudit()
  const vkey = t.audit.vkey
  const { entries } = await t.audit.commit(happened(3))
  await t.audit.receipt(entries[2]!.id)
  const older = await t.audit.checkpoint()
  await t.store.owner.query("update audit.entries set leaf = convert_to('{}', 'UTF8') where index = 1")
  const { parts, open } = await rotation(t)
  assert.match((await beginAfterFork(parts)).before.why, /was altered/)
  const audit = await open(t)
  await audit.commit(happened())
  const { problems } = await verifyLog(closedReader(audit, 1), vkey, { older })
  assert.deepEqual(problems.map(({ code }) => code).toSorted(), ["root-mismatch", "history-rewritten"].toSorted())
  await assert.rejects(audit.receipt(entries[1]!.id), { code: "not-verified" })
})

test("a log that is whole ends only when it is said so, signed to its end, and the servers that ran stop granting", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(5))
  const { parts, open } = await rotation(t)
  await assert.rejects(beginAfterFork(parts), { code: "log-not-forked" })
  await t.audit.commit(happened(1))

  const { before } = await closeWholeLogAndBeginNext(parts)
  assert.deepEqual([before.kept, before.signed], [6, 6])
  await assert.rejects(t.audit.commit(happened()), { code: "log-forked" })
  const stopped = await t.another({ sweepMs: 5 }).catch((error: Error) => error)
  assert.ok(!(stopped instanceof Error))
  while (!/Log 1 was closed and log 2 begun. Restart/.test(stopped.fork?.message ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }

  const audit = await open(t)
  await audit.commit(happened(2))
  assert.deepEqual((await verifyLog(closedReader(audit, 1), t.audit.keys.inForce()[0]!)).problems, [])
  assert.equal((await recompute(t.store.database)).size, 3)
})

test("a rotation that broke off after its commit is ended by the next start; one that broke off before left nothing", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(5))
  const { parts, next, vkey, open } = await rotation(t)
  const broken = async () => {
    throw new Error("power cut")
  }
  await assert.rejects(closeWholeLogAndBeginNext({ ...parts, signer: { ...parts.signer, sign: broken } }), /power cut/)
  await t.audit.commit(happened(1))
  assert.equal((await recompute(t.store.database)).size, 6)

  await assert.rejects(
    closeWholeLogAndBeginNext({ ...parts, next: async () => ({ ...next, sign: broken }) }),
    /power cut/,
  )
  assert.equal((await t.store.database.query("select from audit.checkpoints")).length, 0)
  const audit = await open(t)
  assert.deepEqual((await verifyLog(readerOf(audit), vkey)).problems, [])
  await audit.commit(happened(1))
})

test("a forked log cannot be closed as a whole one", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2))
  await t.audit.receipt(entries[1]!.id)
  await t.store.owner.query("update audit.head set root = sha256('other')")
  const { parts } = await rotation(t)
  await assert.rejects(closeWholeLogAndBeginNext(parts), { code: "log-forked" })
  assert.equal((await t.store.database.query("select from audit.logs")).length, 1)
})

test("an erasure that a crash cut off before the log was closed is finished when the next one opens", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(1, { personal: { name: "Alice" } }))
  const entry = entries[0]!.id
  await t.audit.commit(happened(1, { event: "audit.erased", data: { entry, names: ["name"], reason: "" } }))
  await t.store.owner.query(
    "insert into audit.entries (index, id, event, at, leaf) values (2, 'entry_odd', 'audit.erased', now(), 'no JSON')",
  )
  const { parts, open } = await rotation(t)
  await closeWholeLogAndBeginNext(parts)
  assert.equal((await (await open(t)).entry(entry)).disclosures, undefined)
})

test("the owner looks for nothing on a path on which the server's role could put something", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(1))
  const { parts } = await rotation(t)
  const paths: unknown[] = []
  const transaction: Database["transaction"] = (work) =>
    t.store.owner.transaction((tx) =>
      work({
        async query(text, values) {
          if (text.includes("audit.")) paths.push(...(await tx.query("select current_setting('search_path') as path")))
          return await tx.query(text, values)
        },
      }),
    )
  await closeWholeLogAndBeginNext({ ...parts, owner: { ...t.store.owner, transaction } })
  assert.ok(paths.length > 5)
  assert.deepEqual(new Set(paths.map((each) => (each as { path: string }).path)), new Set(["pg_catalog, pg_temp"]))
})

test("the server's role can neither close a log nor write into a closed one", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(2))
  const { parts } = await rotation(t)
  await closeWholeLogAndBeginNext(parts)
  const { database } = t.store
  await assert.rejects(database.query("select audit.close_log(3, $1)", [SERVER_ROLE]), /permission denied/)
  await assert.rejects(database.query("insert into audit.entries_1 select * from audit.entries"), /permission denied/)
  await assert.rejects(database.query("delete from audit.checkpoints_1"), /permission denied/)
  await assert.rejects(database.query("update audit.logs set closed_at = null"), /permission denied/)
})

test("the tables of the next log have the indexes and constraints of the first, under the same names", async () => {
  await using t = await openTestAudit()
  const shape = () =>
    t.store.owner.query(
      `select tablename, indexname, indexdef from pg_indexes where schemaname = 'audit' and tablename in ('entries', 'tiles', 'checkpoints')
       union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where conrelid in ('audit.entries'::regclass, 'audit.tiles'::regclass, 'audit.checkpoints'::regclass)
       order by 1, 2, 3`,
    )
  const before = await shape()
  assert.ok(before.length >= 10)
  await t.audit.commit(happened(2))
  await closeWholeLogAndBeginNext((await rotation(t)).parts)
  assert.deepEqual(await shape(), before)
})
