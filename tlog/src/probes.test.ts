import assert from "node:assert/strict"
import { describe, test } from "node:test"
import { verifyConsistency, verifyInclusion } from "./index.ts"
import { vectors } from "./testing/vectors.ts"

type Probe = { file: string; proof: string[]; wantErr: boolean }
type Probes = {
  inclusion: (Probe & { leafIdx: string; treeSize: string; root: string; leafHash: string })[]
  consistency: (Probe & { size1: string; size2: string; root1: string; root2: string })[]
}

/**
 * Refused here although the probe wants it accepted: the roots are equal, but they are twelve bytes of text and no hash. What
 * is no hash is never a root of ours.
 */
const notHashes = "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"

const probes = vectors<Probes>("merkle-probes")
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64"))

describe("the proof probes of transparency-dev/merkle", () => {
  for (const { file, leafIdx, treeSize, leafHash, root, proof, wantErr } of probes.inclusion) {
    test(`${wantErr ? "refuses" : "accepts"} ${file}`, () => {
      const claim = { leaf: bytes(leafHash), index: Number(leafIdx), size: Number(treeSize), root: bytes(root) }
      assert.equal(verifyInclusion({ ...claim, proof: proof.map(bytes) }), !wantErr)
    })
  }

  for (const { file, size1, size2, root1, root2, proof, wantErr } of probes.consistency) {
    const isRefused = wantErr || file === notHashes
    test(`${isRefused ? "refuses" : "accepts"} ${file}`, () => {
      const sizes = { oldSize: Number(size1), newSize: Number(size2) }
      const roots = { oldRoot: bytes(root1), newRoot: bytes(root2) }
      assert.equal(verifyConsistency({ ...sizes, ...roots, proof: proof.map(bytes) }), !isRefused)
    })
  }

  test("are all there, and both kinds among them", () => {
    const all = [...probes.inclusion, ...probes.consistency]
    const accepted = all.filter(({ wantErr }) => !wantErr).map(({ file }) => file)
    assert.deepEqual([probes.inclusion.length, probes.consistency.length, accepted.length], [98, 98, 12])
    assert.ok(accepted.includes(notHashes))
  })
})
