import assert from "node:assert/strict"
import { test } from "node:test"
import { base64url, equal, fromBase64url, isId, newId, randomOften, randomText } from "#kernel"

test("an id is of the kind it was made for and of no other", () => {
  const id = newId("lease")
  assert.match(id, /^lease_[0-9a-hjkmnp-tv-z]{26}$/)
  assert.ok(isId("lease", id))
  assert.ok(!isId("session", id))
})

test("a text that newId() could not have made is no id", () => {
  const id = newId("agent")
  for (const text of [
    `${id}0`,
    id.slice(0, -1),
    id.toUpperCase(),
    `${id.slice(0, -1)}u`,
    `${id}\n`,
    "agent_",
    "",
    ` ${id}`,
  ]) {
    assert.ok(!isId("agent", text), JSON.stringify(text))
  }
})

test("random text uses its whole alphabet and does not repeat", () => {
  const text = randomText(4_096)
  assert.equal(new Set(text).size, 32)
  assert.equal(new Set(Array.from({ length: 1_000 }, () => newId("entry"))).size, 1_000)
})

test("random bytes that are drawn in advance are handed out once, and are the taker's alone", () => {
  const taken = Array.from({ length: 2_000 }, () => randomOften(16))
  assert.equal(new Set(taken.map((bytes) => bytes.toString("hex"))).size, 2_000)
  const before = taken.map((bytes) => bytes.toString("hex"))
  taken[0]!.fill(0)
  assert.deepEqual(
    taken.slice(1).map((bytes) => bytes.toString("hex")),
    before.slice(1),
  )
  assert.equal(randomOften(10_000).length, 10_000)
})

test("only the one base64url form of some bytes is read back", () => {
  const bytes = Buffer.from([251, 255, 1])
  assert.equal(base64url(bytes), "-_8B")
  assert.deepEqual(fromBase64url("-_8B"), bytes)
  for (const text of ["+/8B", "-_9", "-_8B=", "-_8B ", "AB", "-_8B\n"])
    assert.throws(() => fromBase64url(text), TypeError, text)
})

test("bytes of different length are not equal", () => {
  assert.ok(equal(Buffer.from("ab"), Buffer.from("ab")))
  assert.ok(!equal(Buffer.from("ab"), Buffer.from("abc")))
  assert.ok(!equal(Buffer.from("ab"), Buffer.from("ac")))
})
