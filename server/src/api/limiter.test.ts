import assert from "node:assert/strict"
import { test } from "node:test"
import { manualClock } from "#testing"
import { createLimiter, ownerOf } from "./limiter.ts"

const limited = { code: "rate-limited" }

test("an address has its burst at once and then so many a second", () => {
  const clock = manualClock()
  const { take } = createLimiter(clock, { burst: 3, perSecond: 2 })
  for (let n = 0; n < 3; n++) take("192.0.2.1")
  assert.throws(() => take("192.0.2.1"), limited)
  take("192.0.2.2")
  clock.advance(500)
  take("192.0.2.1")
  assert.throws(() => take("192.0.2.1"), limited)
  clock.advance(3_600_000)
  for (let n = 0; n < 3; n++) take("192.0.2.1")
  assert.throws(() => take("192.0.2.1"), limited, "no more than the burst was saved up")
})

test("who hammers gets through as often as who waits: a refused try costs nothing", () => {
  const clock = manualClock()
  const { take } = createLimiter(clock, { burst: 1, perSecond: 1 })
  let taken = 0
  for (let tenth = 0; tenth < 100; tenth++) {
    clock.advance(100)
    try {
      take("192.0.2.1")
      taken++
    } catch {}
  }
  assert.ok(taken >= 9 && taken <= 11, String(taken))
})

test("a clock that is set back gives nothing", () => {
  const clock = manualClock()
  const { take } = createLimiter(clock, { burst: 1, perSecond: 1 })
  take("192.0.2.1")
  clock.advance(-3_600_000)
  assert.throws(() => take("192.0.2.1"), limited)
})

test("all of an IPv6 /64 is one address, and an IPv4 address is itself in either form", () => {
  const same = [
    "2001:db8:0:1::1",
    "2001:0db8:0000:0001:ffff:ffff:ffff:ffff",
    "2001:DB8:0:1:0:0:192.0.2.1",
    "2001:db8:0:1::1%eth0",
  ]
  assert.deepEqual(new Set(same.map(ownerOf)), new Set(["2001:db8:0:1::/64"]))
  assert.equal(ownerOf("2001:db8:0:2::1"), "2001:db8:0:2::/64")
  assert.deepEqual([ownerOf("::1"), ownerOf("fe80::1%lo")], ["0:0:0:0::/64", "fe80:0:0:0::/64"])
  assert.deepEqual([ownerOf("::ffff:192.0.2.1"), ownerOf("192.0.2.1")], ["192.0.2.1", "192.0.2.1"])
  assert.equal(ownerOf(""), "")
})

test("memory is bounded by forgetting who was longest unseen", () => {
  const { take } = createLimiter(manualClock(), { burst: 1, perSecond: 0.001 })
  take("first")
  for (let n = 0; n < 9_999; n++) take(`192.0.${n >> 8}.${n & 255}`)
  assert.throws(() => take("first"), limited)
  for (let n = 0; n < 10_001; n++) take(`198.51.${n >> 8}.${n & 255}`)
  take("first")
})
