import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { gunzipSync } from "node:zlib"
import { parseNoteVerifier } from "./index.ts"
import { unhex } from "./testing/vectors.ts"

type Vectors = {
  numberOfTests: number
  testGroups: {
    publicKey: { pk: string }
    tests: { tcId: number; comment: string; msg: string; sig: string; result: "valid" | "invalid" }[]
  }[]
}

const file = new URL("../../contract/vectors/wycheproof/ed25519_test.json.gz", import.meta.url)
const { numberOfTests, testGroups } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Vectors

/** A note's public key as C2SP signed-note writes it. */
function vkeyOf(publicKey: Uint8Array): string {
  const typed = Buffer.concat([Buffer.of(1), publicKey])
  const id = createHash("sha256").update("wycheproof\n").update(typed).digest("hex").slice(0, 8)
  return `wycheproof+${id}+${typed.toString("base64")}`
}

describe("Wycheproof's Ed25519, by the verifier of signed notes", () => {
  for (const { publicKey, tests } of testGroups) {
    const verifier = parseNoteVerifier(vkeyOf(unhex(publicKey.pk)))
    for (const { tcId, comment, msg, sig, result } of tests) {
      test(`${tcId} is ${result}: ${comment}`, async () => {
        assert.equal(await verifier.verify(unhex(msg), unhex(sig)), result === "valid")
      })
    }
  }

  test("has every test of the file, none of them an exception", () => {
    const all = testGroups.flatMap(({ tests }) => tests)
    assert.deepEqual([all.length, all.filter(({ result }) => result === "valid").length], [numberOfTests, 88])
  })
})
