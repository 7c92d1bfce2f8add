import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { refusalCode } from "#kernel"
import { inSight, plainText } from "./plain-text.ts"

const isTaken = (text: string) => {
  try {
    return plainText(text, "text") === text
  } catch (error) {
    assert.equal(refusalCode(error), "invalid-request")
    return false
  }
}

test("words of any language and emoji are taken as they are", () => {
  for (const text of [
    "Wo ist mein Paket?",
    "注文はどこですか",
    "أين طلبي؟",
    "می‌خواهم",
    "คำสั่งซื้อ",
    "❤️ 👩‍👩‍👧 🇩🇪",
    "a\nb",
    "café",
  ]) {
    assert.ok(isTaken(text), text)
  }
})

test("what is not seen, or moves what is, is refused (pitfall 7)", () => {
  const hidden = [
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u00ad",
    "\u0007",
    "\t",
    "\r",
    "\u2028",
    "\u3164",
    "\ufe0f",
    "\u{e0041}",
    "\ue000",
    "\ud800",
  ]
  for (const character of hidden) {
    assert.ok(!isTaken(`a${character}b`), `U+${character.codePointAt(0)!.toString(16)}`)
  }
  assert.ok(!isTaken("Z\u0300\u0301\u0302\u0303"), "marks that climb over other lines")
  for (const text of ["", " ", "x".repeat(2_001), "x\n".repeat(41)]) assert.ok(!isTaken(text), JSON.stringify(text))
})

test("whatever is taken holds no character that changes what others look like (pitfall 7)", () => {
  const property = fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), (text) => {
    const bare = text.replaceAll(/\p{RGI_Emoji}/gv, "")
    assert.ok(!isTaken(text) || !/[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u0000-\u0009\u000b-\u001f]/.test(bare))
  })
  fc.assert(property, { numRuns: 2_000 })
})

test("what is not seen is written out where words are taken as they are, and all else stays", () => {
  assert.equal(inSight("a\u202eb\u{e0041}c\u2028"), "a[U+202E]b[U+E0041]c[U+2028]")
  for (const text of ["Wo ist A-17?\r\n\tDanke", "می\u200cخواهم", "👩‍🚀 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "שלום"])
    assert.equal(inSight(text), text)
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => inSight(inSight(text)) === inSight(text)))
})
