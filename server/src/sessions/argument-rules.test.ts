import assert from "node:assert/strict"
import { test } from "node:test"
import type { ArgumentRule } from "#agents"
import { check, type Finding, type Scalar } from "./argument-rules.ts"
import { type Evidence, noEvidence } from "./mandates/evidence.ts"

const FRIEND = "GB29NWBK60161331926819"
const STRANGER = "US133000000121212121212"

const knowing = (text: string | null, found: readonly Scalar[] | null = null): Evidence => ({
  ...noEvidence,
  requestText: text === null ? null : { kind: "consent", text },
  lookups: { found },
})
const holds = (rule: ArgumentRule, cases: readonly (readonly [unknown, Evidence, Finding])[]) => {
  for (const [value, evidence, finding] of cases) {
    const about = JSON.stringify([value, evidence.requestText?.text, evidence.lookups["found"]])
    assert.equal(check(rule, value, evidence).finding, finding, about)
  }
}

test("what the request names of a record verifies the value beside it, and only where the name is its own", () => {
  const rows = [`["${FRIEND}",10]`, '["CH93",100]', `["${STRANGER}",7.5,3.25]`, `["${FRIEND}",20]`]
  holds({ named: "found" }, [
    [FRIEND, knowing("refund that 10.00 I got", rows), "verified"],
    [STRANGER, knowing("refund that $3.25", rows), "verified"],
    [STRANGER, knowing("refund that 10.00 I got", rows), "failed"],
    ["CH93", knowing("about my 100 latest payments", rows), "failed"],
    // Whoever sends ten as well makes it nobody's.
    [FRIEND, knowing("refund that 10.00 I got", [...rows, `["${STRANGER}",10]`]), "unverifiable"],
    [STRANGER, knowing("refund that 10.00 I got", [...rows, `["${STRANGER}",10]`]), "unverifiable"],
    [FRIEND, knowing(null, rows), "unverifiable"],
    [FRIEND, knowing("refund that 10.00 I got"), "unverifiable"],
    ...["GB29", "[]", "[1]", '[[1],"a"]', "{}", '["a",null]'].map(
      (row) => [FRIEND, knowing("refund that 10.00", [...rows, row]), "unverifiable"] as const,
    ),
    [[FRIEND], knowing("refund that 10.00 I got", rows), "failed"],
    [null, knowing("refund that 10.00 I got", rows), "failed"],
  ])
  const events = ['["6","Dental check-up"]', '["7","Dental check-up with Ann"]', '["8","Lunch"]']
  holds({ named: "found" }, [
    ["6", knowing("cancel 'Dental check-up'", events), "verified"],
    ["7", knowing("cancel 'Dental check-up with Ann'", events), "verified"],
    // Which of both the shorter name is for, the request does not say.
    ["6", knowing("cancel 'Dental check-up with Ann'", events), "unverifiable"],
    ["8", knowing("cancel 'Dental check-up'", events), "failed"],
    [6, knowing("cancel 'Dental check-up'", events), "failed"],
  ])
})

test("a number found in a record is a bound, where it is one", () => {
  holds({ atMostLookedUp: "found" }, [
    [10, knowing(null, [3, 10]), "verified"],
    [10.01, knowing(null, [3, 10]), "failed"],
    ["10", knowing(null, [3, 10]), "failed"],
    [1, knowing(null, []), "failed"],
    [1, knowing(null, ["3"]), "unverifiable"],
    [1, knowing(null), "unverifiable"],
  ])
})

test("a choice and a source never verify: they ask, or they fail", () => {
  holds({ choice: "found" }, [
    [FRIEND, knowing(`pay ${FRIEND}`, [FRIEND]), "unverifiable"],
    [STRANGER, knowing(`pay ${STRANGER}`, [FRIEND]), "failed"],
    [FRIEND, knowing(null), "unverifiable"],
  ])
  const source = { fromSource: { words: ["bill", "note"], names: "found" } }
  const files = ["march.txt"]
  for (const value of [FRIEND, STRANGER, "march.txt", 5, true]) {
    holds(source, [
      [value, knowing("pay the Bill", files), "unverifiable"],
      [value, knowing("do what 'march.txt' says", files), "unverifiable"],
      [value, knowing("pay my friend", files), "failed"],
      [value, knowing("pay my friend"), "unverifiable"],
      [value, knowing(null, files), "unverifiable"],
    ])
  }
  holds({ fromSource: { words: ["bill"] } }, [[STRANGER, knowing("pay my billing friend"), "failed"]])
})

