import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { openCheckpoint, parseNoteVerifier, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { addLogKey, createLogKey, openFileSigner, recallSigned } from "../file-signer.ts"
import { happened, openTestAudit, origin, readerOf } from "../fixture.ts"
import { restore, rotation } from "./fixture.ts"
import { beginAfterFork, beginWithoutTheOldKey, closeWholeLogAndBeginNext } from "./rotate.ts"

test("a log is closed by keys that are in force, and by no other", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(2))
  const { parts } = await rotation(t)
  // As "keys create" on a host that lost the key would make one: of the same log, and trusted by nobody.
  const keyPath = `${t.keyPath}.other`
  await createLogKey(keyPath, origin)
  const stranger = await openFileSigner(keyPath, origin)
  await assert.rejects(closeWholeLogAndBeginNext({ ...parts, signer: stranger }), { code: "key-unusable" })

  await addLogKey(t.keyPath, origin)
  await t.audit.keys.reload()
  const old = t.audit.vkey
  await t.audit.commit(t.audit.keys.add("server"))
  await t.audit.commit(t.audit.keys.retire("server"))
  await t.audit.keys.reload()
  await closeWholeLogAndBeginNext({ ...parts, signer: await openFileSigner(t.keyPath, origin) })
  const [note] = await t.store.owner.query<{ note: string }>(
    "select note from audit.checkpoints_1 order by size desc limit 1",
  )
  assert.match(note!.note, /^[^—]*— \S+ \S+\n$/)
  await assert.rejects(openCheckpoint(note!.note, parseNoteVerifier(old)), { code: "unknown-signer" })
})

test("a refused rotation asks for no key of another log, and of two at once one is refused", async () => {
  await using t = await openTestAudit()
  await t.audit.commit(happened(2))
  const { parts } = await rotation(t)
  const next = async () => assert.fail("asked for")
  await assert.rejects(beginAfterFork({ ...parts, next }), { code: "log-not-forked" })
  await closeWholeLogAndBeginNext(parts)
  await assert.rejects(closeWholeLogAndBeginNext({ ...parts, next }), {
    code: "log-not-forked",
    message: /Log 2 was begun/,
  })
})

test("without the old key the next log says so, and what its last checkpoint covers stays provable", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(3))
  await t.audit.receipt(entries[2]!.id)
  const older = await t.audit.checkpoint()
  await t.audit[Symbol.asyncDispose]()
  const { parts, vkey, open } = await rotation(t)
  const { before } = await beginWithoutTheOldKey({ ...parts, origin, lastSigned: null })
  assert.deepEqual(
    [before.kept, before.signed, before.why],
    [3, 3, "Its key was lost. It contains what was signed of it."],
  )
  const audit = await open(t)
  const [first] = (await audit.entries({ limit: 1 })).entries
  const told = (first!.leaf.data as { before: { keyLost: boolean; signed: { checkpoint: string } } }).before
  assert.deepEqual([told.keyLost, told.signed.checkpoint], [true, older])
  const { text } = await audit.entry(entries[1]!.id)
  const verified = await verifyReceipt(await audit.receipt(entries[1]!.id), Buffer.from(text), t.audit.keys.inForce())
  assert.equal(verified.ok, true)
  await audit.commit(happened(1))
  assert.deepEqual((await verifyLog(readerOf(audit), vkey)).problems, [])
})

test("what this host remembers as signed is declared although the key is lost and the database was cut", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(3))
  await t.audit.receipt(entries[2]!.id)
  await t.audit[Symbol.asyncDispose]()
  const lastSigned = await recallSigned(t.keyPath, origin)
  await restore(t, 0, createHash("sha256").digest())
  const { parts } = await rotation(t)
  const { before } = await beginWithoutTheOldKey({ ...parts, origin, lastSigned })
  assert.deepEqual([before.kept, before.signed], [0, 3])
  assert.match(before.why, /Its key was lost\. The log was altered: it has 0 entries, and 3 were signed/)
  assert.equal(await recallSigned(t.keyPath, "example.org/log/7"), null)
})
