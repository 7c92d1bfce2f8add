import assert from "node:assert/strict"
import { after, test } from "node:test"
import { heldOf, openTestApproving } from "./approve.fixture.ts"

const at = await openTestApproving()
after(() => at[Symbol.asyncDispose]())
const { alice, session, raise, decide } = at

test("a card shows what is unlike what the same person approved before", async () => {
  const id = await session()
  const unusualOf = async (given: { employee: string; amount: number }, through = id) => {
    const { facts } = heldOf(await raise(through, given))
    return Object.fromEntries(facts!.arguments.map(({ name, unusual }) => [name, unusual]))
  }
  const approved = async (given: { employee: string; amount: number }) => {
    const held = heldOf(await raise(id, given))
    await decide(held.id, alice)
    assert.equal((await raise(id, given, { approval: held.id })).decision.verdict, "allow")
  }
  assert.deepEqual(
    await unusualOf({ employee: "E-1", amount: 90_000 }),
    { amount: null, employee: null },
    "there is no usual",
  )
  for (const amount of [100, 120, 110]) await approved({ employee: "E-7", amount })
  assert.deepEqual(await unusualOf({ employee: "E-7", amount: 130 }), { amount: null, employee: null })
  assert.deepEqual(await unusualOf({ employee: "E-8", amount: 1100 }), {
    amount: { kind: "times-usual", times: 10 },
    employee: { kind: "first-time" },
  })
  const bobs = await session(await at.person("bob"))
  assert.deepEqual(await unusualOf({ employee: "E-8", amount: 1200 }, bobs), { amount: null, employee: null })
  const [row] = await at.gate.store.owner.query<{ found: string }>(
    "select count(*)::text as found from approvals.usual where encode(mark, 'escape') like '%E-7%'",
  )
  assert.equal(row!.found, "0")
})
