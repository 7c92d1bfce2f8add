import assert from "node:assert/strict"
import { copyFile } from "node:fs/promises"
import { test } from "node:test"
import { openCheckpoint, parseNote, parseNoteVerifier } from "@safeconduct/tlog"
import { addLogKey, createLogKey, openFileSigner } from "../file-signer.ts"
import { happened, openTestAudit, origin } from "../fixture.ts"

const alice = "spiffe://example.org/operator/alice"
const keyOf = (vkey: string) => parseNoteVerifier(vkey)
const signatures = (note: string) => parseNote(note).signatures.length

test("a key in the file signs nothing until it is in force; then both do, and then the new one alone", async () => {
  await using t = await openTestAudit()
  const old = t.audit.vkey
  const sign = async () => {
    const { entries } = await t.audit.commit(happened())
    await t.audit.receipt(entries[0]!.id)
    return await t.audit.checkpoint()
  }
  const { vkey } = await addLogKey(t.keyPath, origin)
  await t.audit.keys.reload()
  assert.deepEqual([t.audit.keys.inForce(), t.audit.keys.next()], [[old], vkey])
  assert.equal(signatures(await sign()), 1)

  const { entries } = await t.audit.commit(t.audit.keys.add(alice))
  await t.audit.keys.reload()
  assert.deepEqual([t.audit.keys.inForce(), t.audit.keys.next(), t.audit.vkey], [[old, vkey], null, vkey])
  const both = await sign()
  assert.equal(signatures(both), 2)
  for (const each of [old, vkey]) await openCheckpoint(both, keyOf(each))
  const { leaf } = await t.audit.entry(entries[0]!.id)
  assert.deepEqual([leaf.event, leaf.by, leaf.data], ["audit.log-key-added", alice, { log: 1, vkey }])

  const retired = await t.audit.commit(t.audit.keys.retire(alice))
  assert.deepEqual(retired.result, [old])
  await t.audit.keys.reload()
  const alone = await sign()
  assert.equal(signatures(alone), 1)
  await openCheckpoint(alone, keyOf(vkey))
  await assert.rejects(openCheckpoint(alone, keyOf(old)), { code: "unknown-signer" })
  assert.deepEqual(
    (await t.audit.logs())[0]!.keys.map((key) => [key.vkey, key.retiredAt !== null]),
    [
      [old, true],
      [vkey, false],
    ],
  )
})

test("there is nothing to go over to without a next key, and nothing to retire without an overlap", async () => {
  await using t = await openTestAudit()
  await assert.rejects(t.audit.commit(t.audit.keys.add(alice)), { code: "no-next-key" })
  await assert.rejects(t.audit.commit(t.audit.keys.retire(alice)), { code: "no-next-key" })
  const { vkey } = await addLogKey(t.keyPath, origin)
  await t.audit.keys.reload()
  await t.audit.commit(t.audit.keys.add(alice))
  await t.audit.commit(t.audit.keys.retire(alice))
  await t.audit.keys.reload()
  assert.deepEqual(t.audit.keys.inForce(), [vkey])
  // The old line is in the file still: a key that was retired is not gone back to.
  assert.equal(t.audit.keys.next(), null)
})

test("a server whose file holds none of the keys in force does not open the log", async () => {
  await using t = await openTestAudit()
  const elsewhere = `${t.keyPath}.elsewhere`
  await createLogKey(elsewhere, origin)
  await assert.rejects(t.another({ keyPath: elsewhere }), { code: "key-unusable" })
  await copyFile(t.keyPath, `${elsewhere}.copied`)
  await t.another({ keyPath: `${elsewhere}.copied` })
})

test("what was signed by either key counts as signed by the log", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(3))
  await t.audit.receipt(entries[2]!.id)
  await addLogKey(t.keyPath, origin)
  const signer = await openFileSigner(t.keyPath, origin)
  assert.equal((await signer.lastSigned())?.size, 3)
  signer.signWith([signer.held()[1]!])
  const last = await signer.lastCheckpoint()
  await openCheckpoint(last!.note, keyOf(signer.held()[1]!))
  await signer.adopt(await t.audit.checkpoint())
  assert.throws(() => signer.signWith(["example.org/log/1+00000000+A"]), { code: "key-unusable" })
})
