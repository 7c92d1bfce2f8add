import assert from "node:assert/strict"
import { test } from "node:test"
import reference from "canonicalize"
import fc from "fast-check"
import { canonical, digest, type Json, parseJson } from "#kernel"

const malformed = { name: "Refusal", code: "malformed-json" }

/** RFC 8785 appendix B: the bits of an IEEE 754 double, and its text. */
const NUMBERS: [bits: string, text: string | null][] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["7fffffffffffffff", null],
  ["7ff0000000000000", null],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
]

for (const [bits, text] of NUMBERS) {
  test(`the double ${bits} is ${text ?? "not written"} (RFC 8785 appendix B)`, () => {
    const value = Buffer.from(bits, "hex").readDoubleBE()
    if (text === null) assert.throws(() => canonical(value), malformed)
    else assert.equal(canonical(value), text)
  })
}

/** Vectors of github.com/cyberphone/json-canonicalization, testdata/ (Anders Rundgren, Apache-2.0): name, input, output. */
const DOCUMENTS: [name: string, input: string, output: string][] = [
  [
    "arrays",
    `[\n  56,\n  {\n    "d": true,\n    "10": null,\n    "1": [ ]\n  }\n]`,
    `[56,{"1":[],"10":null,"d":true}]`,
  ],
  [
    "french",
    `{ "peach": "This sorting order", "péché": "is wrong according to French",
       "pêche": "but canonicalization MUST", "sin":   "ingnore locale" }`,
    `{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ingnore locale"}`,
  ],
  [
    "structures",
    `{ "1": {"f": {"f": "hi","F": 5} ,"\\n": 56.0}, "10": { }, "": "empty", "a": { }, "111": [ { } ], "A": { } }`,
    `{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}`,
  ],
  ["unicode", `{ "Unnormalized Unicode":"\\u1e0d\\u0307" }`, `{"Unnormalized Unicode":"\u1e0d\u0307"}`],
  [
    "values",
    `{ "numbers": [1E30, 4.50, 333333333.33333329, 2e-3, 0.000000000000000000000000001],
       "escaping": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false] }`,
    `{"escaping":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/","literals":[null,true,false],"numbers":[1e+30,4.5,333333333.3333333,0.002,1e-27]}`,
  ],
  [
    "weird",
    `{ "\\u20ac": "Euro Sign", "1": "One", "\\u0080": "Control\\u007f", "\\ud83d\\ude02": "Smiley",
       "\\u00f6": "Latin Small Letter O With Diaeresis", "\\ufb33": "Hebrew Letter Dalet With Dagesh",
       "</script>": "Browser Challenge" }`,
    `{"1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😂":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}`,
  ],
]

for (const [name, input, output] of DOCUMENTS) {
  test(`the published vector ${name} comes out byte for byte`, () => {
    assert.equal(canonical(parseJson(input)), output)
  })
}

test("the digest is SHA-256 of the canonical bytes, whatever the order of names", () => {
  const known = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
  assert.equal(digest(parseJson(`{"b":2, "a":1}`)).toString("hex"), known)
  assert.equal(digest({ a: 1, b: 2 }).toString("hex"), known)
})

test("every value is written as an implementation that nobody here wrote writes it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
      assert.equal(canonical(value as Json), reference(value))
    }),
  )
})

test("what writes itself in another form is refused", () => {
  for (const value of [new Date(0), Buffer.from("a"), { a: { toJSON: () => 1 } }]) {
    assert.throws(() => canonical(value as unknown as Json), malformed)
  }
  assert.equal(canonical({ toJSON: "a name like any other" }), `{"toJSON":"a name like any other"}`)
})

test("canonical text is its own canonical text", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
      const text = canonical(value as Json)
      assert.equal(canonical(JSON.parse(text)), text)
    }),
  )
})

test("a member named __proto__ is refused on the way in, at any depth and however it is written", () => {
  for (const text of [`{"__proto__":{"admin":true},"a":1}`, `{"a":[{"b":{"__proto__":1}}]}`, `{"\\u005f_proto__":1}`]) {
    assert.throws(() => parseJson(text), malformed, text)
  }
  assert.deepEqual(parseJson(`{"proto":"__proto__"}`), { proto: "__proto__" })
})

