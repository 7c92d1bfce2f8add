import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { names, says, standsIn as standsInRequest } from "./request-text.ts"

const standsIn = (text: string, value: string | number | boolean) => standsInRequest({ text }, value)

/** Text, values that stand in it, values that do not. */
const cases: [string, (string | number)[], (string | number)[]][] = [
  [
    "Please refund order A-17 (the blue one), 49.90 EUR.",
    ["A-17", "order A-17", "blue", "49.90", 49.9, "EUR"],
    [
      "A",
      "17",
      17,
      "A-1",
      "-17",
      "ord",
      "lease",
      "49",
      49,
      90,
      "49.9",
      "a-17",
      "EU",
      "Please  refund",
      "",
      " ",
      ".",
      "(",
    ],
  ],
  [
    "Pay the bill 'bill-december-2023.txt' for me.",
    ["bill-december-2023.txt"],
    ["bill-december", "2023.txt", 2023, "txt"],
  ],
  [
    "O'Brien said #12 and 12:30 on 2022-01-03",
    ["#12", "12", 12, "2022-01-03", "O'Brien"],
    ["Brien", 30, 1, 3, 2022, -1],
  ],
  [
    "mail ALICE@Example.com, not <bob@example.com>",
    ["alice@example.com", "Alice@example.COM", "bob@example.com"],
    ["lice@example.com", "alice@example.co", "example.com", "alice", "al\u0456ce@example.com", "eve@example.com"],
  ],
  [
    "to GB29 NWBK 6016 1331 9268 19 please",
    ["GB29NWBK60161331926819", "gb29nwbk60161331926819", "GB29 NWBK 6016 1331 9268 19"],
    ["GB29NWBK6016133192681", "GB30NWBK60161331926819", "NWBK60161331926819", 6016],
  ],
  [
    "IBAN de89370400440532013000.",
    ["DE89 3704 0044 0532 0130 00", "DE89370400440532013000"],
    ["DE8937040044053201300"],
  ],
  // Without check digits that fit, no grouping: two words could become one by chance.
  ["GB00 NWBK 6016 1331 9268 19 or US133000000121212121212", ["US133000000121212121212"], ["GB00NWBK60161331926819"]],
  ["AL35202111090000000001234567 al352021110900000000012345\u01317", ["AL35202111090000000001234567"], []],
  ["x GB29 NWBK 6016 1331 9268 1\u0131 9", [], ["GB29NWBK60161331926819"]],
  ["see https://shop.example/a?b=1.", ["https://shop.example/a?b=1"], ["https://shop.example/a", "shop.example"]],
  ["f\uff4fo \uff15\uff10 \u212b", ["foo", "50", 50, "\u00c5"], ["fo"]],
  // What is carried out is the value as it was sent: another spelling may be another account.
  ["pay bob, file A-17", ["bob"], ["\uff42ob", "bo\u1d47", "A\u00ad-17", "\u212b", "file\u00a0A-17", "\ufb01le"]],
  ["open \ufb01le.txt and cafe\u0301", ["\ufb01le.txt", "file.txt", "cafe\u0301", "caf\u00e9"], ["\uff46ile.txt"]],
  ["1\u202f234 and 5\u00a0000,50 EUR", [1234, 5000.5, "1\u202f234"], ["1", "234", "5", "000,50", "000"]],
  ["p\u0430y bob", ["bob", "p\u0430y bob"], ["pay bob", "pay"]],
  ["an area of 5\u00b2 and \u00bd", [], [52, 5, "52", 12, 0.5, "1\u20442", "5"]],
  ["z\u200bero-width", [], ["zero-width", "width"]],
  ["Add Dora\u2019s page, Bob's, and Levi'sx", ["Dora", "Bob", "Bob's", "page"], ["Levi", "Dor", "s", "Bo"]],
  [
    "rent is 2200, in March 2022 and on May 5th, 2024 as 1,200.50",
    [2200, "2022", 1200.5, "2024-05-05"],
    [2022, 2024, 5, 1200],
  ],
  ["twice: bobby bob", ["bob", "bobby bob"], ["bobby b", "y bob"]],
]

for (const [text, there, absent] of cases) {
  test(`what stands in: ${text}`, () => {
    for (const value of there) assert.ok(standsIn(text, value), JSON.stringify(value))
    for (const value of absent) assert.equal(standsIn(text, value), false, JSON.stringify(value))
  })
}

