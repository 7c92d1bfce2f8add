import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { requireEverybody, type Voice } from "./everybody.ts"

const leads = { of: "hr-leads", rung: "quorum", required: 2 }
const own = { of: "user", rung: "sign", required: 1 }
const voice = (user: string, countsFor: string[], standsFor: Voice["standsFor"] = {}): Voice => ({
  user,
  countsFor,
  standsFor,
})
const judge = (requirements: unknown, agreed: Voice[], user: string | null = "alice") =>
  requireEverybody({ requirements: requirements as never, user }, agreed)
const refuses = (requirements: unknown, agreed: Voice[], what: string) =>
  assert.throws(
    () => judge(requirements, agreed),
    (error) => refusalCode(error) === "not-verified",
    what,
  )

test("so many people for each that it takes, the user among them for themselves alone", () => {
  judge([leads], [voice("bob", ["hr-leads"]), voice("carol", ["hr-leads"])])
  judge([own, leads], [voice("alice", ["user"]), voice("bob", ["hr-leads"]), voice("carol", ["hr-leads"])])
  judge([leads], [voice("bob", ["hr-leads"]), voice("carol", ["hr-leads"])], null)
  refuses([leads], [voice("bob", ["hr-leads"])], "one of two")
  refuses([own, leads], [voice("bob", ["hr-leads"]), voice("carol", ["hr-leads"])], "without the user")
  refuses([leads], [voice("bob", ["hr-leads"]), voice("bob", ["hr-leads"])], "one person twice")
  refuses([leads], [voice("alice", ["hr-leads"]), voice("carol", ["hr-leads"])], "the user is one of the two")
  refuses([own], [voice("bob", ["user"])], "somebody else for the user")
  assert.throws(() => judge([own], [voice("bob", ["user"])], null), "of nobody's")
})

test("who stands in for somebody speaks for that one: the two of them are one voice, and nobody stands in for the user", () => {
  judge([leads], [voice("bob", ["hr-leads"]), voice("dan", ["hr-leads"], { "hr-leads": "carol" })])
  refuses([leads], [voice("carol", ["hr-leads"]), voice("dan", ["hr-leads"], { "hr-leads": "carol" })], "one voice")
  const both = ["dan", "eve"].map((each) => voice(each, ["hr-leads"], { "hr-leads": "carol" }))
  refuses([leads], both, "two for one")
  refuses([own], [voice("dan", ["user"], { user: "alice" })], "for the user")
  const forAlice = voice("dan", ["hr-leads"], { "hr-leads": "alice" })
  refuses([leads], [voice("bob", ["hr-leads"]), forAlice], "in the place of whom it is for")
})

test("requirements that ask for nobody are none", () => {
  for (const requirements of [undefined, null, [], [{ of: "hr-leads" }], [{ ...own, required: 0 }], ["user"], [null]]) {
    refuses(requirements, [voice("alice", ["user"])], JSON.stringify(requirements))
  }
  for (const required of [-1, 0.5, "1"]) refuses([{ ...own, required }], [voice("alice", ["user"])], String(required))
})
