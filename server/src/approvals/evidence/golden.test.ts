import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { verifyApproval } from "./card-seen.ts"

/**
 * Evidence that was given out on 22 Nov 2026 by the program of that day. It is never made anew: what people keep for years has to
 * verify with every program that comes after, and say the same.
 */
const url = new URL("../../../../contract/vectors/evidence.json", import.meta.url)
const { vkey, cases } = JSON.parse(readFileSync(url, "utf8")) as {
  vkey: string
  cases: { name: string; evidence: string; verified: object }[]
}

assert.equal(cases.length, 2)
for (const { name, evidence, verified } of cases) {
  test(`evidence of an approval that was ${name} verifies still, and says the same`, async () => {
    assert.deepEqual(await verifyApproval(evidence, [vkey]), verified)
  })

  test(`evidence of an approval that was ${name} is refused with any byte changed`, async () => {
    for (let position = 1; position < evidence.length; position += 97) {
      const changed = Buffer.from(evidence)
      changed[position]! ^= 1 << (position % 7)
      const refused = (error: unknown) => refusalCode(error) === "not-verified"
      await assert.rejects(verifyApproval(changed.toString(), [vkey]), refused, `byte ${position}`)
    }
  })
}
