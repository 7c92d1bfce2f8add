import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import {
  appendLeaves,
  emptyEdge,
  encodeTile,
  leafHash,
  loadEdge,
  partialTiles,
  rootOf,
  tilePath,
  tilesFrom,
  tilesOf,
} from "./index.ts"
import { entriesOf, memoryLog } from "./testing/memory-log.ts"
import { treeHash } from "./testing/reference.ts"

test("the empty edge has the root of the empty tree", () => {
  assert.deepEqual(rootOf(emptyEdge()), treeHash([]))
  assert.deepEqual(partialTiles(emptyEdge()), [])
})

test("appending gives the root that RFC 6962 defines, at every size up to 520", () => {
  const leaves = entriesOf(520).map(leafHash)
  let edge = emptyEdge()
  for (const [index, leaf] of leaves.entries()) {
    const grown = appendLeaves(edge, [leaf])
    edge = grown.edge
    assert.equal(edge.size, index + 1)
    assert.deepEqual(grown.root, treeHash(leaves.slice(0, index + 1)))
  }
})

test("it does not matter in which batches leaves are appended", () => {
  const leaves = entriesOf(700).map(leafHash)
  const whole = appendLeaves(emptyEdge(), leaves)
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 8 }), (counts) => {
      let edge = emptyEdge()
      const tiles = []
      for (const count of [...counts, 700]) {
        const grown = appendLeaves(edge, leaves.slice(edge.size, edge.size + count))
        edge = grown.edge
        tiles.push(...grown.tiles)
      }
      assert.deepEqual(edge, whole.edge)
      assert.deepEqual(tiles, whole.tiles)
    }),
  )
})

test("appending leaves the old edge as it was", () => {
  const { edge } = appendLeaves(emptyEdge(), entriesOf(300).map(leafHash))
  const before = structuredClone(edge)
  appendLeaves(edge, entriesOf(300, "other").map(leafHash))
  assert.deepEqual(edge, before)
})

test("what is not a hash of 32 bytes is not appended", () => {
  assert.throws(() => appendLeaves(emptyEdge(), [new Uint8Array(31)]), TypeError)
})

for (const size of [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000]) {
  test(`an append of ${size} leaves makes every tile of the tree once, and its edge can be loaded from them`, async () => {
    const { edge, tiles } = appendLeaves(emptyEdge(), entriesOf(size).map(leafHash))
    const made = [...tiles, ...partialTiles(edge)].map((tile) => tilePath(tile.level, tile.index, tile.hashes.length))
    const expected = [...tilesOf(size)].map((tile) => tilePath(tile.level, tile.index, tile.width))
    assert.deepEqual(made.toSorted(), expected.toSorted())
    const files = new Map(
      [...tiles, ...partialTiles(edge)].map(({ level, index, hashes }) => [`${level}/${index}`, encodeTile(hashes)]),
    )
    const loaded = await loadEdge(async (level, index) => files.get(`${level}/${index}`)!, size)
    assert.deepEqual(loaded, edge)
  })
}

test("an edge is not loaded from a tile of another width", async () => {
  const { io } = await memoryLog(entriesOf(5))
  await assert.rejects(loadEdge(tilesFrom(io), 4), { code: "missing-tile" })
  await assert.rejects(
    loadEdge(async () => new Uint8Array(33), 1),
    { code: "malformed-tile" },
  )
})

test("an edge loaded from a changed tile has another root", async () => {
  const { io, files, roots } = await memoryLog(entriesOf(5))
  const path = "tile/0/000.p/5"
  files.set(path, files.get(path)!.with(0, files.get(path)![0]! ^ 1))
  assert.notDeepEqual(rootOf(await loadEdge(tilesFrom(io), 5)), roots[5])
})
