import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { createTurns } from "./turns.ts"

test("long work is done one at a time, in order, also after some that failed", async () => {
  const turns = createTurns(10)
  const seen: string[] = []
  const work = (name: string) =>
    turns(async () => {
      seen.push(`${name} begins`)
      await new Promise(setImmediate)
      seen.push(`${name} ends`)
      if (name === "b") throw new Error("b fails")
      return name
    })
  const all = await Promise.allSettled(["a", "b", "c"].map(work))
  assert.deepEqual(seen, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"])
  assert.deepEqual(
    all.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  )
})

test("when too much waits, what comes is refused at once, and taken again later", async () => {
  const turns = createTurns(2)
  const held = Promise.withResolvers<void>()
  const waiting = [turns(() => held.promise), turns(async () => undefined)]
  await assert.rejects(
    turns(async () => undefined),
    (error) => refusalCode(error) === "overloaded",
  )
  held.resolve()
  await Promise.all(waiting)
  await turns(async () => undefined)
})
