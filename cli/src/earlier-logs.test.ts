import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { newNoteKey, parseNoteSigner } from "@safeconduct/tlog"
import { entriesOf, type MemoryLog, memoryLog } from "../../tlog/src/testing/memory-log.ts"
import { keepCheckpoint } from "./checkpoints.ts"
import { acceptLoss, compareEarlier } from "./earlier-logs.ts"
import type { LogEntry } from "./log-keys.ts"

const origin = "example.org/log/1"
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
    return await compareEarlier({ first: told, vkeys: [signer.vkey], earlier: () => there.io })
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
  assert.equal(await compareEarlier({ first: told, vkeys: [vkey], earlier: () => kept.io }), null)
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
  assert.equal(await compareEarlier({ first: elsewhere, vkeys, earlier: undefined }), null)
  assert.equal(await compareEarlier({ first: { ...told, event: "other" }, vkeys, earlier: undefined }), null)
  await keepCheckpoint(origin, note(log))
  await assert.rejects(
    compareEarlier({ first: told, vkeys, earlier: undefined }),
    refuses(/no public key of example.org/),
  )
})
