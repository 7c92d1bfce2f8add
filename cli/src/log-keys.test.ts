import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { emptyRoot, formatCheckpoint, type NoteSigner, newNoteKey, parseNoteSigner, signNote } from "@safeconduct/tlog"
import { keepLogKey, type LogEntry, ownEntries, readLogKeys, refuseRetired } from "./log-keys.ts"
import { workplace } from "./testing/run.ts"

const origin = "example.org/log/1"
const newSigner = async () => await parseNoteSigner((await newNoteKey(origin)).skey)
const signedBy = async (...signers: NoteSigner[]) =>
  await signNote(formatCheckpoint({ origin, size: 0, root: emptyRoot() }), signers)
const told = (event: string, { vkey }: NoteSigner): LogEntry => ({ index: 1, event, data: { vkey } })

test("a key that the log says is retired does not go on with it", async () => {
  const [old, young] = [await newSigner(), await newSigner()]
  const overlap = [told("audit.log-key-added", young)]
  await refuseRetired(await signedBy(old), [old.vkey], overlap)
  const retired = [...overlap, told("audit.log-key-retired", old)]
  await assert.rejects(refuseRetired(await signedBy(old), [old.vkey, young.vkey], retired), {
    code: "not-verified",
    message: /none but keys that the log itself says are retired/,
  })
  await refuseRetired(await signedBy(young), [old.vkey, young.vkey], retired)
  // Signed before the servers heard of it; whoever trusts the old one learns the new one from the log.
  await refuseRetired(await signedBy(old, young), [old.vkey], retired)
})

test("an entry that is no JSON tells nothing of the log, and the verification goes on", () => {
  const text = new TextEncoder().encode('"event":"audit.log-begun"')
  assert.deepEqual(ownEntries("tile/entries/000.p/1", new Uint8Array([0, text.length, ...text])), [])
})

test("a key is kept beside those of earlier logs, once", async () => {
  using place = workplace()
  const [old, young] = [await newSigner(), await newSigner()]
  const path = join(place.folder, "log.vkey")
  for (const { vkey } of [old, young, young]) await keepLogKey(vkey, path)
  assert.deepEqual(await readLogKeys([path]), [old.vkey, young.vkey])
})
