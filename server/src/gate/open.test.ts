import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { complete } from "./act.ts"
import { admit } from "./admit.ts"
import { before, document, openTestGate, readKb } from "./fixture.ts"
import { openSession, renewSession } from "./open.ts"
import { setAgentState } from "./stop.ts"

const gate = await openTestGate()
const { rooms, bot, operator } = gate
const tool = { ...readKb, type: "tool", operation: "ask" } as const
const everything = { policies: [{ file: "a.cedar", text: `@id("all") permit (principal, action, resource);` }] }

describe("a session", { timeout: 30_000 }, () => {
  after(() => gate[Symbol.asyncDispose]())

  test("is opened for a purpose with a token bound to the caller's certificate", async () => {
    const { session, token } = await gate.open(bot, { lifetimeSeconds: 60, hardEndSeconds: 120 })
    assert.equal(session.hardEndAt.getTime() - session.openedAt.getTime(), 120_000)
    assert.equal(
      (await rooms.sessions.verifyToken(token.accessToken, bot.confirmation)).safeconduct_session,
      session.id,
    )
    await assert.rejects(rooms.sessions.verifyToken(token.accessToken, { "x5t#S256": "other" }), {
      code: "token-invalid",
    })
  })

  test("that is refused leaves an entry with the reason's code", async () => {
    await assert.rejects(openSession(rooms, bot, { purpose: "unheard-of" }), { code: "purpose-unknown" })
    await gate.apply({ agents: { bot: { ...document.agents.bot, purposes: [] } } })
    await assert.rejects(gate.open(), { code: "purpose-not-allowed" })
    await gate.apply()
    const refused = (await gate.entries("gate.session-refused")).slice(-2)
    assert.deepEqual(
      refused.map(({ data }) => data),
      [
        { purpose: "unheard-of", code: "purpose-unknown" },
        { purpose: "answer", code: "purpose-not-allowed" },
      ],
    )
  })

  test("stays when somebody else lost something meanwhile", async () => {
    const { session } = await openSession(before(rooms, gate.bump), bot, { purpose: "answer" })
    assert.equal((await rooms.sessions.find(session.id, bot)).state, "open")
  })

  test("is ended and not handed out when its own ground was taken away meanwhile", async () => {
    const narrowing = before(rooms, async (commit) => {
      if (commit === 1) await gate.apply({ agents: { bot: { ...document.agents.bot, purposes: [] } } })
    })
    await assert.rejects(openSession(narrowing, bot, { purpose: "answer" }), { code: "epoch-changed" })
    await gate.apply()
    const [newest] = await rooms.sessions.list(bot, { limit: 1 })
    assert.deepEqual([newest?.state, newest?.endReason], ["ended", "ended"])
  })

  test("is neither opened nor renewed for an agent that was stopped after it was identified", async () => {
    const { session } = await gate.open()
    await rooms.audit.commit(rooms.agents.suspend("bot", "test", operator.spiffeId))
    await rooms.epoch.refresh()
    await assert.rejects(gate.open(), { code: "agent-suspended" })
    await assert.rejects(renewSession(rooms, bot, session.id), { code: "agent-suspended" })
    await setAgentState(rooms, operator, "bot", "active", "test")
    const suspending = before(rooms, async () => {
      await rooms.audit.commit(rooms.agents.suspend("bot", "test", operator.spiffeId))
    })
    await assert.rejects(renewSession(suspending, bot, session.id), { code: "agent-suspended" })
    await setAgentState(rooms, operator, "bot", "active", "test")
    const impostor = { ...bot, agentId: "agent_before" }
    await assert.rejects(gate.open(impostor), { code: "agent-retired" }, "another agent of the same name")
  })

  test("is not given to an instance that was revoked meanwhile, and none of its own is renewed", async () => {
    const suspected = await gate.instance()
    const { session } = await gate.open(suspected)
    const revoke = rooms.agents.revokeInstance(
      { agent: "bot", instance: suspected.instance },
      "test",
      operator.spiffeId,
    )
    const revoking = before(rooms, async (commit) => {
      if (commit === 1) await rooms.audit.commit(revoke)
    })
    await assert.rejects(openSession(revoking, suspected, { purpose: "answer" }), { code: "epoch-changed" })
    const { session: last } = (await gate.entries("sessions.ended")).at(-1)!
    assert.equal((await rooms.sessions.find(last!, suspected)).state, "ended")
    await assert.rejects(gate.open(suspected), { code: "identity-unknown" })
    await assert.rejects(renewSession(rooms, suspected, session.id), { code: "identity-unknown" })
  })

  test("is renewed with a new token, its own only", async () => {
    const { session, token } = await gate.open()
    const renewed = await renewSession(before(rooms, gate.bump), bot, session.id)
    assert.equal(renewed.session.id, session.id)
    assert.notEqual(renewed.token.accessToken, token.accessToken)
    await assert.rejects(renewSession(rooms, await gate.instance(), session.id), { code: "session-unknown" })
  })
})

describe("an outcome", { timeout: 30_000 }, () => {
  test("is taken once, from the instance whose action it is, and its words are erasable", async () => {
    await using held = await openTestGate()
    await held.apply(everything)
    const { session } = await held.open()
    const ask = () => admit(held.rooms, held.bot, { session: session.id, action: tool, idempotencyKey: null })
    const report = (entry: string, caller = held.bot) =>
      complete(held.rooms, caller, entry, { outcome: "succeeded", detail: "told Ada Lovelace" })
    const { entry } = await ask()
    await assert.rejects(report(entry, await held.instance()), { code: "not-found" })
    await assert.rejects(report("entry_unknown"), { code: "not-found" })
    await report(entry)
    await assert.rejects(report(entry), { code: "not-found" })
    const [outcome] = await held.entries("gate.action-succeeded")
    assert.deepEqual([outcome?.of, outcome?.action?.operation, outcome?.data], [entry, "ask", undefined])
    assert.equal(JSON.stringify(outcome).includes("Ada"), false)

    const late = await ask()
    await held.store.owner.query("update audit.intents set deadline = now() - interval '1 s'")
    await held.rooms.audit.sweepIntents()
    await complete(held.rooms, held.bot, late.entry, { outcome: "failed" })
    await assert.rejects(report(late.entry), { code: "not-found" })
    const [failed] = await held.entries("gate.action-failed")
    assert.deepEqual([failed?.of, failed?.data], [late.entry, { late: true }])

    const denied = await admit(held.rooms, held.bot, {
      session: session.id,
      action: { ...tool, operation: "typo" },
      idempotencyKey: null,
    })
    await assert.rejects(report(denied.entry), { code: "not-found" }, "a denied action has no outcome")
    const { entry: made } = await held.lease(session.id)
    await assert.rejects(report(made), { code: "not-found" }, "a credential's outcome is the gate's own")
  })
})
