import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { manualClock } from "#testing"
import { openNonces } from "./nonces.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code

function open(maxProofs?: number) {
  const clock = manualClock()
  const nonces = openNonces({ clock, generationMs: 60_000, ...(maxProofs === undefined ? {} : { maxProofs }) })
  return { clock, nonces, use: (jti: string, nonce = nonces.current(), jkt = "key") => nonces.use({ jkt, jti, nonce }) }
}

test("only a nonce that this server gave out is taken", () => {
  const { nonces } = open()
  assert.equal(nonces.requireOwn(nonces.current()), nonces.current())
  for (const other of [undefined, "", "x", open().nonces.current()]) {
    assert.throws(() => nonces.requireOwn(other), refusesWith("use-dpop-nonce"), other)
  }
})

test("a nonce is good for one generation after its own, and not for another", () => {
  const { clock, nonces } = open()
  const first = nonces.current()
  clock.advance(59_999)
  assert.equal(nonces.current(), first)
  clock.advance(1)
  assert.notEqual(nonces.current(), first)
  nonces.requireOwn(first)
  clock.advance(60_000)
  assert.throws(() => nonces.requireOwn(first), refusesWith("use-dpop-nonce"))
})

test("a server that was not asked for long takes none of the nonces that it gave out before", () => {
  const { clock, nonces } = open()
  const first = nonces.current()
  clock.advance(120_000)
  assert.throws(() => nonces.requireOwn(first), refusesWith("use-dpop-nonce"))
})

test("a proof is good once, for as long as its nonce is good", () => {
  const { clock, nonces, use } = open()
  const nonce = nonces.current()
  use("a", nonce)
  assert.throws(() => use("a", nonce), refusesWith("dpop-proof-invalid"))
  use("b", nonce)
  use("a", nonce, "another key")
  clock.advance(119_000)
  assert.throws(() => use("a", nonce), refusesWith("dpop-proof-invalid"))
  clock.advance(1_000)
  assert.throws(() => use("a", nonce), refusesWith("use-dpop-nonce"))
})

test("a proof of the generation before is still known as used", () => {
  const { clock, nonces, use } = open()
  const nonce = nonces.current()
  use("a", nonce)
  clock.advance(60_000)
  assert.throws(() => use("a", nonce), refusesWith("dpop-proof-invalid"))
})

test("a clock that is set back makes no used proof good, and no generation longer", () => {
  const { clock, nonces, use } = open(1)
  const nonce = nonces.current()
  use("a", nonce)
  clock.advance(-3_600_000)
  assert.throws(() => use("a", nonce), refusesWith("dpop-proof-invalid"))
  use("b")
  assert.throws(() => use("c"), refusesWith("overloaded"))
  clock.advance(60_000)
  use("c")
  assert.throws(() => use("a", nonce), refusesWith("use-dpop-nonce"))
})

test("when too many proofs are remembered new ones are refused, and no used one becomes good again", () => {
  const { clock, nonces, use } = open(6)
  const nonce = nonces.current()
  for (const jti of ["a", "b", "c"]) use(jti, nonce)
  assert.throws(() => use("d", nonce), refusesWith("overloaded"))
  for (const jti of ["a", "b", "c"]) assert.throws(() => use(jti, nonce), refusesWith("dpop-proof-invalid"))
  clock.advance(60_000)
  use("d")
})

test("keys that take all they can leave room for another one, whose proofs nobody would remember otherwise", () => {
  const { clock, nonces, use } = open(1_000)
  const nonce = nonces.current()
  let jti = 0
  const takeAll = (jkt: string) => {
    for (let taken = 0; ; taken += 1) {
      try {
        use(`${jti++}`, nonce, jkt)
      } catch (error) {
        assert.ok(refusesWith("overloaded")(error))
        return taken
      }
    }
  }
  assert.equal(takeAll("hostile"), 500)
  assert.equal(takeAll("its friend"), 250)
  assert.equal(takeAll("hostile"), 0)
  for (let at = 0; at < 100; at += 1) use(`mine ${at}`, nonce, "quiet")
  assert.throws(() => use("mine 0", nonce, "quiet"), refusesWith("dpop-proof-invalid"))
  clock.advance(60_000)
  use("next", nonces.current(), "hostile")
})
