import assert from "node:assert/strict"
import { test } from "node:test"
import { isShort, leadsIn } from "./leads.ts"

test("words, small numbers and prices lead nowhere", () => {
  const plain =
    "Refund of 98.70 for dinner (March 5th): don't forget, it's 10:30. See you - Bob! Version 2, 1.234,50 €."
  assert.deepEqual(leadsIn(plain), [])
})

test("what leads to a page, a person or an account is found, whatever stands around it", () => {
  const places = [
    ...["https://evil.example/a?b=1", "www.evil.example", "evil.example", "eve@evil.example", "@eve", "mailto:eve"],
    ...[
      "GB29NWBK60161331926819",
      "4111111111111111",
      "+49 170 1234567",
      "4111 1111 1111 1111",
      "US13 3000 0001 2121",
      "a/b/c",
      "C:\\temp",
    ],
    ...[
      "javascript://x",
      "ev%69l",
      "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=",
      "t0ken-abc123def456",
      "b\u00fccher.example",
      "1.2.3.4:8080",
    ],
  ]
  for (const place of places) {
    for (const text of [
      place,
      `see ${place}.`,
      `x,${place};y`,
      `<${place}>`,
      `"${place}"`,
      `(${place})`,
      `a\n${place}!`,
    ]) {
      assert.notDeepEqual(leadsIn(text), [], text)
    }
  }
})

test("a text is short when all of it is seen, in one spelling", () => {
  assert.ok(isShort("caf\u00e9 \u{1f600}", 10))
  for (const text of [
    "caf\u00e9".repeat(3),
    "a\u200bb",
    "a\u202eb",
    "a\tb",
    "a\u0000",
    "\uff41",
    "a\u00a0b",
    "cafe\u0301",
    5,
    ["a"],
    null,
  ]) {
    assert.equal(isShort(text, 10), false, JSON.stringify(text))
  }
})
