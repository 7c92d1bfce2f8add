import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { describe, test } from "node:test"
import { gunzipSync } from "node:zlib"
import type { Json } from "#kernel"
import { readCompact } from "../jws.ts"
import { pick, readKeySet } from "./key-set.ts"
import { algorithms } from "./profiles.ts"
import { isSignedWith } from "./signed.ts"

type Vectors = {
  numberOfTests: number
  testGroups: {
    comment: string
    public?: Json
    private?: Json
    tests: { tcId: number; comment: string; jws: string; result: "valid" | "invalid" }[]
  }[]
}

const file = new URL("../../../../contract/vectors/wycheproof/json_web_signature_test.json.gz", import.meta.url)
const { numberOfTests, testGroups } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Vectors

/** As a provider's token is judged: by the set that has the key, with an algorithm of ours. Payloads are replaced as in jws.wycheproof. */
function isAccepted(jws: string, jwk: Json): boolean {
  const parts = jws.split(".")
  try {
    const whole = parts.length === 3 && parts[1] !== "" ? parts.with(1, "e30").join(".") : jws
    const read = readCompact(whole)
    const algorithm = algorithms.find((each) => each === read.header["alg"])!
    const key = pick(readKeySet({ keys: [jwk] }), algorithm, read.header["kid"])!
    return isSignedWith({ ...read, input: parts.slice(0, 2).join(".") }, algorithm, key)
  } catch {
    return false
  }
}

function algorithmOf(jws: string): Json | undefined {
  const header = Buffer.from(jws.split(".")[0]!, "base64url").toString()
  return /"alg":"(\w+)"/.exec(header)?.[1]
}

describe("Wycheproof's JSON Web Signatures, by what judges tokens of providers", () => {
  for (const { comment: group, public: own, private: shared, tests } of testGroups) {
    for (const { tcId, comment, jws, result } of tests) {
      // Valid under an algorithm that is not ours is refused as well, and so is what a shared key made, or holds no object.
      const isFor = algorithms.some((each) => each === algorithmOf(jws)) && jws.split(".")[1] !== ""
      const isOurs = result === "valid" && own !== undefined && isFor
      test(`${tcId} of ${group} is ${isOurs ? "accepted" : "refused"}: ${comment}`, () => {
        assert.equal(isAccepted(jws, own ?? shared ?? null), isOurs)
      })
    }
  }
  test("are all there", () => {
    assert.deepEqual([testGroups.flatMap(({ tests }) => tests).length, numberOfTests], [401, 401])
  })
})
