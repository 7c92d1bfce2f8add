import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import {
  formatCheckpoint,
  LogError,
  newNoteKey,
  openCheckpoint,
  parseCheckpoint,
  parseNoteSigner,
  parseNoteVerifier,
  signNote,
} from "./index.ts"
import { vectors } from "./testing/vectors.ts"

type Cases = {
  checkpoints: { text: string; origin: string; size: number; root: string; extensions: string[] }[]
  notCheckpoints: { what: string; text: string }[]
}
const cases = vectors<Cases>("notes")
const isMalformed = (error: unknown) => error instanceof LogError && error.code === "malformed-checkpoint"

for (const { text, root, ...rest } of cases.checkpoints) {
  test(`a checkpoint of ${rest.size} entries is written and read`, () => {
    const checkpoint = { ...rest, root: new Uint8Array(Buffer.from(root, "base64")) }
    assert.deepEqual(parseCheckpoint(text), checkpoint)
    assert.equal(formatCheckpoint(checkpoint), text)
  })
}

for (const { what, text } of cases.notCheckpoints) {
  test(`no checkpoint: ${what}`, () => assert.throws(() => parseCheckpoint(text), isMalformed))
}

test("what is written is read back; what could not be read is not written", () => {
  const line = fc.string({ minLength: 1 }).filter((text) => !text.includes("\n"))
  const checkpoint = fc.record(
    {
      origin: line,
      size: fc.maxSafeNat(),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      extensions: fc.array(line, { maxLength: 3 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(fc.property(checkpoint, (value) => assert.deepEqual(parseCheckpoint(formatCheckpoint(value)), value)))
  const good = { origin: "a", size: 1, root: new Uint8Array(32) }
  for (const bad of [
    { origin: "" },
    { origin: "a\nb\n\n" },
    { size: -1 },
    { size: 1.5 },
    { size: 1e21 },
    { root: new Uint8Array(31) },
    { extensions: [""] },
  ]) {
    assert.throws(() => formatCheckpoint({ ...good, ...bad }), isMalformed)
  }
})

test("a checkpoint opens with the key of its log only", async () => {
  const key = await newNoteKey("log.example/1")
  const signer = await parseNoteSigner(key.skey)
  const head = { size: 1, root: new Uint8Array(32) }
  const own = await signNote(formatCheckpoint({ origin: "log.example/1", ...head }), [signer])
  assert.equal((await openCheckpoint(own, parseNoteVerifier(key.vkey))).size, 1)
  const other = await signNote(formatCheckpoint({ origin: "log.example/2", ...head }), [signer])
  await assert.rejects(openCheckpoint(other, parseNoteVerifier(key.vkey)), { code: "wrong-origin" })
  const stranger = await newNoteKey("log.example/1")
  await assert.rejects(openCheckpoint(own, parseNoteVerifier(stranger.vkey)), { code: "unknown-signer" })
})

test("while one key takes over from another, whoever knows either of them opens the checkpoint", async () => {
  const name = "example.org/log/1"
  const [older, newer, stranger] = await Promise.all([newNoteKey(name), newNoteKey(name), newNoteKey(name)])
  const signers = await Promise.all([older, newer].map(({ skey }) => parseNoteSigner(skey)))
  const text = formatCheckpoint({ origin: name, size: 1, root: new Uint8Array(32) })
  const note = await signNote(text, signers)
  const open = (...keys: { vkey: string }[]) =>
    openCheckpoint(
      note,
      keys.map(({ vkey }) => parseNoteVerifier(vkey)),
    )
  for (const keys of [[older], [newer], [older, newer], [stranger, newer]]) assert.equal((await open(...keys)).size, 1)
  await assert.rejects(open(stranger), { code: "unknown-signer" })
  // One of two good signatures replaced: a known key that did not sign this refuses the whole.
  const other = await signNote(formatCheckpoint({ origin: name, size: 2, root: new Uint8Array(32) }), [signers[0]!])
  const lines = note.split("\n")
  lines[4] = other.split("\n")[4]!
  await assert.rejects(
    openCheckpoint(lines.join("\n"), [parseNoteVerifier(older.vkey), parseNoteVerifier(newer.vkey)]),
    {
      code: "bad-signature",
    },
  )
})

test("a key of another log that signed as well makes it nobody's checkpoint", async () => {
  const keys = await Promise.all([newNoteKey("example.org/log/1"), newNoteKey("example.org/log/2")])
  const signers = await Promise.all(keys.map(({ skey }) => parseNoteSigner(skey)))
  const text = formatCheckpoint({ origin: "example.org/log/1", size: 1, root: new Uint8Array(32) })
  const note = await signNote(text, signers)
  const verifiers = keys.map(({ vkey }) => parseNoteVerifier(vkey))
  await assert.rejects(openCheckpoint(note, verifiers), { code: "wrong-origin" })
  await openCheckpoint(note, verifiers[0]!)
})
