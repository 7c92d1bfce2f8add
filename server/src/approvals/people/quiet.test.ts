import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { quietHoursSchema, quietUntil } from "./quiet.ts"

const night = { from: "22:00", to: "07:00", timeZone: "Europe/Berlin" }
const until = (hours: typeof night, at: string) => quietUntil(hours, Date.parse(at))?.toISOString() ?? null

test("quiet hours hold through the night, by the clock on the wall of the place", () => {
  assert.equal(until(night, "2026-06-01T19:59:59Z"), null)
  assert.equal(until(night, "2026-06-01T20:00:00Z"), "2026-06-02T05:00:00.000Z")
  assert.equal(until(night, "2026-06-02T04:59:59Z"), "2026-06-02T05:00:00.000Z")
  assert.equal(until(night, "2026-06-02T05:00:00Z"), null)
  const noon = { ...night, from: "12:00", to: "13:30" }
  assert.equal(until(noon, "2026-06-01T10:15:00Z"), "2026-06-01T11:30:00.000Z")
  assert.equal(until(noon, "2026-06-01T12:00:00Z"), null)
})

test("a night with an hour more or less ends when the clock on the wall says so", () => {
  // Summer time ends on 25 October 2026 and begins on 29 March 2026.
  assert.equal(until(night, "2026-10-24T20:30:00Z"), "2026-10-25T06:00:00.000Z")
  assert.equal(until(night, "2026-03-28T21:30:00Z"), "2026-03-29T05:00:00.000Z")
  assert.equal(until({ ...night, timeZone: "Australia/Lord_Howe" }, "2026-04-04T12:00:00Z"), "2026-04-04T20:30:00.000Z")
})

test("the end is never in the past, within a day or so, and at it nothing is quiet any more", () => {
  const time = fc
    .tuple(fc.nat(23), fc.nat(59))
    .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`)
  const zones = fc.constantFrom("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "UTC")
  const at = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2028, 0) })
  fc.assert(
    fc.property(time, time, zones, at, (from, to, timeZone, nowMs) => {
      fc.pre(from !== to)
      const end = quietUntil({ from, to, timeZone }, nowMs)
      if (end === null) return
      assert.ok(end.getTime() > nowMs && end.getTime() <= nowMs + 25 * 3_600_000)
      assert.equal(end.getTime() % 60_000, 0)
    }),
    { numRuns: 300 },
  )
})

test("times and places are written so that they mean one thing", () => {
  const isTaken = (more: object) => quietHoursSchema.safeParse({ ...night, ...more }).success
  assert.equal(isTaken({}), true)
  const wrong = [
    { from: "24:00" },
    { from: "7:00" },
    { to: "22:00" },
    { timeZone: "Berlin" },
    { timeZone: "+01:00" },
    { timeZone: "" },
    { more: 1 },
  ]
  for (const each of wrong) assert.equal(isTaken(each), false, JSON.stringify(each))
})
