import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { decodeEntries, encodeEntries, LogError, parseTilePath, type TileName, tilePath, widthIn } from "./index.ts"
import { unhex, vectors } from "./testing/vectors.ts"

type Cases = {
  paths: (TileName & { path: string })[]
  notPaths: string[]
  widths: (TileName & { size: number })[]
  bundles: { bundle: string; entries: string[] }[]
  notBundles: { what: string; bundle: string }[]
}
const cases = vectors<Cases>("tiles")

for (const { path, level, index, width } of cases.paths) {
  test(`${path} is written and read`, () => {
    assert.equal(tilePath(level, index, width), path)
    assert.deepEqual(parseTilePath(path), { level, index, width })
  })
}

for (const path of cases.notPaths) {
  test(`${JSON.stringify(path)} is no tile`, () => assert.equal(parseTilePath(path), null))
}

test("every tile has one path, and every path that is read is written the same", () => {
  const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant("entries" as const))
  const index = fc.oneof(fc.nat(2000), fc.maxSafeNat())
  fc.assert(
    fc.property(level, index, fc.integer({ min: 1, max: 256 }), (level, index, width) => {
      assert.deepEqual(parseTilePath(tilePath(level, index, width)), { level, index, width })
    }),
  )
  const almost = fc.stringMatching(/^tile\/(\d{1,3}|entries)(\/x?\d{2,3}){1,3}(\.p\/\d{1,3})?$/)
  fc.assert(
    fc.property(almost, (path) => {
      const tile = parseTilePath(path)
      assert.equal(tile === null || tilePath(tile.level, tile.index, tile.width) === path, true)
    }),
  )
})

test("no path is written for a tile that cannot be", () => {
  for (const [level, index, width] of [
    [64, 0, 1],
    [-1, 0, 1],
    [0.5, 0, 1],
    [0, -1, 1],
    [0, 0.5, 1],
    [0, 2 ** 53, 1],
    [0, 0, 0],
    [0, 0, 257],
  ] as const) {
    assert.throws(() => tilePath(level, index, width), RangeError)
  }
})

for (const { size, level, index, width } of cases.widths) {
  test(`in a tree of ${size} the tile ${level}/${index} has width ${width}`, () => {
    assert.equal(widthIn(size, level, index), width)
  })
}

for (const { bundle, entries } of cases.bundles) {
  test(`a bundle of ${entries.length} (${bundle.slice(0, 16)}…) is written and read`, () => {
    assert.deepEqual(encodeEntries(entries.map(unhex)), unhex(bundle))
    assert.deepEqual(decodeEntries(unhex(bundle)), entries.map(unhex))
  })
}

const isMalformed = (error: unknown) => error instanceof LogError && error.code === "malformed-entries"

for (const { what, bundle } of cases.notBundles) {
  test(`no bundle: ${what}`, () => assert.throws(() => decodeEntries(unhex(bundle)), isMalformed))
}

test("a bundle of another width than expected is refused", () => {
  assert.throws(() => decodeEntries(unhex("0000"), 2), isMalformed)
})

test("entries of up to 65,535 bytes come back as they were, and longer ones are not written", () => {
  const entry = fc.oneof(fc.uint8Array(), fc.constantFrom(new Uint8Array(65_535), new Uint8Array(0)))
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 256 }), (entries) => {
      assert.deepEqual(decodeEntries(encodeEntries(entries), entries.length), entries)
    }),
    { numRuns: 30 },
  )
  assert.throws(() => encodeEntries([new Uint8Array(65_536)]), RangeError)
  assert.throws(() => encodeEntries([]), RangeError)
  assert.throws(() => encodeEntries(Array(257).fill(new Uint8Array(1))), RangeError)
})
