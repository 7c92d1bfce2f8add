import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { namesMoment, withoutDays } from "./dates.ts"

/** Text, moments that it names, moments that it does not. */
const cases: [string, string[], string[]][] = [
  ["on 2024-05-18.", ["2024-05-18"], ["2024-05-19", "2024-05-18 10:00", "2024-05", "18.05.2024", "2024-05-18x"]],
  [
    "(2024-05-18 at 10:00)",
    ["2024-05-18", "2024-05-18 10:00", "2024-05-18T10:00:00"],
    ["2024-05-18 10:01", "2024-05-18 22:00"],
  ],
  ["2024-05-18T10:00 sharp", ["2024-05-18 10:00"], ["2024-05-18 00:00"]],
  ["May 18th, 2024 at 3:30 pm", ["2024-05-18 15:30"], ["2024-05-18 03:30", "2025-05-18 15:30"]],
  ["at 12pm on 18 May 2024, not 12 am", ["2024-05-18 12:00", "2024-05-18 00:00"], ["2024-05-18 24:00"]],
  ["10am on the 1st of June 2024", ["2024-06-01 10:00"], ["2024-01-06", "2024-06-10"]],
  ["am 18. März 2024 um 9:05", ["2024-03-18 09:05"], ["2024-03-18 21:05"]],
  ["3.4.2024", ["2024-04-03"], ["2024-03-04"]],
  // A day without a year, and one that is two, are none.
  ["May 18th at 10:00, 5/6/2024", [], ["2024-05-18", "2025-05-18", "2024-05-06", "2024-06-05", "2001-05-18"]],
  ["February 30, 2024 and 2024-13-01", [], ["2024-02-30", "2024-03-01", "2024-13-01"]],
  ["order 12024-05-18-7", [], ["2024-05-18"]],
  // With several days each has the time beside it.
  [
    "Move it from 2024-05-18 10:00 to 2024-05-19 at 12:00",
    ["2024-05-18 10:00", "2024-05-19 12:00"],
    ["2024-05-18 12:00", "2024-05-19 10:00"],
  ],
]

for (const [text, there, absent] of cases) {
  test(`moments in: ${text}`, () => {
    for (const value of there) assert.ok(namesMoment(text, value), value)
    for (const value of absent) assert.equal(namesMoment(text, value), false, value)
  })
}

test("a year is no amount, and a number beside a date is one", () => {
  assert.doesNotMatch(withoutDays("in March 2022, on May 5th and 2024-05-18"), /\d/)
  assert.match(withoutDays("send 2022 in March"), /2022/)
})

test("any day that is written out is that day and no other", () => {
  const day = fc.date({ min: new Date("1900-01-01"), max: new Date("2999-12-31"), noInvalidDate: true })
  const written = (at: Date) => at.toLocaleDateString("en-US", { dateStyle: "long", timeZone: "UTC" })
  fc.assert(
    fc.property(day, day, (one, other) => {
      const iso = (at: Date) => at.toISOString().slice(0, 10)
      assert.ok(namesMoment(`due ${written(one)}.`, iso(one)))
      if (iso(one) !== iso(other)) assert.equal(namesMoment(`due ${written(one)}.`, iso(other)), false)
    }),
  )
})
