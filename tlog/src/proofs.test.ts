import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import {
  consistencyProof,
  inclusionProof,
  LogError,
  leafHash,
  tilesFrom,
  verifyConsistency,
  verifyInclusion,
} from "./index.ts"
import { entriesOf, memoryLog } from "./testing/memory-log.ts"
import { path, subproof, treeHash } from "./testing/reference.ts"
import { unhex, vectors } from "./testing/vectors.ts"

type Claims = {
  leaves: string[]
  roots: string[]
  inclusion: {
    what: string
    index: number
    size: number
    leaf: string
    root: string
    proof: string[]
    valid: boolean
  }[]
  consistency: {
    what: string
    oldSize: number
    oldRoot: string
    newSize: number
    newRoot: string
    proof: string[]
    valid: boolean
  }[]
}
const claims = vectors<Claims>("merkle")

test("the known tree of eight leaves has the known roots", async () => {
  const log = await memoryLog(claims.leaves.map(unhex))
  assert.deepEqual(log.roots, claims.roots.map(unhex))
})

for (const { what, valid, ...claim } of claims.inclusion) {
  test(`inclusion ${valid ? "verifies" : "is refused"}: ${claim.index} of ${claim.size}, ${what}`, () => {
    const proof = claim.proof.map(unhex)
    assert.equal(verifyInclusion({ ...claim, leaf: unhex(claim.leaf), root: unhex(claim.root), proof }), valid)
  })
}

for (const { what, valid, ...claim } of claims.consistency) {
  test(`consistency ${valid ? "verifies" : "is refused"}: ${claim.oldSize} to ${claim.newSize}, ${what}`, () => {
    const { oldSize, newSize } = claim
    const [oldRoot, newRoot] = [unhex(claim.oldRoot), unhex(claim.newRoot)]
    assert.equal(verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof: claim.proof.map(unhex) }), valid)
  })
}

test("indexes and sizes that are no whole numbers are refused", () => {
  const good = { leaf: unhex(claims.roots[1]!), index: 0, size: 1, root: unhex(claims.roots[1]!), proof: [] }
  assert.equal(verifyInclusion(good), true)
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.equal(verifyInclusion({ ...good, index: wrong }), false)
    assert.equal(verifyInclusion({ ...good, size: wrong }), false)
  }
})

test("from tiles come the proofs that RFC 6962 defines, for every size, index and older size up to 40", async () => {
  const leaves = entriesOf(40).map(leafHash)
  for (let size = 1; size <= 40; size++) {
    const readTile = tilesFrom((await memoryLog(entriesOf(size))).io)
    const tree = leaves.slice(0, size)
    const root = treeHash(tree)
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(readTile, index, size)
      assert.deepEqual(proof, path(index, tree))
      assert.equal(verifyInclusion({ leaf: leaves[index]!, index, size, root, proof }), true)
    }
    for (let oldSize = 1; oldSize <= size; oldSize++) {
      const proof = await consistencyProof(readTile, oldSize, size)
      assert.deepEqual(proof, subproof(oldSize, tree))
      const oldRoot = treeHash(leaves.slice(0, oldSize))
      assert.equal(verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof }), true)
    }
  }
})

// 65,536 entries are one full tile of level 1: every proof of this log crosses three levels of tiles.
const large = memoryLog(entriesOf(66_000))

test("proofs over three levels of tiles verify, and for no other index, size or leaf", async () => {
  const { io, roots, entries } = await large
  const readTile = tilesFrom(io)
  const size = entries.length
  const position = fc.oneof(fc.nat(size - 1), fc.constantFrom(0, 255, 256, 65_535, 65_536, size - 1))
  await fc.assert(
    fc.asyncProperty(position, position, async (index, other) => {
      const proof = await inclusionProof(readTile, index, size)
      const claim = { leaf: leafHash(entries[index]!), index, size, root: roots[size]!, proof }
      assert.equal(verifyInclusion(claim), true)
      fc.pre(other !== index)
      assert.equal(verifyInclusion({ ...claim, index: other }), false)
      assert.equal(verifyInclusion({ ...claim, leaf: leafHash(entries[other]!) }), false)
      assert.equal(verifyInclusion({ ...claim, root: roots[other]! }), false)
    }),
  )
})

test("consistency of any two sizes verifies, and not with a root of another size", async () => {
  const { io, roots, entries } = await large
  const readTile = tilesFrom(io)
  const newSize = entries.length
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: newSize - 1 }),
      fc.integer({ min: 1, max: newSize - 1 }),
      async (a, b) => {
        const proof = await consistencyProof(readTile, a, newSize)
        const claim = { oldSize: a, oldRoot: roots[a]!, newSize, newRoot: roots[newSize]!, proof }
        assert.equal(verifyConsistency(claim), true)
        fc.pre(a !== b)
        assert.equal(verifyConsistency({ ...claim, oldRoot: roots[b]! }), false)
        assert.equal(verifyConsistency({ ...claim, newRoot: roots[b]! }), false)
      },
    ),
  )
})

test("a proof with any bit flipped is refused", async () => {
  const { io, roots, entries } = await large
  const size = entries.length
  const [index, oldSize] = [4711, 4711]
  const proof = await inclusionProof(tilesFrom(io), index, size)
  const bridge = await consistencyProof(tilesFrom(io), oldSize, size)
  const leaf = leafHash(entries[index]!)
  const flip = (hashes: Uint8Array[], at: number, bit: number) =>
    hashes.with(at, hashes[at]!.with(bit >> 3, hashes[at]![bit >> 3]! ^ (1 << (bit & 7))))
  for (let bit = 0; bit < 256; bit += 5) {
    for (const at of proof.keys()) {
      assert.equal(verifyInclusion({ leaf, index, size, root: roots[size]!, proof: flip(proof, at, bit) }), false)
    }
    for (const at of bridge.keys()) {
      const claim = { oldSize, oldRoot: roots[oldSize]!, newSize: size, newRoot: roots[size]! }
      assert.equal(verifyConsistency({ ...claim, proof: flip(bridge, at, bit) }), false)
    }
  }
})

test("no proof is made for what the log does not have", async () => {
  const readTile = tilesFrom((await memoryLog(entriesOf(3))).io)
  const isOutOfRange = (error: unknown) => error instanceof LogError && error.code === "out-of-range"
  await assert.rejects(inclusionProof(readTile, 3, 3), isOutOfRange)
  await assert.rejects(consistencyProof(readTile, 4, 3), isOutOfRange)
  await assert.rejects(inclusionProof(readTile, -1, 3), RangeError)
  await assert.rejects(inclusionProof(readTile, 0.5, 3), RangeError)
})

test("a tile that is missing or too short makes no proof", async () => {
  const { files, io } = await memoryLog(entriesOf(3))
  files.set("tile/0/000.p/3", files.get("tile/0/000.p/3")!.subarray(1))
  await assert.rejects(inclusionProof(tilesFrom(io), 0, 3), { code: "malformed-tile" })
  await assert.rejects(
    inclusionProof(async () => new Uint8Array(95), 0, 3),
    { code: "malformed-tile" },
  )
  files.delete("tile/0/000.p/3")
  await assert.rejects(inclusionProof(tilesFrom(io), 0, 3), { code: "missing-tile" })
})
