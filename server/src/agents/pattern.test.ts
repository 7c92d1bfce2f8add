import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { isOfForm, parsePattern } from "./pattern.ts"

const forms: [string, string[], string[]][] = [
  ["A-[0-9]{2,3}", ["A-17", "A-170"], ["A-1", "A-1700", "xA-17", "A-17 ", "A-17\n", "A-١٧", ""]],
  ["[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", ["GB29NWBK60161331926819"], ["gb29NWBK60161331926819", "GB29"]],
  ["a?b*c+", ["c", "abbcc", "bc"], ["", "ab", "aac", "abcb"]],
  ["[-a_\\.]{1,4}", ["-", "a_.-"], ["b", "a_.-a"]],
  ["1\\.5 \\(eur\\)", ["1.5 (eur)"], ["1x5 (eur)", "1.5 eur"]],
  ["é{2}", ["éé"], ["é", "e\u0301e\u0301"]],
]

for (const [pattern, of, notOf] of forms) {
  test(`what is of the form ${pattern}`, () => {
    for (const value of of) assert.ok(isOfForm(pattern, value), value)
    for (const value of notOf) assert.equal(isOfForm(pattern, value), false, JSON.stringify(value))
  })
}

test("what can mean something else in another language, or comes to too much, is no pattern", () => {
  const refused = [
    ...[
      "",
      "(a)",
      "a|b",
      "^a",
      "a$",
      "a.b",
      "[^a]",
      "\\d",
      "\\w+",
      "\\b",
      "\\1",
      "a{",
      "a{2",
      "a{2,1}",
      "a{0}",
      "a++",
      "a**",
    ],
    ...[
      "[",
      "[]",
      "[b-a]",
      "]",
      "}",
      "*a",
      "?",
      "a{300}",
      "a{200}b{100}",
      "a/b",
      "[a.]",
      "[a-f0-9]{8}-[]",
      "[a-\\d]",
      "a".repeat(201),
      "\\",
    ],
  ]
  for (const pattern of refused) assert.equal(parsePattern(pattern), null, pattern)
})

test("a pattern says what the same regular expression says", () => {
  const atom = fc.constantFrom("a", "b", "[ab]", "[a-c]", "\\.", "-")
  const times = fc.constantFrom("", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}")
  const pattern = fc.array(fc.tuple(atom, times), { minLength: 1, maxLength: 5 }).map((parts) => parts.flat().join(""))
  const value = fc.string({ unit: fc.constantFrom("a", "b", "c", ".", "-", "\n"), maxLength: 8 })
  let matched = 0
  fc.assert(
    fc.property(pattern, value, (text, given) => {
      const expected = new RegExp(`^(?:${text})$(?!\\n)`, "u").test(given)
      matched += expected ? 1 : 0
      assert.equal(isOfForm(text, given), expected)
    }),
    { numRuns: 5_000 },
  )
  assert.ok(matched > 100, `only ${matched} values were of the form`)
})

test("patterns that hold others for years take as many steps as they are long", () => {
  // A backtracking matcher would try two to the power of a hundred ways.
  assert.equal(isOfForm(`${"a?".repeat(80)}a{80}`, "a".repeat(79)), false)
  assert.equal(isOfForm(`${"a*".repeat(60)}b`, "a".repeat(1_000)), false)
  assert.equal(isOfForm("a*", "a".repeat(1_001)), false)
})
