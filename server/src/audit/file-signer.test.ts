import assert from "node:assert/strict"
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { appendLeaves, emptyEdge, leafHash, openCheckpoint, parseNoteVerifier } from "@safeconduct/tlog"
import { createLogKey, openFileSigner } from "./file-signer.ts"
import { origin } from "./fixture.ts"
import type { Tree } from "./tree.ts"

/** A key in a folder of its own. */
async function newKey() {
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-signer-"))
  const path = join(folder, "log.key")
  const { vkey } = await createLogKey(path, origin)
  return {
    path,
    vkey,
    signed: () => readdir(`${path}.signed`),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

/** A tree of one or two leaves; the second is the proof between them (RFC 6962 §2.1.2). */
function tree(...leaves: string[]): Tree & { size: number; root: Buffer } {
  const hashes = leaves.map((leaf) => leafHash(Buffer.from(leaf)))
  const head = { size: leaves.length, root: Buffer.from(appendLeaves(emptyEdge(), hashes).root) }
  return { ...head, head: async () => head, consistency: async () => hashes.slice(1) }
}

test("what a signer signed opens with its public key and is remembered", async () => {
  await using key = await newKey()
  const signer = await openFileSigner(key.path, origin)
  assert.equal(await signer.lastSigned(), null)
  const { note } = await signer.sign(tree("a"))
  const opened = await openCheckpoint(note, parseNoteVerifier(key.vkey))
  assert.deepEqual({ size: opened.size, origin: opened.origin }, { size: 1, origin })
  const { size, root } = tree("a")
  assert.deepEqual(await (await openFileSigner(key.path, origin)).lastSigned(), { size, root })
})

test("a tree that grew, and the same one again, are signed", async () => {
  await using key = await newKey()
  const signer = await openFileSigner(key.path, origin)
  await signer.sign(tree())
  const first = await signer.sign(tree("a"))
  assert.deepEqual(await signer.sign(tree("a")), first)
  assert.equal((await signer.sign(tree("a", "b"))).size, 2)
  assert.deepEqual(await key.signed(), ["0000000000000002"])
})

test("a smaller tree, another one of the same size and one that does not contain it are not signed", async () => {
  await using key = await newKey()
  const signer = await openFileSigner(key.path, origin)
  await signer.sign(tree("a", "b"))
  for (const wrong of [tree("a"), tree(), tree("a", "c"), tree("b", "a")]) {
    await assert.rejects(signer.sign(wrong), { code: "log-forked" })
  }
  await using other = await newKey()
  const small = await openFileSigner(other.path, origin)
  await small.sign(tree("a"))
  await assert.rejects(small.sign(tree("x", "b")), { code: "log-forked" })
  await assert.rejects(small.sign({ ...tree("a", "b"), consistency: async () => [] }), { code: "log-forked" })
  assert.deepEqual(await other.signed(), ["0000000000000001"])
})

test("two processes that share a key never sign two trees of one size, and never remember less", async () => {
  await using key = await newKey()
  const [a, b] = [await openFileSigner(key.path, origin), await openFileSigner(key.path, origin)]
  const race = await Promise.allSettled([a.sign(tree("a")), b.sign(tree("b"))])
  assert.equal(race.filter(({ status }) => status === "fulfilled").length, 1)

  const winner = race[0]!.status === "fulfilled" ? "a" : "b"
  const late = tree(winner)
  const isRead = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const head = async () => {
    isRead.resolve()
    await goOn.promise
    return await late.head()
  }
  const slow = a.sign({ ...late, head })
  await isRead.promise
  // One has read its memory; the other signs a larger tree meanwhile.
  await b.sign(tree(winner, "c"))
  goOn.resolve()
  await slow
  assert.equal((await b.lastSigned())?.size, 2)
})

test("nothing is signed that cannot be remembered", async () => {
  await using key = await newKey()
  const signer = await openFileSigner(key.path, origin)
  await rm(`${key.path}.signed`, { recursive: true })
  await assert.rejects(signer.sign(tree("a")))
})

test("a key file is for its owner alone, is never written over, and holds a key of that log", async () => {
  await using key = await newKey()
  assert.equal((await stat(key.path)).mode & 0o777, 0o600)
  const before = await readFile(key.path, "utf8")
  await assert.rejects(createLogKey(key.path, origin), { code: "EEXIST" })
  assert.equal(await readFile(key.path, "utf8"), before)
  await assert.rejects(openFileSigner(key.path, "example.org/log/2"), { code: "key-unusable" })
  await writeFile(key.path, before.replace(/.{6}\n$/, "AAAAAA\n"))
  await assert.rejects(openFileSigner(key.path, origin), (error: Error) => {
    assert.equal((error as { code?: string }).code, "key-unusable")
    assert.equal(error.message.includes("PRIVATE"), false)
    return true
  })
})