test("a name that stands twice in one object is refused, however it is written", () => {
  for (const text of [
    `{"a":1,"a":1}`,
    `{"a":1,"\\u0061":2}`,
    `{"x":{"a":1,"b":[{"a":1}],"a":2}}`,
    `[{"a":{},"a":[]}]`,
    `{"a":"{","a":"}"}`,
    `{"\\"":1,"b":",","\\"":2}`,
    `{ "a" : 1 ,\n\t"a" : 2 }`,
    `{"a":[1,2],"a":3}`,
    `{"":1,"":2}`,
  ]) {
    assert.throws(() => parseJson(text), malformed, text)
  }
})

test("a name may stand again in another object, and as a value", () => {
  for (const text of [
    `{"a":{"a":{"a":1}}}`,
    `[{"a":1},{"a":1}]`,
    `{"a":"a","b":"a"}`,
    `{"a":["a","a","b"],"b":1}`,
    `{"a":"\\\\","b":"\\\\"}`,
    `{"a":",\\"a\\":1"}`,
  ]) {
    assert.deepEqual(parseJson(text), JSON.parse(text), text)
  }
})

test("parsing agrees with JSON.parse on what both take", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      // Neither takes what the other makes of these: numbers that lose digits, and a member that is none.
      fc.pre(!/\d{16}|__proto__/.test(text))
      assert.deepEqual(parseJson(text), JSON.parse(text))
    }),
  )
})

test("half of a character is refused in values and in names, parsed or given", () => {
  for (const text of [`"\\ud83d"`, `{"\\ude02":1}`, `["\\ude02\\ud83d"]`])
    assert.throws(() => parseJson(text), malformed)
  for (const value of ["\ud83d", { "\ude02": 1 }, ["a\ud83d"]]) assert.throws(() => canonical(value), malformed)
})

test("32 levels are taken and 33 are not", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
  assert.ok(parseJson(nested(33)))
  assert.throws(() => parseJson(nested(34)), malformed)
  assert.throws(() => parseJson(nested(100_000)), malformed)
  assert.throws(() => parseJson(`${'{"a":'.repeat(34)}1${"}".repeat(34)}`), malformed)
})

test("a whole number that a parser would round is refused, and its neighbours are not", () => {
  for (const text of ["9007199254740992", "-9007199254740993", `{"a":[12345678901234567890]}`]) {
    assert.throws(() => parseJson(text), malformed, text)
  }
  for (const text of [
    "9007199254740991",
    "-9007199254740991",
    `"9007199254740993"`,
    `{"9007199254740993":1}`,
    "1e21",
    "0.12345678901234567890",
    "1.2345678901234567e+300",
  ]) {
    assert.deepEqual(parseJson(text), JSON.parse(text), text)
  }
})

test("what would lose its content without a word is refused: holes, maps, objects of classes", () => {
  const odd = [new Array(2), [[1], new Array(1)], new Map([["a", 1]]), new Set([1]), new Uint8Array(2), new String("a")]
  for (const value of odd) assert.throws(() => canonical({ a: value } as never), malformed)
  assert.equal(canonical(Object.assign(Object.create(null), { a: 1 })), '{"a":1}')
})

test("what JSON has no form for is refused", () => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  for (const value of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    undefined,
    () => 1,
    Symbol("a"),
    1n,
    cycle,
    { a: undefined },
  ]) {
    assert.throws(() => canonical(value as Json), malformed)
  }
  for (const text of ["", "{", "nul", "1e400", `{"a":1,}`, "01", `"\n"`, "[1] 2"])
    assert.throws(() => parseJson(text), malformed, text)
})

test("a long text is parsed", () => {
  const text = JSON.stringify({ text: `${'\\"'.repeat(500_000)}${"a".repeat(1_000_000)}` })
  assert.deepEqual(parseJson(text), JSON.parse(text))
})

test("what is refused for being no JSON is quoted nowhere, so that no log has it", () => {
  for (const text of [`{"secret":"hunter2"x`, "hunter2", `{"request":"hunter2" "a"}`]) {
    assert.throws(() => parseJson(text), malformed)
    assert.throws(
      () => parseJson(text),
      (error: Error) => !`${error} ${error.cause}`.includes("hunter2"),
      text,
    )
  }
})
