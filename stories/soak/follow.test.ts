import assert from "node:assert/strict"
import { describe, test } from "node:test"
import { entriesOf, type MemoryLog, memoryLog } from "../../tlog/src/testing/memory-log.ts"
import { follow } from "./follow.ts"

/** A follower, and what it told and read. */
function following(vkey: string) {
  const told: string[] = []
  const read: number[] = []
  const follower = follow(
    vkey,
    (_, index) => read.push(index),
    ({ rule }) => told.push(rule),
  )
  return { follower, told, read }
}

/** The log of the same key with other entries. */
const again = ({ signer }: MemoryLog, entries: Uint8Array[]) => memoryLog(entries, signer)

describe("the checker follows a log", () => {
  test("that grows, across bundles, and reads every entry once", async () => {
    const log = await memoryLog(entriesOf(3))
    const { follower, told, read } = following(log.vkey)
    for (const size of [3, 3, 200, 256, 257, 600]) await follower.step((await again(log, entriesOf(size))).io)
    assert.deepEqual([told, follower.size, follower.checkpoints], [[], 600, 6])
    assert.deepEqual(read, [...Array(600).keys()])
  })

  test("at a server that is behind, and takes its older checkpoint for what it is", async () => {
    const log = await memoryLog(entriesOf(300))
    const { follower, told } = following(log.vkey)
    await follower.step(log.io)
    await follower.step((await again(log, entriesOf(100))).io)
    assert.deepEqual([told, follower.size], [[], 300])
  })

  test("whose history was rewritten and signed anew, and says so", async () => {
    const log = await memoryLog(entriesOf(300))
    const { follower, told } = following(log.vkey)
    await follower.step(log.io)
    const rewritten = entriesOf(400).with(7, new TextEncoder().encode("another entry"))
    await follower.step((await again(log, rewritten)).io)
    assert.ok(told.includes("log-rewritten"), told.join())
  })

  test("whose other server shows another past, and says so", async () => {
    const log = await memoryLog(entriesOf(300))
    const { follower, told } = following(log.vkey)
    await follower.step(log.io)
    await follower.step((await again(log, entriesOf(100, "other"))).io)
    assert.ok(told.includes("log-rewritten"), told.join())
  })

  test("whose entry is not the one that was signed, and says so", async () => {
    const log = await memoryLog(entriesOf(10))
    const { follower, told } = following(log.vkey)
    const path = [...log.files.keys()].find((each) => each.startsWith("tile/entries"))!
    const bundle = log.files.get(path)!
    log.files.set(path, bundle.with(-1, bundle.at(-1)! ^ 1))
    await follower.step(log.io)
    assert.deepEqual(told, ["root-mismatch"])
  })

  test("that a stranger signed, and says so", async () => {
    const [log, strangers] = [await memoryLog(entriesOf(10)), await memoryLog(entriesOf(11))]
    const { follower, told } = following(log.vkey)
    await follower.step(strangers.io)
    assert.deepEqual([told, follower.size], [["log-broken"], 0])
  })

  test("that has no checkpoint, and says so", async () => {
    const log = await memoryLog(entriesOf(10))
    const { follower, told } = following(log.vkey)
    log.files.delete("checkpoint")
    await follower.step(log.io)
    assert.deepEqual(told, ["checkpoint-missing"])
  })
})
