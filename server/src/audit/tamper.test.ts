import assert from "node:assert/strict"
import { copyFile, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { verifyLog } from "@safeconduct/tlog"
import { createLogKey } from "./file-signer.ts"
import { happened, newestSigned, openTestAudit, origin, readerOf, type TestAudit } from "./fixture.ts"

/** Every way to commit is closed, and stays closed. */
async function assertForked(audit: TestAudit["audit"]): Promise<void> {
  await assert.rejects(audit.commit(happened()), { code: "log-forked" })
  await assert.rejects(audit.commit({ work: async () => 1, ...happened() }), { code: "log-forked" })
  assert.equal(audit.fork?.code, "log-forked")
}

/** A log of that many entries, all of them signed. */
async function signedLog(count: number): Promise<TestAudit> {
  const t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(count))
  await t.audit.receipt(entries.at(-1)!.id)
  return t
}

const alterations: { [what: string]: string } = {
  "a changed leaf": "update audit.entries set leaf = overlay(leaf placing 'X'::bytea from 3) where index = 4",
  "the newest entry deleted": "delete from audit.entries where index = 9",
  "an entry deleted in the middle": "delete from audit.entries where index = 3",
  "two entries swapped":
    "update audit.entries a set leaf = b.leaf from audit.entries b where (a.index, b.index) in ((2, 5), (5, 2))",
  "another root": "update audit.head set root = sha256('other')",
  "a smaller size": "update audit.head set size = 9",
  "a larger size": "update audit.head set size = 11",
}

for (const [what, statement] of Object.entries(alterations)) {
  test(`${what} in the database is found by the next server, and never signed`, async () => {
    await using t = await signedLog(10)
    await t.store.owner.query(statement)
    await t.audit.commit(happened()).catch(() => undefined)
    const next = await t.another()
    await assertForked(next)
    assert.equal((await newestSigned(t.audit, t.verifier)).size, 10)
  })
}

test("a server that runs finds a leaf changed under it before it signs again", async () => {
  await using t = await signedLog(10)
  await t.store.owner.query(alterations["a changed leaf"]!)
  const recordAndProve = async () => t.audit.receipt((await t.audit.commit(happened())).entries[0]!.id)
  await assert.rejects(recordAndProve, { code: "log-forked" })
  await assertForked(t.audit)
  assert.equal((await newestSigned(t.audit, t.verifier)).size, 10)
})

test("a log set back to an earlier state, consistent in itself, is found by a server that runs", async () => {
  await using t = await signedLog(10)
  const before = await snapshot(t)
  await t.audit.commit(happened(5))
  await restore(t, before)
  await assertForked(t.audit)
})

test("a log restored from a backup is found by the signer, which was not in it", async () => {
  await using t = await signedLog(10)
  const before = await snapshot(t)
  const { entries } = await t.audit.commit(happened(5))
  await t.audit.receipt(entries[4]!.id)
  await t.audit[Symbol.asyncDispose]()
  await restore(t, before)
  await assertForked(await t.another())
})

test("a log rewritten after a restore, longer than the signed one, is found by the signer", async () => {
  await using t = await signedLog(10)
  const before = await snapshot(t)
  const { entries } = await t.audit.commit(happened(5))
  await t.audit.receipt(entries[4]!.id)
  await t.audit[Symbol.asyncDispose]()
  await restore(t, before)
  // A server elsewhere, whose signer saw nothing of the five, appends others.
  const stateless = join(t.keyPath, "..", "copy.key")
  await copyFile(t.keyPath, stateless)
  const innocent = await t.another({ keyPath: stateless })
  await innocent.commit(happened(20))
  assert.equal(innocent.fork, null)
  await assertForked(await t.another())
})

test("a signer without memory takes the newest checkpoint of the database for it", async () => {
  await using t = await signedLog(10)
  await t.audit[Symbol.asyncDispose]()
  await rm(`${t.keyPath}.signed`, { recursive: true })
  await t.another()
  assert.equal((await readdir(`${t.keyPath}.signed`)).join(), "0000000000000010")
  await rm(`${t.keyPath}.signed`, { recursive: true })
  await t.store.owner.query("delete from audit.entries where index = 9")
  await t.store.owner.query("update audit.head set size = 9")
  await assertForked(await t.another())
})

test("a new key in the place of the log's is refused", async () => {
  await using t = await signedLog(1)
  const other = `${t.keyPath}.other`
  await createLogKey(other, origin)
  await assert.rejects(t.another({ keyPath: other }), { code: "key-unusable" })
})

test("a leaf changed under a full tile gets no receipt, and ends all committing", async () => {
  await using t = await signedLog(300)
  const { id } = (await t.audit.entries({ from: 7, limit: 1 })).entries[0]!
  await t.audit.receipt(id)
  await t.store.owner.query("update audit.entries set leaf = overlay(leaf placing 'X'::bytea from 3) where index = 7")
  await assert.rejects(t.audit.receipt(id), { code: "log-forked" })
  await assertForked(t.audit)
})

test("a verifier outside finds what was changed, swapped or dropped under full tiles", async () => {
  await using t = await signedLog(500)
  const before = await snapshot(t)
  const { entries } = await t.audit.commit(happened(100))
  await t.audit.receipt(entries[99]!.id)
  const verify = (older?: string) => verifyLog(readerOf(t.audit), t.audit.vkey, older === undefined ? {} : { older })
  assert.deepEqual((await verify()).problems, [])
  const older = await t.audit.checkpoint()
  const { leaf } = (await t.store.owner.query<{ leaf: Buffer }>("select leaf from audit.entries where index = 7"))[0]!

  await t.store.owner.query("update audit.entries set leaf = overlay(leaf placing 'X'::bytea from 3) where index = 7")
  assert.deepEqual(codes(await verify()), ["entry-changed", "root-mismatch"])
  await t.store.owner.query("update audit.entries set leaf = $1 where index = 7", [leaf])
  assert.deepEqual((await verify()).problems, [])

  await t.store.owner.query(
    "update audit.entries a set leaf = b.leaf from audit.entries b where (a.index, b.index) in ((8, 300), (300, 8))",
  )
  assert.deepEqual(codes(await verify()), ["entry-moved", "entry-moved", "root-mismatch"])

  await t.store.owner.query(
    "update audit.entries a set leaf = b.leaf from audit.entries b where (a.index, b.index) in ((8, 300), (300, 8))",
  )
  await restore(t, before)
  assert.deepEqual((await verify()).problems, [])
  assert.deepEqual(codes(await verify(older)), ["entries-dropped"])
})

function codes({ problems }: { problems: { code: string }[] }): string[] {
  return problems.map(({ code }) => code)
}

type Rows = { size: number; root: Buffer }

async function snapshot(t: TestAudit): Promise<Rows> {
  return (await t.store.owner.query<Rows>("select size, root from audit.head"))[0]!
}

/** What a restored backup of that moment looks like. */
async function restore(t: TestAudit, { size, root }: Rows): Promise<void> {
  await t.store.owner.transaction(async (tx) => {
    await tx.query("delete from audit.entries where index >= $1", [size])
    await tx.query("delete from audit.checkpoints where size > $1", [size])
    await tx.query("update audit.head set size = $1, root = $2", [size, root])
  })
}