test("numbers are read one way", () => {
  const numbers: [string, number[], number[]][] = [
    ["$1,500", [1500], [1.5, 1, 500]],
    ["1.500", [1.5], [1500]],
    ["1.500,00 \u20ac", [1500], [1.5, 1]],
    ["1,500.25 USD", [1500.25], []],
    ["1.234.567", [1_234_567], [1.234]],
    ["CHF 1'234.50", [1234.5], []],
    ["1\u202f234,5", [1234.5], [1, 234.5, 1]],
    ["12 345", [12, 345], [12_345]],
    ["EUR50 50EUR \u20ac49", [50, 49], []],
    ["SKU50 abc51 52abc", [], [50, 51, 52]],
    ["50.\u2013 and 60,-", [50, 60], []],
    ["10% 10-20 3/4 1e3 0x10 10:30", [], [10, 20, 3, 4, 1000, 16, 30, 0.1]],
    ["007 0,125 0.5 -3", [0.125, 0.5, -3], [7, 125, 3]],
    ["0.10", [0.1], [10]],
    ["9007199254740993 1234567890123456", [], [9_007_199_254_740_992, 1_234_567_890_123_456]],
    ["\u0665\u0660", [], [50]],
    ["1,5 12,3456", [1.5, 12.3456], [15]],
    ["(49.90).", [49.9], [49]],
  ]
  for (const [text, there, absent] of numbers) {
    for (const value of there) assert.ok(standsIn(text, value), `${value} in ${text}`)
    for (const value of absent) assert.equal(standsIn(text, value), false, `${value} in ${text}`)
  }
  assert.equal(standsIn("true", true), false)
})

test("a number names something in a record where it is an amount of money", () => {
  const named = (text: string, amount: number) => names({ text }, amount)
  for (const text of [
    "that 10.00 I got",
    "$10",
    "(\u20ac10)",
    "10 EUR",
    "EUR 10.",
    "10 dollars",
    "10.\u2013",
    "EUR10",
  ]) {
    assert.ok(named(text, 10), text)
  }
  for (const text of ["my 10 latest orders", "flat #10", "10:00", "10%", "on May 10", "10 Europeans", "A10.00"]) {
    assert.equal(named(text, 10), false, text)
  }
  assert.ok(names({ text: "open A-17" }, "A-17"))
})

test("a name of several words in a record is meant in upper or lower case; one word as it is written there", () => {
  for (const text of ["The oak shelf costs 5 now", "mark OAK SHELF as sold", "an 'Oak shelf'"]) {
    assert.ok(names({ text }, "Oak shelf"), text)
  }
  for (const text of ["the oak shelves", "my soak shelf", "an oak-shelf", "an o\u0430k shelf"]) {
    assert.equal(names({ text }, "Oak shelf"), false, text)
  }
  assert.equal(names({ text: "what will be done?" }, "Will"), false)
  assert.ok(names({ text: "ask Will" }, "Will"))
  // Nobody else's value may be in other letters: only what a record calls a thing.
  assert.equal(standsIn("The oak shelf", "Oak shelf"), false)
})

test("a number may be an English word, as long as it is the whole of it", () => {
  const spelled: [string, number[], number[]][] = [
    ["scale it up to six instances", [6], []],
    ["Forty dollars, please; (twelve) seats.", [40, 12], []],
    ["twenty-five copies and two pens", [25, 2], [20, 5]],
    ["the one I said, number one", [], [1]],
    ["two hundred and fifty, five thousand", [], [2, 50, 5, 100]],
    ["five or six, two to four, ten percent, half past nine", [], [5, 6, 2, 4, 10, 9]],
    ["twenty five, seventy first, three point five", [], [20, 5, 70, 3]],
    ["six and a half, at ten o'clock, 2 to eight", [2], [6, 10, 8]],
    ["a sixpack, sixty-ish, two-factor, some tens", [], [6, 60, 2, 10]],
  ]
  for (const [text, there, absent] of spelled) {
    for (const value of there) assert.ok(standsIn(text, value), `${value} in ${text}`)
    for (const value of absent) assert.equal(standsIn(text, value), false, `${value} in ${text}`)
  }
  // As a text it is what it is.
  assert.equal(standsIn("scale it to six", "6"), false)
})

test("a request says whole words, in either case", () => {
  const text = "Please PAY the bill; it's Bob's. Set up a thing"
  for (const word of ["pay", "Bill", "set up", "bob"]) assert.ok(says({ text }, ["never", word]), word)
  for (const word of ["pa", "paying", "bil", "set up the", "up a th"]) assert.equal(says({ text }, [word]), false, word)
})

test("a part of a word never stands in a text, whatever the word", () => {
  const word = fc.stringMatching(/^[A-Za-z0-9]{2,12}$/)
  fc.assert(
    fc.property(word, fc.nat(), fc.nat(), (whole, from, to) => {
      const [a, b] = [from % whole.length, to % (whole.length + 1)]
      const part = whole.slice(Math.min(a, b), Math.max(a, b))
      assert.ok(standsIn(`buy ${whole}!`, whole))
      if (part !== whole && part !== "buy") assert.equal(standsIn(`buy ${whole}!`, part), false)
    }),
  )
})

test("a long text of nothing but what opens and ends words takes no longer than its length", () => {
  const text = `${"(".repeat(20_000)}a${")".repeat(20_000)}b`
  const asked = fc.sample(fc.constantFrom("a", "b", "(", "a)"), 20)
  for (const value of asked) assert.equal(standsIn(text, value), false, value)
})
