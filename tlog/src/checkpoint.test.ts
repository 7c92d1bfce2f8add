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
