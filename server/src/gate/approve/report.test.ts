import assert from "node:assert/strict"
import { after, afterEach, describe, test } from "node:test"
import type { OperatorPrincipal } from "#agents"
import type { Person } from "#approvals"
import { refusalCode } from "#kernel"
import type { User } from "#sessions"
import { endSession } from "../end.ts"
import { revokeInstance, setAgentState } from "../stop.ts"
import { approving, aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"
import { deny } from "./decide.ts"
import { liftReport, reportAgent } from "./report.ts"

const at = await openTestApproving()
const { gate, rooms, alice, session, raise } = at
const personOf = ({ id, provider, sub }: User): Person => ({ id, provider, sub })
const states = async (...ids: string[]) => {
  return await Promise.all(ids.map(async (id) => (await rooms.approvals.find(id))?.state))
}
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const asked = async (of: string, amount: number) => heldOf(await raise(of, { ...aRaise, amount }))
const openOf = async (user: User) => (await rooms.sessions.openOf({ user: user.id })).length

/** An operator who signs in as that user. */
async function operatorWho(user: User): Promise<OperatorPrincipal> {
  const { operator } = gate
  await gate.store.owner.query("update agents.operators set user_id = $1, roles = '{}' where id = $2", [
    user.id,
    operator.operatorId,
  ])
  return operator
}

describe("deny and report", { timeout: 120_000 }, () => {
  after(() => at[Symbol.asyncDispose]())
  afterEach(async () => {
    await gate.store.owner.query("update agents.operators set user_id = null, roles = '{admin}'")
    await setAgentState(rooms, gate.operator, "bot", "active", "test")
    await gate.apply(approving as never)
  })

  test("stops the agent for everybody, at once: sessions over, what else it asked withdrawn, approvals unused", async () => {
    const bob = await at.person("bob")
    const [mine, theirs] = [await session(), await session(bob)]
    const [one, two, three] = [await asked(mine, 1), await asked(mine, 2), await asked(theirs, 3)]
    await at.decide(three.id, bob)
    const [reported] = await deny(rooms, personOf(alice), { ids: [one.id], decision: "report" })
    assert.equal(reported?.state, "reported")
    assert.deepEqual(await states(one.id, two.id, three.id), ["reported", "withdrawn", "withdrawn"])
    assert.equal(rooms.agents.agent("bot")?.state, "suspended")
    assert.deepEqual([await openOf(alice), await openOf(bob)], [0, 0])
    await assert.rejects(
      raise(theirs, { ...aRaise, amount: 3 }, { approval: three.id }),
      refusedWith("agent-suspended"),
    )
    await assert.rejects(session(bob), refusedWith("agent-suspended"))
    const [suspended] = (await gate.entries("agents.suspended")).slice(-1)
    assert.equal(suspended?.by, alice.id)
  })

  test("is lifted by a second person only, and the entry says who", async () => {
    const one = await asked(await session(), 10)
    await reportAgent(rooms, personOf(alice), [one.id])
    const herself = await operatorWho(alice)
    await assert.rejects(setAgentState(rooms, herself, "bot", "active", "fine"), refusedWith("second-person-required"))
    const [report] = await rooms.approvals.reports.list()
    await assert.rejects(liftReport(rooms, herself, report!.id, "fine"), refusedWith("second-person-required"))
    assert.equal(rooms.agents.agent("bot")?.state, "suspended")
    const another = await operatorWho(await at.person("olga"))
    const lifted = await liftReport(rooms, another, report!.id, "looked at it")
    assert.equal(lifted.liftedBy, another.spiffeId)
    assert.equal(rooms.agents.agent("bot")?.state, "active")
    const [entry] = (await gate.entries("approvals.report-lifted")).slice(-1)
    assert.deepEqual([entry?.by, entry?.data?.["reporter"]], [another.spiffeId, alice.id])
    await assert.rejects(
      rooms.audit.commit(rooms.approvals.reports.lift({ id: report!.id }, { by: "x", user: null })),
      refusedWith("not-found"),
    )
  })

  test("holds for whoever is registered under the name, until it is lifted", async () => {
    await reportAgent(rooms, personOf(alice), [(await asked(await session(), 11)).id])
    const agents = { ...approving.agents, other: approving.agents.bot }
    await gate.apply({ ...approving, agents: { other: agents.other } } as never)
    await gate.apply({ ...approving, agents } as never)
    const caller = await gate.instance()
    assert.equal(rooms.agents.agent("bot")?.state, "active")
    await assert.rejects(session(alice, caller), refusedWith("agent-barred"))
    await setAgentState(rooms, gate.operator, "bot", "active", "looked at it")
    await session(alice, caller)
  })

  test("by the configuration stops it for that user alone, also what was handed on", async () => {
    await gate.apply({ ...approving, approvals: { ...approving.approvals, report: "user" } } as never)
    const caller = await gate.instance()
    const bob = await at.person("bob")
    const [mine, theirs] = [await session(alice, caller), await session(bob, caller)]
    const held = heldOf(await raise(mine, { ...aRaise, amount: 20 }, { caller }))
    const sibling = heldOf(await raise(await session(alice, caller), { ...aRaise, amount: 21 }, { caller }))
    const other = heldOf(await raise(theirs, { ...aRaise, amount: 22 }, { caller }))
    await reportAgent(rooms, personOf(alice), [held.id])
    assert.deepEqual(await states(held.id, sibling.id, other.id), ["reported", "withdrawn", "requested"])
    assert.deepEqual([await openOf(alice), (await openOf(bob)) > 0], [0, true])
    assert.equal(rooms.agents.agent("bot")?.state, "active")
    await assert.rejects(session(alice, caller), refusedWith("agent-barred"))
    await session(bob, caller)
    const [report] = await rooms.approvals.reports.list()
    await assert.rejects(
      liftReport(rooms, await operatorWho(alice), report!.id, "fine"),
      refusedWith("second-person-required"),
    )
    await liftReport(rooms, await operatorWho(bob), report!.id, "looked at it")
    await session(alice, caller)
  })

  test("is refused from whoever was not asked, and stops nobody", async () => {
    const held = await asked(await session(alice, await fresh()), 30)
    const mallory = await at.person("mallory")
    await assert.rejects(reportAgent(rooms, personOf(mallory), [held.id]), refusedWith("approval-unknown"))
    await at.decide(held.id, alice, "deny")
    await assert.rejects(reportAgent(rooms, personOf(alice), [held.id]), refusedWith("approval-over"))
    assert.equal(rooms.agents.agent("bot")?.state, "active")
  })

  test("happens once, however many say it at once", async () => {
    const held = await asked(await session(alice, await fresh()), 40)
    const before = (await gate.entries("approvals.agent-barred")).length
    const tries = Array.from({ length: 8 }, () => reportAgent(rooms, personOf(alice), [held.id]))
    const settled = await Promise.allSettled(tries)
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1)
    assert.equal((await gate.entries("approvals.agent-barred")).length, before + 1)
  })
})

