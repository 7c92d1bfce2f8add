import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { sha256 as inBrowser } from "./hash.browser.ts"
import { sha256 } from "./hash.ts"
import { unhex } from "./testing/vectors.ts"

test("both implementations know the examples of FIPS 180-4", () => {
  const abc = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  for (const hash of [sha256, inBrowser]) assert.deepEqual(hash(new TextEncoder().encode("abc")), abc)
})

test("the browser's SHA-256 is Node's, for every length around a block and for any bytes", () => {
  for (let length = 0; length < 200; length++) {
    const bytes = new Uint8Array(length).fill(length)
    assert.deepEqual(inBrowser(bytes), sha256(bytes))
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => assert.deepEqual(inBrowser(bytes), sha256(bytes))),
  )
})

test("a view into a larger buffer is hashed as what it shows", () => {
  const whole = new TextEncoder().encode("xabcx")
  for (const hash of [sha256, inBrowser])
    assert.deepEqual(hash(whole.subarray(1, 4)), hash(new TextEncoder().encode("abc")))
})
