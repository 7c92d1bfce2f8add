import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { LogError, newNoteKey, openNote, parseNote, parseNoteSigner, parseNoteVerifier, signNote } from "./index.ts"
import { vectors } from "./testing/vectors.ts"

type Cases = {
  skey: string
  vkey: string
  text: string
  signed: string
  notKeys: string[]
  opened: { what: string; note: string; vkeys: string[]; signers: string[] }[]
  refused: { what: string; note: string; vkeys: string[]; code: string }[]
  unverified: { note: string; text: string; signatures: { name: string; id: number; bytes: number }[] }[]
}
const cases = vectors<Cases>("notes")

const utf8 = (text: string) => new TextEncoder().encode(text)

const hasCode = (code: string) => (error: unknown) => error instanceof LogError && error.code === code

test("signing with a known key gives the known note", async () => {
  const signer = await parseNoteSigner(cases.skey)
  assert.equal(signer.vkey, cases.vkey)
  assert.equal(await signNote(cases.text, [signer]), cases.signed)
})

for (const { what, note, vkeys, signers } of cases.opened) {
  test(`a note opens: ${what}`, async () => {
    const opened = await openNote(note, vkeys.map(parseNoteVerifier))
    assert.equal(opened.text, cases.text)
    assert.deepEqual(
      opened.signers.map((signer) => signer.name),
      signers,
    )
  })
}

for (const { what, note, vkeys, code } of cases.refused) {
  test(`a note is refused: ${what}`, async () => {
    await assert.rejects(openNote(note, vkeys.map(parseNoteVerifier)), hasCode(code))
    await assert.rejects(openNote(utf8(note), vkeys.map(parseNoteVerifier)), hasCode(code))
  })
}

for (const { note, text, signatures } of cases.unverified) {
  test(`the example of C2SP is read: ${signatures[0]!.name}`, () => {
    const parsed = parseNote(note)
    assert.equal(parsed.text, text)
    assert.deepEqual(
      parsed.signatures.map(({ name, id, signature }) => ({ name, id, bytes: signature.length })),
      signatures,
    )
  })
}

for (const key of cases.notKeys) {
  test(`no key: ${JSON.stringify(key)}`, async () => {
    assert.throws(() => parseNoteVerifier(key), hasCode("malformed-key"))
    await assert.rejects(parseNoteSigner(`PRIVATE+KEY+${key}`), hasCode("malformed-key"))
  })
}

test("a public key does not sign, a secret key is not shown", async () => {
  await assert.rejects(parseNoteSigner(cases.vkey), hasCode("malformed-key"))
  const broken = cases.skey.replace("c74f20a3", "c74f20a4")
  await assert.rejects(parseNoteSigner(broken), (error: Error) => !error.message.includes(broken.slice(-40)))
})

test("bytes that are not UTF-8, a byte order mark and half a surrogate are refused", async () => {
  const verifiers = [parseNoteVerifier(cases.vkey)]
  const malformed = hasCode("malformed-note")
  await assert.rejects(openNote(Uint8Array.of(0xff, ...utf8(cases.signed)), verifiers), malformed)
  await assert.rejects(openNote(`\ud800${cases.signed}`, verifiers), malformed)
  await assert.rejects(openNote(`\ufeff${cases.signed}`, verifiers), hasCode("bad-signature"))
  await assert.rejects(openNote(utf8(`\ufeff${cases.signed}`), verifiers), hasCode("bad-signature"))
  const signer = await parseNoteSigner(cases.skey)
  for (const text of ["no newline", "\ud800\n", "a\rb\n", "\0\n"])
    await assert.rejects(signNote(text, [signer]), malformed)
})

test("a note longer than a megabyte is not looked at", async () => {
  await assert.rejects(openNote(`${"x".repeat(1_000_000)}\n${cases.signed}`, []), hasCode("malformed-note"))
})

test("any text signed by any new keys opens with them and with no other", async () => {
  const names = ["log.example/1", "witness.example", "\u2603"]
  const keys = await Promise.all(names.map(newNoteKey))
  const signers = await Promise.all(keys.map((key) => parseNoteSigner(key.skey)))
  const verifiers = keys.map((key) => parseNoteVerifier(key.vkey))
  const stranger = parseNoteVerifier((await newNoteKey("log.example/1")).vkey)
  const text = fc.string({ unit: "grapheme" }).map((line) => `${line.replaceAll(/[\0-\x1f]/g, "")}\n`)
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1 }), async (lines) => {
      const note = await signNote(lines.join(""), signers)
      const opened = await openNote(note, verifiers)
      assert.equal(opened.text, lines.join(""))
      assert.deepEqual(opened.signers, verifiers)
      await assert.rejects(openNote(note, [stranger]), hasCode("unknown-signer"))
    }),
    { numRuns: 30 },
  )
})

test("no key is made for a name that a note cannot carry", async () => {
  for (const name of ["", "a b", "a+b", "a\nb", "a\u2003b", "a\0b", "\ud800"]) {
    await assert.rejects(newNoteKey(name), hasCode("malformed-key"))
  }
})

test("no byte of a note can be changed", async () => {
  const verifiers = [parseNoteVerifier(cases.vkey)]
  const note = utf8(cases.signed)
  await openNote(note, verifiers)
  for (let at = 0; at < note.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      await assert.rejects(openNote(note.with(at, note[at]! ^ (1 << bit)), verifiers), LogError)
    }
  }
})