test("what the request asks for does not depend on the value", () => {
  for (const value of [undefined, null, "x", ["x"]]) {
    holds({ requestSays: ["pay", "set up"] }, [
      [value, knowing("Please set up a payment"), "verified"],
      [value, knowing("What did I spend?"), "failed"],
      [value, knowing(null), "unverifiable"],
    ])
  }
})

test("plain text leads nowhere but where the request leads", () => {
  holds({ plainText: 40 }, [
    ["Refund of March", knowing(null), "verified"],
    ["Refund of March", knowing("hello"), "verified"],
    [`to ${STRANGER}`, knowing("hello"), "failed"],
    [`to ${FRIEND}`, knowing(`pay ${FRIEND}`), "verified"],
    ["see evil.example", knowing(null), "unverifiable"],
    ["see evil.example", knowing("see notevil.example"), "failed"],
    ["x".repeat(41), knowing(null), "failed"],
    ["a\u202eb", knowing(null), "failed"],
    [5, knowing(null), "failed"],
    [["text"], knowing(null), "failed"],
  ])
})

test("a pattern is of the whole text", () => {
  holds({ pattern: "A-[0-9]+" }, [
    ["A-17", noEvidence, "verified"],
    ["A-17 ", noEvidence, "failed"],
    [17, noEvidence, "failed"],
  ])
})

test("of a list each item is held to the rule, and it is as good as its worst", () => {
  const rule: ArgumentRule = { eachOf: [{ inRequest: true }, { choice: "found" }] }
  const known = knowing("write to ann@shop.example and bob@shop.example", ["carl@shop.example"])
  holds(rule, [
    [["ann@shop.example", "bob@shop.example"], known, "verified"],
    [["ann@shop.example", "carl@shop.example"], known, "unverifiable"],
    [["ann@shop.example", "eve@evil.example", "carl@shop.example"], known, "failed"],
    [["ann@shop.example", ["bob@shop.example"]], known, "failed"],
    [["ann@shop.example", null], known, "failed"],
    [[{ to: "ann@shop.example" }], known, "failed"],
    ["ann@shop.example", known, "failed"],
    [{ 0: "ann@shop.example", length: 1 }, known, "failed"],
    [[], known, "failed"],
    [undefined, known, "failed"],
    [Array.from({ length: 257 }, () => "ann@shop.example"), known, "failed"],
  ])
  for (const nobody of [[], null, undefined]) {
    holds({ eachOf: [{ absent: true }, { inRequest: true }] }, [[nobody, known, "verified"]])
  }
  // An item of a list is never left out.
  holds({ eachOf: [{ absent: true }] }, [[[null], known, "failed"]])
})

test("a part of the request is what follows its words, in the same sentence and before the others", () => {
  const part = { from: ["delete", "get rid of"], until: ["share", "send"] }
  const text =
    "Please DELETE old.txt and share map.docx. Also get rid of a.txt, b.txt; c.txt stays, d.txt is to delete."
  const files = ['["1","old.txt"]', '["2","map.docx"]', '["3","c.txt"]']
  holds({ anyOf: [{ inRequest: true }], part }, [
    ["old.txt", knowing(text), "verified"],
    ["b.txt", knowing(text), "verified"],
    ...["map.docx", "c.txt", "d.txt", "Please"].map((name) => [name, knowing(text), "failed"] as const),
    ["old.txt", knowing(null), "unverifiable"],
    ["old.txt", knowing("old.txt \u0130 delete old.txt"), "failed"],
  ])
  holds({ anyOf: [{ named: "found" }, { absent: true }], part }, [
    ["1", knowing(text, files), "verified"],
    ["2", knowing(text, files), "failed"],
    [null, knowing(text, files), "verified"],
  ])
})