/** The instance that the gate's other tests use was enrolled by an agent that is registered anew. */
async function fresh() {
  Object.assign(gate.bot, await gate.instance())
  return gate.bot
}

test("to report what was refused together stops the agent, once, and takes whoever was asked", async () => {
  await using own = await openTestApproving({ approvals: { pacing: { bulk: 2, perPersonPerMinute: 1000 } } })
  const of = await own.session()
  const ask = async (amount: number) => await own.raise(of, { ...aRaise, amount })
  const [first, second] = [heldOf(await ask(1)), heldOf(await ask(2))]
  assert.equal((await ask(3)).decision.verdict, "deny")
  const state = async ({ id }: { id: string }) => (await own.rooms.approvals.find(id))?.state
  assert.deepEqual([await state(first), await state(second)], ["withdrawn", "withdrawn"])
  const mallory = personOf(await own.person("mallory"))
  await assert.rejects(reportAgent(own.rooms, mallory, [first.id]), refusedWith("approval-unknown"))
  // Neither is decided any more.
  for (const said of ["approve", "deny"] as const) {
    await assert.rejects(own.decide(first.id, own.alice, said), refusedWith("approval-over"))
  }
  const tries = Array.from({ length: 8 }, () => reportAgent(own.rooms, personOf(own.alice), [first.id]))
  const settled = await Promise.allSettled(tries)
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1)
  assert.deepEqual([await state(first), await state(second)], ["reported", "withdrawn"])
  assert.equal(own.rooms.agents.agent("bot")?.state, "suspended")
  assert.equal((await own.rooms.sessions.openOf({ user: own.alice.id })).length, 0)
  await assert.rejects(reportAgent(own.rooms, personOf(own.alice), [second.id]), refusedWith("approval-over"))
})

describe("what was asked ends", { timeout: 120_000 }, () => {
  test("with the session, the agent and the instance that asked, approved or not", async () => {
    await using own = await openTestApproving()
    const ask = async (of: string, amount: number, caller = own.gate.bot) =>
      heldOf(await own.raise(of, { ...aRaise, amount }, { caller })).id
    const state = async (id: string) => {
      const found = await own.rooms.approvals.find(id)
      return [found?.state, found?.reason]
    }
    const first = await own.session()
    const [waiting, approved] = [await ask(first, 1), await ask(first, 2)]
    await own.decide(approved, own.alice)
    await endSession(own.rooms, first, "ended", "server")
    assert.deepEqual(await state(waiting), ["withdrawn", "session-ended"])
    assert.deepEqual(await state(approved), ["withdrawn", "session-ended"])
    assert.equal((await own.gate.entries("approvals.withdrawn")).length, 2)

    const twin = await own.gate.instance()
    const [his, its] = [await ask(await own.session(own.alice, twin), 3, twin), await ask(await own.session(), 4)]
    await revokeInstance(own.rooms, own.gate.operator, { agent: "bot", instance: twin.instance }, "lost")
    assert.deepEqual(await state(his), ["withdrawn", "instance-revoked"])
    assert.equal((await state(its))[0], "requested")
    await setAgentState(own.rooms, own.gate.operator, "bot", "suspended", "look")
    assert.deepEqual(await state(its), ["withdrawn", "agent-suspended"])
  })
})
