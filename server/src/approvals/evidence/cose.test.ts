import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeCredentialPublicKey } from "@simplewebauthn/server/helpers"
import fc from "fast-check"
import { Refusal } from "#kernel"
import { cbor, type Encodable, softwarePasskey } from "#testing"
import { readPasskeyKey } from "./cose.ts"

function refused(error: unknown): boolean {
  return error instanceof Refusal && error.code === "not-verified"
}

const keys = (["ES256", "Ed25519", "RS256"] as const).map((algorithm) => {
  const { publicKey } = softwarePasskey({ algorithm })
  return { algorithm, publicKey, members: decodeCredentialPublicKey(new Uint8Array(publicKey)) as never }
})

for (const { algorithm, publicKey, members } of keys) {
  const entries = () => [...(members as Map<number, number | Uint8Array>)].map(plain)

  test(`${algorithm} is read`, () => {
    assert.equal(readPasskeyKey(publicKey).algorithm, algorithm)
    assert.deepEqual(cbor(new Map(entries())), publicKey)
  })

  test(`${algorithm} is refused with a member too few, too many, twice or in another order`, () => {
    for (let at = 0; at < entries().length; at++) {
      assert.throws(() => readPasskeyKey(cbor(new Map(entries().toSpliced(at, 1)))), refused)
    }
    assert.throws(() => readPasskeyKey(cbor(new Map([...entries(), [-4, 1]]))), refused)
    assert.throws(() => readPasskeyKey(cbor(new Map(entries().toReversed()))), refused)
    const [first] = entries()
    const twice = Buffer.concat([
      Buffer.of(0xa0 + entries().length + 1),
      cbor(first![0]),
      cbor(first![1]),
      publicKey.subarray(1),
    ])
    assert.throws(() => readPasskeyKey(twice), refused)
  })

  test(`${algorithm} is refused with another algorithm's name`, () => {
    for (const alg of [-7, -8, -257, -35, -36, -37, -65535]) {
      const members = entries().map(([label, value]): [number, Encodable] => [label, label === 3 ? alg : value])
      const bytes = cbor(new Map(members))
      if (bytes.equals(publicKey)) continue
      assert.throws(() => readPasskeyKey(bytes), refused)
    }
  })

  test(`${algorithm} is refused cut short, with something after it, and with a byte more than needed`, () => {
    for (let length = 0; length < publicKey.length; length++) {
      assert.throws(() => readPasskeyKey(publicKey.subarray(0, length)), refused)
    }
    assert.throws(() => readPasskeyKey(Buffer.concat([publicKey, Buffer.of(0)])), refused)
    // 01 as 18 01: the same number, longer.
    const longer = Buffer.concat([publicKey.subarray(0, 1), Buffer.of(0x18), publicKey.subarray(1)])
    assert.throws(() => readPasskeyKey(longer), refused)
  })
}

test("whatever bytes there are, they are a key or refused", () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc.tuple(fc.constantFrom(...keys), fc.nat(), fc.nat(255)).map(([{ publicKey }, at, byte]) => {
      const copy = Buffer.from(publicKey)
      copy[at % copy.length] = byte
      return copy
    }),
  )
  fc.assert(
    fc.property(some, (bytes) => {
      try {
        readPasskeyKey(bytes)
      } catch (error) {
        assert.equal(refused(error), true, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test("a point that is not on the curve is no key", () => {
  const { publicKey } = keys[0]!
  const off = Buffer.from(publicKey)
  off[off.length - 1]! ^= 1
  assert.throws(() => readPasskeyKey(off), refused)
})

test("a modulus that is short, even a bit, or an exponent that signs nothing, is refused", () => {
  const rsa = (n: Buffer, e: Buffer) =>
    cbor(
      new Map<number, Encodable>([
        [1, 3],
        [3, -257],
        [-1, n],
        [-2, e],
      ]),
    )
  const [good, exponent] = [Buffer.alloc(256, 0xff), Buffer.from([1, 0, 1])]
  assert.equal(readPasskeyKey(rsa(good, exponent)).algorithm, "RS256")
  const wrong: [Buffer, Buffer][] = [
    [Buffer.alloc(255, 0xff), exponent],
    [Buffer.concat([Buffer.of(0), good]), exponent],
    [good, Buffer.of(1)],
    [good, Buffer.of(2)],
    [good, Buffer.alloc(0)],
    [good, Buffer.alloc(9, 0xff)],
    [good, Buffer.from([0, 1, 0, 1])],
  ]
  for (const [n, e] of wrong) assert.throws(() => readPasskeyKey(rsa(n, e)), refused)
})

function plain([label, value]: [number, number | Uint8Array]): [number, Encodable] {
  return [label, typeof value === "number" ? value : Buffer.from(value)]
}

test("Ed25519 points of small order are refused: one signature would be good for every statement, by anybody", () => {
  const { members } = keys.find(({ algorithm }) => algorithm === "Ed25519")!
  const entries = [...(members as Map<number, number | Uint8Array>)].map(plain)
  const keyOf = (x: Buffer) => cbor(new Map(entries.map(([label, value]) => [label, label === -2 ? x : value])))
  const points = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    // The same again, written as numbers that are too large (RFC 8032 §5.1.3).
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].map((hex) => Buffer.from(hex, "hex"))
  for (const point of points) {
    assert.throws(() => readPasskeyKey(keyOf(point)), refused, point.toString("hex"))
    const mirrored = Buffer.from(point)
    mirrored[31]! |= 0x80
    assert.throws(() => readPasskeyKey(keyOf(mirrored)), refused, mirrored.toString("hex"))
  }
})
