import assert from "node:assert/strict"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { test } from "node:test"
import { formatProof, parseProof } from "@safeconduct/tlog"
import { bytes, entriesOf, type MemoryLog, memoryLog } from "../../../tlog/src/testing/memory-log.ts"
import { workplace } from "../testing/run.ts"

/** The log as an exported folder, its key in a file beside it. */
async function exported(folder: string, log: MemoryLog): Promise<void> {
  for (const [path, content] of log.files) {
    await mkdir(dirname(join(folder, "log", path)), { recursive: true })
    await writeFile(join(folder, "log", path), content)
  }
  await writeFile(join(folder, "log.vkey"), `${log.vkey}\n`)
}

const verify = ["audit", "verify", "log", "--key", "log.vkey"]

test("an exported folder verifies with the public key alone, and says what it holds", async () => {
  using place = workplace()
  const log = await memoryLog(entriesOf(300))
  await exported(place.folder, log)
  const { code, rows } = await place.run([...verify, "--json"])
  assert.equal(code, 0)
  const [{ ok, size, origin, problems, comparedWithOlder }] = rows as [Record<string, unknown>]
  assert.deepEqual(
    { ok, size, origin, problems, comparedWithOlder },
    { ok: true, size: 300, origin: log.signer.name, problems: [], comparedWithOlder: false },
  )
  assert.equal((await place.run(["audit", "verify", "log", "--key", log.vkey])).code, 0)
})

test("a flipped byte is exit status 8, and the entry is named", async () => {
  using place = workplace()
  const log = await memoryLog(entriesOf(20))
  await exported(place.folder, log)
  const path = join(place.folder, "log", "tile/entries/000.p/20")
  const content = await readFile(path)
  content[content.indexOf("entry 7") + 6] = "8".charCodeAt(0)
  await writeFile(path, content)
  const { code, rows } = await place.run([...verify, "--json"])
  assert.equal(code, 8)
  const problems = rows[0]!["problems"] as { code: string; index: number }[]
  assert.deepEqual([problems[0]!.code, problems[0]!.index], ["entry-changed", 7])
})

test("the last verified checkpoint is remembered: a log cut and signed again is caught", async () => {
  using place = workplace()
  const entries = entriesOf(20)
  const log = await memoryLog(entries)
  await exported(place.folder, log)
  assert.equal((await place.run(verify)).code, 0)
  assert.match((await place.run(verify)).stderr, /older checkpoint is contained/)

  await exported(place.folder, await memoryLog(entries.slice(0, 15), log.signer))
  const { code, stdout } = await place.run(verify)
  assert.equal(code, 8)
  assert.match(stdout, /entries-dropped/)
})

test("a rewritten and re-signed log is caught by a checkpoint given with --older, and by nothing else", async () => {
  using place = workplace()
  const entries = entriesOf(20)
  const log = await memoryLog(entries)
  await writeFile(join(place.folder, "older"), await log.checkpoint(10))
  const rewritten = await memoryLog([bytes("another"), ...entries.slice(1)], log.signer)
  await exported(place.folder, rewritten)
  assert.equal((await place.run([...verify, "--no-remember"])).code, 0)
  const { code, stdout } = await place.run([...verify, "--older", "older"])
  assert.equal(code, 8)
  assert.match(stdout, /history-rewritten/)
})

test("another log's key opens nothing", async () => {
  using place = workplace()
  await exported(place.folder, await memoryLog(entriesOf(3)))
  await writeFile(join(place.folder, "log.vkey"), (await memoryLog([])).vkey)
  const { code, stdout } = await place.run(verify)
  assert.equal(code, 8)
  assert.match(stdout, /checkpoint-refused/)
})

test("a receipt verifies offline, with the entry it carries or one that is given", async () => {
  using place = workplace()
  const log = await memoryLog(["a", "b", "c"].map((event) => bytes(JSON.stringify({ event }))))
  const bare = await log.receipt(1)
  const whole = formatProof({ ...parseProof(bare), extra: log.entries[1]! })
  await writeFile(join(place.folder, "whole"), whole)
  await writeFile(join(place.folder, "bare"), bare)
  await writeFile(join(place.folder, "entry"), log.entries[1]!)
  await writeFile(join(place.folder, "other"), log.entries[2]!)
  const run = (...args: string[]) => place.run(["audit", "verify", ...args, "--key", log.vkey, "--json"])

  const { code, rows } = await run("whole")
  assert.equal(code, 0)
  assert.deepEqual([rows[0]!["index"], rows[0]!["entry"]], [1, '{"event":"b"}'])
  assert.equal((await run("bare", "--entry", "entry")).code, 0)
  assert.equal((await run("bare", "--entry", "other")).code, 8)
  assert.equal((await run("bare")).code, 2)
  const forged = formatProof({ ...parseProof(bare), extra: log.entries[2]! })
  await writeFile(join(place.folder, "forged"), forged)
  assert.equal((await run("forged")).code, 8)
  await writeFile(join(place.folder, "garbage"), "not a receipt")
  assert.equal((await run("garbage")).code, 8)
})

test("without a key, or without the thing itself, it says so before it verifies", async () => {
  using place = workplace()
  await exported(place.folder, await memoryLog(entriesOf(1)))
  assert.equal((await place.run(["audit", "verify", "log"])).code, 2)
  assert.equal((await place.run(["audit", "verify", "nowhere", "--key", "log.vkey"])).code, 3)
})
