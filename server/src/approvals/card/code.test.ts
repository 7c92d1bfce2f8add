import assert from "node:assert/strict"
import { test } from "node:test"
import { base64url } from "#kernel"
import { checkCode } from "./code.ts"

test("a check code is the first thirty bits of the digest, in signs that are not read as others", () => {
  const of = (...bytes: number[]) => checkCode(base64url(Buffer.concat([Buffer.from(bytes), Buffer.alloc(28)])))
  assert.equal(of(0, 0, 0, 0), "000-000")
  assert.equal(of(0xff, 0xff, 0xff, 0xff), "ZZZ-ZZZ")
  assert.equal(of(0xff, 0xff, 0xff, 0xfc), "ZZZ-ZZZ")
  // 00001 00010 00011 00100 00101 00110 and two bits more
  assert.equal(of(0b00001000, 0b10000110, 0b01000010, 0b10011000), "123-456")
})
