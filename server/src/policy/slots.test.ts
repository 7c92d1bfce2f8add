import assert from "node:assert/strict"
import { test } from "node:test"
import { parse } from "./parse.ts"
import { createSlots } from "./slots.ts"

const policies = (name: string, count = 1) =>
  parse([
    {
      file: "test.cedar",
      text: Array.from({ length: count }, (_, at) => `@id("${name}-${at}") permit(principal, action, resource);`).join(
        "\n",
      ),
    },
  ]).policies

/** An engine that remembers what each name holds, as Cedar does. */
function engine() {
  const holds = new Map<string, Record<string, string>>()
  return { holds, prepare: (name: string, texts: Record<string, string>) => void holds.set(name, texts) }
}

test("200 reloads use no more names than the bound, and what is given up is emptied", () => {
  const { holds, prepare } = engine()
  const slots = createSlots(prepare, { maxSlots: 4 })
  for (let round = 0; round < 200; round += 1) {
    const reloaded = policies(`round-${round}`)
    const name = slots.nameOf(reloaded)
    assert.deepEqual(Object.keys(holds.get(name)!), [`round-${round}-0`])
  }
  assert.equal(slots.count, 4)
  assert.equal(holds.size, 4)
})

test("large sets push out more than one small one", () => {
  const { holds, prepare } = engine()
  const slots = createSlots(prepare, { maxSlots: 100, maxPolicies: 10 })
  for (const name of ["a", "b", "c"]) slots.nameOf(policies(name, 3))
  slots.nameOf(policies("large", 9))
  const held = [...holds.values()].reduce((sum, texts) => sum + Object.keys(texts).length, 0)
  assert.equal(held, 9)
})

test("the same policies parsed again keep their name, and use keeps a name from being given up", () => {
  const { prepare } = engine()
  const slots = createSlots(prepare, { maxSlots: 2 })
  const first = slots.nameOf(policies("a"))
  const second = slots.nameOf(policies("b"))
  assert.equal(slots.nameOf(policies("a")), first)
  assert.equal(slots.nameOf(policies("c")), second)
  assert.equal(slots.nameOf(policies("a")), first)
})

test("a set that the engine refuses is never answered from", () => {
  let isBroken = true
  const slots = createSlots(() => {
    if (isBroken) throw new Error("cannot parse")
  })
  assert.throws(() => slots.nameOf(policies("a")), /cannot parse/)
  isBroken = false
  assert.equal(slots.nameOf(policies("a")), "slot-1")
})
