import assert from "node:assert/strict"
import { test } from "node:test"
import { renewalDelayMs, retryDelayMs, svidRenewalDelayMs } from "./schedule.ts"

const SAMPLES = [0, 0.25, 0.5, 0.75, 0.999]

test("a renewal is due around half of what is left, and always before the end", () => {
  for (const leftMs of [1_000, 60_000, 900_000]) {
    for (const random of SAMPLES) {
      const delay = renewalDelayMs({ nowMs: 5_000, expiresAtMs: 5_000 + leftMs }, random)!
      assert.ok(delay >= leftMs * 0.45 - 1 && delay <= leftMs * 0.55 + 1, `${delay} of ${leftMs}`)
    }
  }
})

test("what already reaches the hard end is not renewed", () => {
  assert.equal(renewalDelayMs({ nowMs: 0, expiresAtMs: 9_000, hardEndMs: 9_000 }, 0.5), null)
  assert.equal(renewalDelayMs({ nowMs: 0, expiresAtMs: 9_001, hardEndMs: 9_000 }, 0.5), null)
  assert.equal(renewalDelayMs({ nowMs: 0, expiresAtMs: 8_000, hardEndMs: 9_000 }, 0.5), 4_000)
})

test("what has expired is renewed at once, but never in a busy loop", () => {
  assert.equal(renewalDelayMs({ nowMs: 10_000, expiresAtMs: 9_000 }, 0.5), 50)
})

test("an SVID is renewed at half of its life, whenever the process started", () => {
  const svid = { notBeforeMs: 0, notAfterMs: 3_600_000 }
  assert.equal(svidRenewalDelayMs({ ...svid, nowMs: 0 }, 0.5), 1_800_000)
  assert.equal(svidRenewalDelayMs({ ...svid, nowMs: 1_700_000 }, 0.5), 100_000)
  assert.equal(svidRenewalDelayMs({ ...svid, nowMs: 3_000_000 }, 0.5), 50)
})

test("tries again later and later, within the bound, and not in step with others", () => {
  assert.equal(retryDelayMs(0, 1), 100)
  assert.equal(retryDelayMs(3, 1), 800)
  assert.equal(retryDelayMs(50, 1), 2_000)
  assert.equal(retryDelayMs(3, 0), 1)
  assert.equal(retryDelayMs(3, 0.5), 400)
})
