import assert from "node:assert/strict"
import { test } from "node:test"
import { encodeEntries, type ProblemCode, signNote, verifyLog } from "./index.ts"
import { bytes, entriesOf, type MemoryLog, memoryLog } from "./testing/memory-log.ts"

const codesOf = async (log: Pick<MemoryLog, "io" | "vkey">, older?: string): Promise<ProblemCode[]> => {
  const report = await verifyLog(log.io, log.vkey, older === undefined ? {} : { older })
  assert.equal(report.ok, report.problems.length === 0)
  return report.problems.map((problem) => problem.code)
}

for (const size of [0, 1, 2, 255, 256, 257, 600, 65_536, 66_000]) {
  test(`a sound log of ${size} entries verifies, with every older checkpoint of a few`, async () => {
    const log = await memoryLog(entriesOf(size))
    const seen: number[] = []
    const report = await verifyLog(log.io, log.vkey, { onProgress: (done) => seen.push(done) })
    const root = Buffer.from(log.roots[size]!).toString("base64")
    assert.deepEqual(report, { ok: true, origin: "log.example/1", size, root, problems: [] })
    assert.equal(seen.at(-1), size === 0 ? undefined : size)
    for (const old of [0, 1, Math.floor(size / 2), size - 1, size]) {
      if (old >= 0 && old <= size && size < 65_000) assert.deepEqual(await codesOf(log, await log.checkpoint(old)), [])
    }
  })
}

/** Verifies once per byte (that `which` picks) and mask, with that byte changed; each time the report must not be ok. */
async function flipEach(log: MemoryLog, masks: number[], which: (at: number, length: number) => boolean) {
  for (const [path, sound] of log.files) {
    for (let at = 0; at < sound.length; at++) {
      if (!which(at, sound.length)) continue
      for (const mask of masks) {
        log.files.set(path, sound.with(at, sound[at]! ^ mask))
        assert.equal((await verifyLog(log.io, log.vkey)).ok, false, `${path}, byte ${at}, xor ${mask}`)
      }
    }
    log.files.set(path, sound)
  }
  assert.equal((await verifyLog(log.io, log.vkey)).ok, true)
}

test("no bit of a small exported log can be flipped unnoticed", async () => {
  await flipEach(await memoryLog(entriesOf(9)), [1, 2, 4, 8, 16, 32, 64, 128], () => true)
})

test("no byte of an exported log with full, partial and upper tiles can be changed unnoticed", async () => {
  // The 8,192 bytes of the full tile are 256 hashes alike: every hash is changed once, each at another of its bytes.
  await flipEach(await memoryLog(entriesOf(260, "")), [1], (at, length) => length < 8192 || at % 33 === 0)
})

test("no file of a log can be missing, empty, shorter or longer unnoticed", async () => {
  const log = await memoryLog(entriesOf(260))
  for (const [path, sound] of [...log.files]) {
    const others = [null, new Uint8Array(0), sound.subarray(1), sound.subarray(0, -1), Uint8Array.of(...sound, 0)]
    for (const other of others) {
      if (other === null) log.files.delete(path)
      else log.files.set(path, other)
      assert.equal((await verifyLog(log.io, log.vkey)).ok, false, `${path} of ${other?.length} bytes`)
    }
    log.files.set(path, sound)
  }
})

test("a changed entry is named", async () => {
  const log = await memoryLog(entriesOf(300))
  log.files.set("tile/entries/001.p/44", encodeEntries(log.entries.slice(256).with(4, bytes("forged 260"))))
  const { problems } = await verifyLog(log.io, log.vkey, { older: await log.checkpoint(280) })
  assert.deepEqual(
    problems.map(({ code, index }) => [code, index]),
    [
      ["entry-changed", 260],
      ["root-mismatch", undefined],
    ],
  )
})

test("a changed hash in a tile is told apart from a changed entry", async () => {
  const log = await memoryLog(entriesOf(300))
  const tile = log.files.get("tile/0/000")!
  log.files.set("tile/0/000", tile.with(7 * 32, tile[7 * 32]! ^ 1))
  assert.deepEqual(
    (await verifyLog(log.io, log.vkey)).problems.map(({ code, index }) => [code, index]),
    [["tile-changed", 7]],
  )
})

test("a changed hash in a tile above the lowest is noticed", async () => {
  const log = await memoryLog(entriesOf(600))
  const tile = log.files.get("tile/1/000.p/2")!
  log.files.set("tile/1/000.p/2", tile.with(40, tile[40]! ^ 1))
  assert.deepEqual(await codesOf(log), ["tile-changed"])
})

test("exchanged entries are named with their homes", async () => {
  const log = await memoryLog(entriesOf(10))
  const { entries } = log
  log.files.set("tile/entries/000.p/10", encodeEntries(entries.with(3, entries[8]!).with(8, entries[3]!)))
  const { problems } = await verifyLog(log.io, log.vkey)
  assert.deepEqual(
    problems.map(({ code, index }) => [code, index]),
    [
      ["entry-moved", 3],
      ["entry-moved", 8],
      ["root-mismatch", undefined],
    ],
  )
  assert.match(problems[0]!.message, /belongs at 8/)
})

