import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { newNoteKey, parseNoteSigner } from "@safeconduct/tlog"
import { bytes, entriesOf, type MemoryLog, memoryLog } from "../../tlog/src/testing/memory-log.ts"
import { keepCheckpoint } from "./checkpoints.ts"
import { acceptLoss, compareEarlier } from "./earlier-logs.ts"
import type { LogEntry } from "./log-keys.ts"

const origin = "example.org/log/1"
const next = "example.org/log/2"
const home = mkdtempSync(join(tmpdir(), "safeconduct-earlier-"))
before(() => {
  process.env["SAFECONDUCT_HOME"] = home
})
after(() => rmSync(home, { recursive: true }))

const note = ({ files }: MemoryLog) => new TextDecoder().decode(files.get("checkpoint"))
const headOf = (log: MemoryLog) => {
  const [, size, root] = note(log).split("\n") as [string, string, string]
  return { size: Number(size), root }
}
/** The first entry of the log after one of which this was kept and that was signed. */
const first = (kept: MemoryLog, signed: MemoryLog | null): LogEntry => ({
  index: 0,
  event: "audit.log-begun",
  data: { reason: "a test", before: { log: 1, origin, kept: headOf(kept), signed: signed && headOf(signed) } },
})

async function logs() {
  const signer = await parseNoteSigner((await newNoteKey(origin)).skey)
  const of = (count: number, prefix?: string) => memoryLog(entriesOf(count, prefix), signer)
  const compare = async (seen: MemoryLog, told: LogEntry, there: MemoryLog) => {
    await keepCheckpoint(origin, note(seen))
    return await compareEarlier({ origin: next, first: told, vkeys: [signer.vkey], earlier: () => there.io })
  }
  return { of, compare, vkey: signer.vkey }
}
const refuses = (says: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, "not-verified")
  assert.match(error.message, says)
  return true
}

test("a log that was closed whole contains what was seen of it", async () => {
  const { of, compare } = await logs()
  const [small, whole] = [await of(100), await of(300)]
  for (const seen of [small, whole]) assert.equal(await compare(seen, first(whole, whole), whole), null)
})

test("entries that were seen and are said to be lost are a loss, until it is accepted", async () => {
  const { of, compare, vkey } = await logs()
  const [kept, seen, signed] = [await of(100), await of(250), await of(300)]
  const told = first(kept, signed)
  assert.match(
    (await compare(seen, told, kept))!,
    /150 entries of example.org\/log\/1 that were seen here are gone; .*"a test"/,
  )
  await acceptLoss(told, () => kept.io)
  assert.equal(await compareEarlier({ origin: next, first: told, vkeys: [vkey], earlier: () => kept.io }), null)
})

test("a rotation hides no tree that was seen: not a larger one, not another one, not another history", async () => {
  const { of, compare } = await logs()
  const [kept, seen, signed] = [await of(100), await of(250), await of(200)]
  await assert.rejects(compare(seen, first(kept, signed), kept), refuses(/250 signed entries .* seen here, and .* 200/))
  await assert.rejects(compare(seen, first(kept, null), kept), refuses(/says that none of them were ever signed/))
  const other = await of(250, "other")
  await assert.rejects(compare(seen, first(other, other), other), refuses(/not those that this one names/))
  await assert.rejects(compare(await of(50), first(other, other), other), refuses(/first 50 entries .* not those/))
  // What is served differs from what the first entry names.
  await assert.rejects(compare(await of(50), first(kept, signed), other), refuses(/first 50 entries .* not those/))
})

test("without anything seen of the earlier log there is nothing to compare, and a key is needed where there is", async () => {
  const { of } = await logs()
  const log = await of(10)
  const told = first(log, log)
  const elsewhere = { ...told, data: { before: { ...(told.data["before"] as object), origin: "example.net/log/1" } } }
  const vkeys: string[] = []
  assert.equal(await compareEarlier({ origin: next, first: elsewhere, vkeys, earlier: undefined }), null)
  for (const nothing of [undefined, { ...told, event: "other" }]) {
    assert.equal(await compareEarlier({ origin, first: nothing, vkeys, earlier: undefined }), null)
    const silent = compareEarlier({ origin: next, first: nothing, vkeys, earlier: undefined })
    await assert.rejects(silent, refuses(/log\/2 does not begin with what became of the log before it/))
  }
  await keepCheckpoint(origin, note(log))
  await assert.rejects(
    compareEarlier({ origin: next, first: told, vkeys, earlier: undefined }),
    refuses(/no public key of example.org/),
  )
})

test("a loss is told although another log lies between, and no log between may be another than was kept", async () => {
  const { of, vkey } = await logs()
  const [kept, seen] = [await of(100), await of(250)]
  await keepCheckpoint(origin, note(seen))
  const between = async (told: LogEntry) =>
    await memoryLog(
      [bytes(JSON.stringify(told)), ...entriesOf(20)],
      await parseNoteSigner((await newNoteKey("example.org/log/2")).skey),
    )
  const second = await between(first(kept, seen))
  const before = { log: 2, origin: next, kept: headOf(second), signed: headOf(second) }
  const third: LogEntry = { index: 0, event: "audit.log-begun", data: { reason: "again", before } }
  const compare = (served: MemoryLog | null) => {
    const earlier = (log: number) => (log === 1 ? kept : served!).io
    return compareEarlier({
      origin: "example.org/log/3",
      first: third,
      vkeys: [vkey],
      earlier: served ? earlier : undefined,
    })
  }
  assert.match((await compare(second))!, /150 entries of example.org\/log\/1 that were seen here are gone; .*"a test"/)
  await assert.rejects(compare(await between(first(seen, seen))), refuses(/the first entry of example.org\/log\/2/))
  await assert.rejects(compare(null), refuses(/log\/2 lies between .* Verify at a server/))
})

test("where the key of the log before was lost, what is gone is a loss to accept, and what is not gone has to be there", async () => {
  const { of, compare } = await logs()
  const [kept, seen] = [await of(100), await of(250)]
  const lost = (told: LogEntry): LogEntry => ({
    ...told,
    data: { ...told.data, before: { ...(told.data["before"] as object), keyLost: true } },
  })
  assert.match((await compare(seen, lost(first(kept, kept)), kept))!, /150 entries .* key is said to be lost as well/)
  assert.equal(await compare(kept, lost(first(seen, null)), seen), null)
  const other = await of(250, "other")
  await assert.rejects(compare(kept, lost(first(other, null)), other), refuses(/first 100 entries .* not those/))
})
