import assert from "node:assert/strict"
import { createPublicKey, type JsonWebKey } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { isSignedBy, readJws } from "./jws.ts"

type Vectors = {
  numberOfTests: number
  testGroups: {
    comment: string
    public?: JsonWebKey
    tests: { tcId: number; comment: string; jws: string; result: "valid" | "invalid" }[]
  }[]
}

const file = new URL("../../../contract/vectors/wycheproof/json_web_signature_es256_test.json", import.meta.url)
const { numberOfTests, testGroups } = JSON.parse(readFileSync(file, "utf8")) as Vectors

/**
 * Their payload is the text "foo", and every JWS of ours holds an object: the payload of each is replaced by one, after the
 * signature was judged over what was really signed. So header, form and signature are what decides.
 */
function isAccepted(jws: string, key: JsonWebKey): boolean {
  const parts = jws.split(".")
  try {
    const whole = parts.length === 3 && parts[1] !== "" ? parts.with(1, "e30").join(".") : jws
    return isSignedBy(
      { ...readJws(whole), input: parts.slice(0, 2).join(".") },
      createPublicKey({ key, format: "jwk" }),
    )
  } catch {
    return false
  }
}

describe("Wycheproof's JSON Web Signatures, by what reads proofs and assertions", () => {
  const es256 = testGroups.find(({ comment }) => comment === "es256")!.public!

  for (const { comment: group, tests } of testGroups) {
    for (const { tcId, comment, jws, result } of tests) {
      // A valid HS256 is no exception: a key that both sides share is none of ours, whoever signed with it.
      const isOurs = result === "valid" && group === "es256"
      test(`${tcId} of ${group} is ${isOurs ? "accepted" : "refused"}: ${comment}`, () => {
        assert.equal(isAccepted(jws, es256), isOurs)
        // As it stands, with its payload, none gets past the reader.
        assert.throws(() => readJws(jws))
      })
    }
  }

  test("are all there", () => {
    assert.equal(testGroups.flatMap(({ tests }) => tests).length, numberOfTests)
  })
})