test("exchanged bundles are noticed", async () => {
  const log = await memoryLog(entriesOf(512))
  const [first, second] = [log.files.get("tile/entries/000")!, log.files.get("tile/entries/001")!]
  log.files.set("tile/entries/000", second).set("tile/entries/001", first)
  const codes = await codesOf(log)
  assert.equal(codes[0], "entry-moved")
  assert.equal(codes.at(-1), "root-mismatch")
  // A hundred are told one by one, the others counted.
  assert.equal(codes.length, 102)
})

test("a reordered log with tiles to match has another root than the signed one", async () => {
  const log = await memoryLog(entriesOf(10))
  const { entries } = log
  const forged = await memoryLog(entries.with(3, entries[8]!).with(8, entries[3]!))
  forged.files.set("checkpoint", log.files.get("checkpoint")!)
  assert.deepEqual(await codesOf({ io: forged.io, vkey: log.vkey }), ["root-mismatch"])
})

test("dropping the newest entries is noticed by an older checkpoint, and by nothing else", async () => {
  const log = await memoryLog(entriesOf(300))
  const truncated = await memoryLog(entriesOf(290), log.signer)
  assert.deepEqual(await codesOf(truncated), [])
  const { ok, problems } = await verifyLog(truncated.io, log.vkey, { older: await log.checkpoint(300) })
  assert.equal(ok, false)
  assert.deepEqual(
    problems.map(({ code, index }) => [code, index]),
    [["entries-dropped", 290]],
  )
})

test("a history that was rewritten and signed again is noticed by an older checkpoint", async () => {
  const log = await memoryLog(entriesOf(300))
  const rewritten = await memoryLog(entriesOf(400).with(100, bytes("forged")), log.signer)
  assert.deepEqual(await codesOf(rewritten), [])
  assert.deepEqual(await codesOf(rewritten, await log.checkpoint(300)), ["history-rewritten"])
  assert.deepEqual(await codesOf(rewritten, await log.checkpoint(101)), ["history-rewritten"])
  assert.deepEqual(await codesOf(rewritten, await log.checkpoint(100)), [])
})

test("two trees of one size are told apart", async () => {
  const log = await memoryLog(entriesOf(300))
  const other = await memoryLog(entriesOf(300, "other"), log.signer)
  assert.deepEqual(await codesOf(other, await log.checkpoint(300)), ["history-rewritten"])
})

test("a log rewritten by a thief of its files, not of its key, is refused at the checkpoint", async () => {
  const log = await memoryLog(entriesOf(10))
  const forged = await memoryLog(entriesOf(10, "forged"))
  assert.deepEqual(await codesOf({ io: forged.io, vkey: log.vkey }), ["checkpoint-refused"])
})

test("a checkpoint that is missing, unsigned, or of another log is refused", async () => {
  const log = await memoryLog(entriesOf(3))
  const other = await signNote(`log.example/2\n3\n${Buffer.from(log.roots[3]!).toString("base64")}\n`, [log.signer])
  for (const note of [other, "log.example/1\n3\n", await signNote("hello\n", [log.signer])]) {
    log.files.set("checkpoint", bytes(note))
    assert.deepEqual(await codesOf(log), ["checkpoint-refused"])
  }
  log.files.delete("checkpoint")
  assert.deepEqual(await codesOf(log), ["checkpoint-missing"])
})

test("an older checkpoint that the log did not sign proves nothing and is refused", async () => {
  const log = await memoryLog(entriesOf(10))
  const stranger = await memoryLog(entriesOf(5))
  assert.deepEqual(await codesOf(log, await stranger.checkpoint(5)), ["older-checkpoint-refused"])
  assert.deepEqual(await codesOf(log, "nonsense"), ["older-checkpoint-refused"])
})

test("a missing bundle is named and the rest is judged by its tile", async () => {
  const log = await memoryLog(entriesOf(600))
  log.files.delete("tile/entries/001")
  assert.deepEqual(await codesOf(log, await log.checkpoint(500)), ["entries-missing"])
  log.files.delete("tile/0/001")
  assert.deepEqual(await codesOf(log), ["entries-missing", "tile-missing", "root-mismatch"])
})

test("a full bundle and a full tile stand in for partial ones that were deleted", async () => {
  const log = await memoryLog(entriesOf(300))
  const grown = await memoryLog(entriesOf(600), log.signer)
  grown.files.set("checkpoint", log.files.get("checkpoint")!)
  const level1 = grown.files.get("tile/1/000.p/2")!
  grown.files.set("tile/1/000.p/1", level1.subarray(0, 32))
  assert.deepEqual(await codesOf(grown), [])
})

test("a partial file as long as a full one is refused, though it begins right", async () => {
  const log = await memoryLog(entriesOf(300))
  const longer = await memoryLog(entriesOf(512), log.signer)
  log.files.set("tile/0/001.p/44", longer.files.get("tile/0/001")!)
  log.files.set("tile/entries/001.p/44", longer.files.get("tile/entries/001")!)
  assert.deepEqual(await codesOf(log), ["entries-malformed", "tile-changed", "root-mismatch"])
})

test("a reader that fails is not a verdict", async () => {
  const log = await memoryLog(entriesOf(3))
  const io = { read: (path: string) => (path === "checkpoint" ? log.io.read(path) : Promise.reject(new Error("down"))) }
  await assert.rejects(verifyLog(io, log.vkey), /down/)
  await assert.rejects(verifyLog(log.io, "no key"), { code: "malformed-key" })
})
