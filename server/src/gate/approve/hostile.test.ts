import assert from "node:assert/strict"
import { after, beforeEach, describe, test } from "node:test"
import { type Json, refusalCode } from "#kernel"
import { act } from "../act.ts"
import { approving, aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"
import { waitingFor } from "./waiting.ts"

/** A raise is a tap of the user's; of who has seen something strange it is also the leads'. */
const policies = `
  @id("all") permit (principal, action, resource);
  @id("raises") @ask("user") @rung("tap") @reason("A salary changes.")
  forbid (principal, action, resource) when { context.operation == "raise" } unless { context.approved };
  @id("strange") @ask("leads") @reason("The agent has seen what strangers wrote.")
  forbid (principal, action, resource)
  when { context.operation == "raise" && context.labels.contains("untrusted") } unless { context.approved };`
const { hr } = approving.resources
const configuration = {
  ...approving,
  resources: { hr: { ...hr, operations: { ...hr.operations, look: { labels: ["untrusted"] } } } },
  policies: [{ file: "hr.cedar", text: policies }],
  approvals: { ...approving.approvals, groups: { leads: { members: [{ provider: "hr", subject: "bob" }] } } },
}
const at = await openTestApproving(configuration)
const { gate, rooms, alice, session, raise, decide } = at
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const look = (of: string) =>
  act(rooms, gate.bot, {
    session: of,
    action: { type: "tool", resource: "hr", operation: "look", arguments: {} },
    idempotencyKey: null,
  })

describe("an agent that somebody else controls", { timeout: 120_000 }, () => {
  after(() => at[Symbol.asyncDispose]())
  beforeEach(async () => await gate.apply(configuration as never))

  test("gets nothing by an approval that was given before more was asked", async () => {
    const of = await session()
    const first = heldOf(await raise(of))
    assert.deepEqual(
      first.requirements.map((each) => each.of),
      ["user"],
    )
    await decide(first.id, alice, "approve", "session")
    assert.equal((await look(of)).decision.verdict, "allow")
    const used = await raise(of, aRaise, { approval: first.id })
    assert.equal(used.decision.verdict, "deny")
    assert.equal((await rooms.approvals.find(first.id))!.usedAt, null)
    const second = heldOf(await raise(of))
    assert.notEqual(second.id, first.id)
    assert.deepEqual(
      second.requirements.map((each) => each.of),
      ["leads", "user"],
    )
    await decide(second.id, alice, "approve", "session")
    assert.equal((await raise(of, aRaise, { approval: second.id })).decision.verdict, "ask")
    await decide(second.id, await at.person("bob"))
    assert.equal((await raise(of, aRaise, { approval: second.id })).decision.verdict, "allow")
  })

  test("is answered with another request once other policies are in force, and the old one waits for nobody", async () => {
    const of = await session()
    const first = heldOf(await raise(of))
    await gate.apply({ ...configuration, policies: [{ file: "hr.cedar", text: `${policies}\n` }] } as never)
    const second = heldOf(await raise(of))
    assert.notEqual(second.id, first.id)
    assert.equal((await rooms.approvals.find(first.id))!.state, "withdrawn")
    await decide(second.id, alice)
    assert.equal((await raise(of, aRaise, { approval: second.id })).decision.verdict, "allow")
  })

  test("has nobody sign what other policies made useless", async () => {
    const held = heldOf(await raise(await session()))
    await waitingFor(rooms, alice, held.id)
    await gate.apply({ ...configuration, policies: [{ file: "hr.cedar", text: `${policies}\n\n` }] } as never)
    await assert.rejects(waitingFor(rooms, alice, held.id), refusedWith("approval-over"))
    const { state, reason } = (await rooms.approvals.find(held.id))!
    assert.deepEqual([state, reason], ["withdrawn", "policies-changed"])
  })

  test("asks with text that no database keeps, and nobody is asked", async () => {
    const of = await session()
    const odd: { [name: string]: Json }[] = [{ employee: "E\u0000" }, { "E\u0000": 1 }, { a: [{ b: "\\\u0000" }] }]
    for (const given of odd) {
      const { decision, held } = await raise(of, given)
      assert.deepEqual([decision.verdict, held], ["deny", null], JSON.stringify(given))
      assert.match(decision.reasons.join(), /U\+0000/)
    }
    const action = { type: "tool", resource: "hr", operation: "raise", arguments: {} } as const
    const said = { session: of, action, idempotencyKey: null, justification: "please\u0000" }
    assert.equal((await act(rooms, gate.bot, said)).decision.verdict, "deny")
    assert.ok(heldOf(await raise(of, { employee: "\\u0000" })), "that is six characters")
  })

  test("asks about more than anybody reads, and nobody is", async () => {
    const of = await session()
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, nth) => [`a${nth}`, nth]))
    const { decision, held } = await raise(of, many(101))
    assert.deepEqual([decision.verdict, held], ["deny", null])
    const asked = heldOf(await raise(of, many(100)))
    await decide(asked.id, alice)
    assert.equal((await raise(of, many(100), { approval: asked.id })).decision.verdict, "allow")
    const [kept] = await gate.store.owner.query<{ count: number }>("select count(*)::int as count from approvals.usual")
    assert.ok(kept!.count >= 100)
  })
})
