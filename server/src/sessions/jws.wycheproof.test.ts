import assert from "node:assert/strict"
import { createPublicKey, type JsonWebKey } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { gunzipSync } from "node:zlib"
import { isSignedBy, readJws } from "./jws.ts"

type Vectors = {
  numberOfTests: number
  testGroups: {
    comment: string
    public?: JsonWebKey
    tests: { tcId: number; comment: string; jws: string; result: "valid" | "invalid" }[]
  }[]
}

const file = new URL("../../../contract/vectors/wycheproof/json_web_signature_test.json.gz", import.meta.url)
const { numberOfTests, testGroups } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Vectors

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

/** What Wycheproof calls invalid and we accept, and why that is right here. */
const exceptions = new Map([
  // Our keys are named by enrolment and by thumbprint, never taken from a JWK that says what they are for.
  [354, "the key's JWK says that it is for encryption"],
  [356, "the key's JWK names operations without verifying"],
])

describe("Wycheproof's JSON Web Signatures, by what reads proofs and assertions", () => {
  const es256 = testGroups.find(({ comment }) => comment === "es256")!.public!

  for (const { comment: group, public: own, tests } of testGroups) {
    // Where both sides share a key there is none of ours to judge by: then it is the one that ours would be.
    const key = own ?? es256
    for (const { tcId, comment, jws, result } of tests) {
      // Valid under any other algorithm is no exception: ES256 is the only one, whoever signed.
      const isOurs = (result === "valid" && key.crv === "P-256" && own !== undefined) || exceptions.has(tcId)
      test(`${tcId} of ${group} is ${isOurs ? "accepted" : "refused"}: ${comment}`, () => {
        assert.equal(isAccepted(jws, key), isOurs)
        // As it stands, with its payload, none gets past the reader.
        assert.throws(() => readJws(jws))
      })
    }
  }

  test("are all there", () => {
    assert.deepEqual([testGroups.flatMap(({ tests }) => tests).length, numberOfTests], [401, 401])
  })
})
