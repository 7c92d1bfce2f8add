import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { gunzipSync } from "node:zlib"
import { isEcdsaSignature } from "#kernel"

type Vectors = {
  numberOfTests: number
  testGroups: {
    publicKeyPem: string
    tests: { tcId: number; comment: string; msg: string; sig: string; result: "valid" | "invalid" }[]
  }[]
}

const sets = [
  { form: "der", file: "ecdsa_secp256r1_sha256_test.json.gz", valid: 174, of: "certificates and signing requests" },
  {
    form: "jose",
    file: "ecdsa_secp256r1_sha256_p1363_test.json.gz",
    valid: 173,
    of: "tokens, mandates, proofs and assertions",
  },
] as const

for (const { form, file, valid, of } of sets) {
  describe(`Wycheproof's ECDSA over P-256 in the form ${form}, by what judges ${of}`, () => {
    const url = new URL(`../../../contract/vectors/wycheproof/${file}`, import.meta.url)
    const { numberOfTests, testGroups } = JSON.parse(gunzipSync(readFileSync(url)).toString()) as Vectors

    for (const { publicKeyPem, tests } of testGroups) {
      const key = createPublicKey(publicKeyPem)
      for (const { tcId, comment, msg, sig, result } of tests) {
        test(`${tcId} is ${result}: ${comment}`, () => {
          const [message, signature] = [Buffer.from(msg, "hex"), Buffer.from(sig, "hex")]
          assert.equal(isEcdsaSignature({ key, message, signature, form }), result === "valid")
        })
      }
    }

    test("has every test of the file, none of them an exception", () => {
      const all = testGroups.flatMap(({ tests }) => tests)
      assert.deepEqual([all.length, all.filter(({ result }) => result === "valid").length], [numberOfTests, valid])
    })
  })
}

test("another kind of key signs nothing by ECDSA", () => {
  const pem =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----"
  const claim = { key: createPublicKey(pem), message: Buffer.of(1), signature: Buffer.alloc(64) }
  for (const form of ["der", "jose"] as const) assert.equal(isEcdsaSignature({ ...claim, form }), false)
})
