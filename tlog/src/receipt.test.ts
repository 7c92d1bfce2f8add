import assert from "node:assert/strict"
import { test } from "node:test"
import { formatProof, parseProof, verifyReceipt } from "./index.ts"
import { entriesOf, memoryLog } from "./testing/memory-log.ts"
import { unhex, vectors } from "./testing/vectors.ts"

type Cases = {
  vkey: string
  verified: { entry: string; receipt: string; index: number; size: number }[]
  refused: { what: string; entry: string; receipt: string; code: string }[]
}
const cases = vectors<Cases>("receipts")

for (const { entry, receipt, index, size } of cases.verified) {
  test(`a receipt verifies: entry ${index} of ${size}${receipt.includes("\nextra ") ? ", with extra data" : ""}`, async () => {
    const report = await verifyReceipt(receipt, unhex(entry), cases.vkey)
    assert.deepEqual([report.ok, report.index, report.size, report.problems], [true, index, size, []])
    assert.equal(formatProof(parseProof(receipt)), receipt)
  })
}

for (const { what, entry, receipt, code } of cases.refused) {
  test(`a receipt is refused: ${what}`, async () => {
    const report = await verifyReceipt(receipt, unhex(entry), cases.vkey)
    assert.equal(report.ok, false)
    assert.deepEqual(
      report.problems.map((problem) => problem.code),
      [code],
    )
  })
}

test("no byte of a receipt or of its entry can be changed", async () => {
  const log = await memoryLog(entriesOf(6))
  const text = new TextEncoder().encode(await log.receipt(2))
  const entry = log.entries[2]!
  const isOk = async (bytes: Uint8Array, of: Uint8Array) =>
    (await verifyReceipt(new TextDecoder().decode(bytes), of, log.vkey)).ok
  assert.equal(await isOk(text, entry), true)
  for (let at = 0; at < text.length; at++) {
    for (let bit = 0; bit < 8; bit++) assert.equal(await isOk(text.with(at, text[at]! ^ (1 << bit)), entry), false)
  }
  for (let at = 0; at < entry.length; at++) {
    assert.equal(await isOk(text, entry.with(at, entry[at]! ^ 1)), false)
  }
})

test("a receipt stays true while the log grows", async () => {
  const before = await memoryLog(entriesOf(6))
  const receipt = await before.receipt(2)
  const after = await memoryLog(entriesOf(600), before.signer)
  assert.equal((await verifyReceipt(receipt, after.entries[2]!, after.vkey)).ok, true)
})

test("a key that is none is the caller's mistake, not the receipt's", async () => {
  await assert.rejects(verifyReceipt("", new Uint8Array(), "no key"), { code: "malformed-key" })
})
