import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import {
  children,
  DerError,
  readBoolean,
  readCount,
  readDer,
  readInteger,
  readNamedBits,
  readOid,
  readTime,
  TAG,
} from "./der.ts"
import { boolean, der, integer, namedBits, octets, oid, sequence, time } from "./der-write.ts"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")

test("what is written reads back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), (bytes) => {
      assert.deepEqual(readDer(octets(bytes), TAG.octetString).content, Buffer.from(bytes))
    }),
    { numRuns: 20 },
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fffffff }), (count) => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(count)
      assert.equal(readCount(readDer(integer(bytes))), count)
    }),
  )
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(20)), (bits) => {
      assert.deepEqual(
        [...readNamedBits(readDer(namedBits(...bits)))],
        bits.sort((a, b) => a - b),
      )
    }),
  )
  fc.assert(
    fc.property(fc.date({ min: new Date("1970-01-01"), max: new Date("2199-12-31"), noInvalidDate: true }), (date) => {
      assert.equal(readTime(readDer(time(date.getTime()))), Math.floor(date.getTime() / 1000) * 1000)
    }),
  )
  for (const text of ["2.5.29.17", "1.2.840.10045.4.3.2", "1.3.6.1.5.5.7.3.2", "2.999.1"]) {
    assert.equal(readOid(readDer(oid(text))), text)
  }
  assert.equal(readBoolean(readDer(boolean(true))), true)
})

for (const [fact, bytes] of [
  ["nothing", ""],
  ["a value and a byte more", "0500 00"],
  ["an indefinite length", "3080 0000"],
  ["a long length where a short one fits", "048101 00"],
  ["a length with a leading zero", `04820080${"00".repeat(128)}`],
  ["a value cut short", "0405 0000"],
  ["a tag above 30", "1f8101 00"],
  ["a length of four bytes", "0484 01000000"],
] as const) {
  test(`${fact} is not DER`, () => assert.throws(() => readDer(hex(bytes)), DerError))
}

test("values in a form that is not the shortest are refused", () => {
  assert.throws(() => readBoolean(readDer(hex("010101"))), DerError)
  assert.throws(() => readInteger(readDer(hex("02020001"))), DerError)
  assert.throws(() => readInteger(readDer(hex("0202ff80"))), DerError)
  assert.throws(() => readCount(readDer(hex("0201ff"))), DerError)
  assert.throws(() => readNamedBits(readDer(hex("03020000"))), DerError)
  assert.throws(() => readNamedBits(readDer(hex("030206c1"))), DerError)
  assert.throws(() => readOid(readDer(hex("0602 8001"))), DerError)
  assert.throws(() => readOid(readDer(hex("0602 5581"))), DerError)
})

test("a time that does not exist, or not in UTC, is refused", () => {
  const utc = (text: string) => readDer(der(TAG.utcTime, Buffer.from(text)))
  assert.equal(readTime(utc("260228120000Z")), Date.UTC(2026, 1, 28, 12))
  assert.throws(() => readTime(utc("260230120000Z")), DerError)
  assert.throws(() => readTime(utc("2602281200Z")), DerError)
  assert.throws(() => readTime(utc("260228120000+0100")), DerError)
})

test("arbitrary bytes are read or refused, and what is read is the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        const value = readDer(bytes)
        assert.deepEqual(der(value.tag, value.content), Buffer.from(bytes))
        if (value.tag & 0x20) children(value)
      } catch (error) {
        if (!(error instanceof DerError)) throw error
      }
    }),
    { numRuns: 2_000 },
  )
})

test("a primitive value has no children", () => {
  assert.throws(() => children(readDer(octets(sequence()))), DerError)
})
