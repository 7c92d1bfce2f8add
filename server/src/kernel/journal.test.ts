import assert from "node:assert/strict"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, test } from "node:test"
import { type Owing, openJournal, silentLog, systemClock } from "#kernel"

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-journal-"))
  folders.push(folder)
  return join(folder, "journal")
}
const open = (folder: string) => openJournal({ folder, clock: systemClock, log: silentLog })
const owing = (session: string): Owing => ({ draft: { event: "test", by: "server", session }, command: null })
const files = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".jsonl"))

test("a line is whole, synced and this user's alone when it was written, and another process reads it", async () => {
  const folder = scratch()
  const line = await (await open(folder)).write(owing("session_1"))
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, files(folder)[0]!)).mode & 0o777, 0o600)
  const later = await open(folder)
  assert.deepEqual(later.pending, [])
  await later.load()
  assert.deepEqual(later.pending, [line])
  assert.match(line.id, /^entry_/)
})

test("lines that come together share a file, which goes with the last of them", async () => {
  const folder = scratch()
  const journal = await open(folder)
  const lines = await Promise.all([1, 2, 3, 4].map((n) => journal.write(owing(`session_${n}`))))
  assert.ok(files(folder).length < lines.length)
  const [last, ...others] = lines
  for (const line of others) await journal.settle(line)
  assert.ok(files(folder).length > 0)
  await journal.settle(last!)
  assert.deepEqual([files(folder), journal.pending], [[], []])
})

test("what one process settled, another that had read it settles too", async () => {
  const folder = scratch()
  const first = await open(folder)
  const line = await first.write(owing("session_1"))
  const second = await open(folder)
  await second.load()
  await first.settle(line)
  await second.settle(line)
  await second.load()
  assert.deepEqual(second.pending, [])
})

test("what is no line of a journal is carried out by nobody and stays", async () => {
  const folder = scratch()
  const journal = await open(folder)
  const id = `entry_${"a".repeat(26)}`
  const bad = [
    "{",
    '{"id":"entry_x"}',
    JSON.stringify({ id, at: "yesterday", ...owing("s") }),
    JSON.stringify({ id, at: new Date().toISOString(), draft: [], command: null }),
    JSON.stringify({ id: "../../etc", at: new Date().toISOString(), ...owing("s") }),
  ]
  for (const [nth, text] of bad.entries()) writeFileSync(join(folder, `${nth}.jsonl`), text)
  writeFileSync(join(folder, "half.jsonl.draft"), '{"id":')
  await journal.load()
  assert.deepEqual(journal.pending, [])
  assert.equal(journal.unreadable.length, bad.length)
  assert.equal(files(folder).length, bad.length)
})

test("a folder that others may write is refused", async () => {
  const folder = scratch()
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await assert.rejects(open(folder), { code: "not-ready", message: /0700/ })
})

test("a folder that cannot be made is refused with its name", async () => {
  const folder = scratch()
  writeFileSync(folder, "a file")
  await assert.rejects(open(join(folder, "below")), { code: "not-ready", message: /SAFECONDUCT_JOURNAL_FOLDER/ })
})

test("a line that cannot be written is said to be, and still owed by this process", async () => {
  const folder = scratch()
  const journal = await open(folder)
  rmSync(folder, { recursive: true })
  await assert.rejects(journal.write(owing("session_1")), { code: "not-recorded" })
  await assert.rejects(journal.probe())
  assert.equal(journal.pending.length, 1)
  mkdirSync(folder, { mode: 0o700 })
  await journal.write(owing("session_2"))
  assert.equal(journal.pending.length, 2)
  assert.equal(readFileSync(join(folder, files(folder)[0]!), "utf8").includes("session_2"), true)
})

test("ten thousand lines may be owed and no more", async () => {
  const journal = await open(scratch())
  const all = await Promise.allSettled(Array.from({ length: 10_001 }, (_, n) => journal.write(owing(`session_${n}`))))
  assert.deepEqual(
    all.filter(({ status }) => status === "rejected").map((each) => (each as PromiseRejectedResult).reason.code),
    ["not-recorded"],
  )
})
