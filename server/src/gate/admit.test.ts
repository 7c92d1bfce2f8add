import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { Refusal, refusalCode } from "#kernel"
import { act } from "./act.ts"
import { actionSchema } from "./action.ts"
import { admit } from "./admit.ts"
import { before, document, openTestGate, permit, readKb } from "./fixture.ts"
import { setAgentState } from "./stop.ts"

const gate = await openTestGate()
const { rooms, bot, operator } = gate
const forbidAll = {
  policies: [{ file: "bot.cedar", text: `${permit} @id("never") forbid (principal, action, resource);` }],
}
const ask = (session: string, more = {}) => ({ session, action: { ...readKb, ...more }, idempotencyKey: null })
const eventsOf = async (session: string) =>
  (await gate.entries()).filter((leaf) => leaf.session === session).map(({ event }) => event)

describe("the gate admits", () => {
  after(() => gate[Symbol.asyncDispose]())

  test("an allowed credential is begun, intended and issued, and the begun entry has its outcome", async () => {
    const { session } = await gate.open()
    const { decision, handed, entry } = await gate.lease(session.id)
    assert.equal(decision.verdict, "allow")
    assert.equal(handed?.lease.state, "live")
    assert.deepEqual((await eventsOf(session.id)).slice(-3), [
      "gate.action-begun",
      "credentials.lease-intended",
      "credentials.lease-issued",
    ])
    const [issued] = await gate.entries("credentials.lease-issued")
    assert.equal(issued?.of, entry)
  })

  test("nothing is asked of the resource before the entry is durable", async () => {
    const { session } = await gate.open()
    gate.resource.beforeIssue = async () => {
      gate.resource.beforeIssue = async () => undefined
      assert.deepEqual((await eventsOf(session.id)).slice(-2), ["gate.action-begun", "credentials.lease-intended"])
    }
    assert.equal((await gate.lease(session.id)).handed?.lease.state, "live")
  })

  test("a denial is recorded with its reasons and makes nothing", async () => {
    const { session } = await gate.open()
    const { decision, lease } = await admit(rooms, bot, ask(session.id, { operation: "write" }))
    assert.deepEqual([decision.verdict, lease], ["deny", null])
    const [denied] = (await gate.entries("gate.action-denied")).slice(-1)
    assert.deepEqual(denied?.data?.["reasons"], decision.reasons)
    assert.match(decision.reasons[0]!, /No policy permits bot to write kb for answer/)
    assert.equal((await eventsOf(session.id)).includes("credentials.lease-intended"), false)
  })

  test("what is outside of the ceiling or the mandate is denied in words before policy is asked", async () => {
    const { session } = await gate.open()
    for (const more of [{ resource: "crm" }, { operation: "drop" }, { type: "sql" }]) {
      const { decision } = await admit(rooms, bot, ask(session.id, more) as never)
      assert.equal(decision.verdict, "deny")
      assert.match(decision.reasons.join(), /The ceiling of agent bot does not include to/)
    }
    const narrow = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
    await gate.apply({ purposes: { answer: { ...document.purposes.answer, actions: [narrow] } } })
    const { session: narrower } = await gate.open()
    await gate.apply()
    const { decision } = await admit(rooms, bot, ask(narrower.id, { operation: "write" }))
    assert.match(decision.reasons.join(), /The mandate of this session, for answer, does not include to write kb/)
  })

  test("an entry never holds the arguments, nor a digest that they could be guessed from", async () => {
    const { session } = await gate.open()
    const action = { arguments: { query: "the-secret-word" } }
    const first = await admit(rooms, bot, ask(session.id, action))
    const second = await admit(rooms, bot, ask(session.id, action))
    assert.notEqual(first.action.digest, second.action.digest)
    assert.equal(JSON.stringify(await gate.entries()).includes("the-secret-word"), false)
  })

  test("an action that no configuration could name is no action, and is not recorded", () => {
    for (const more of [
      { resource: "ada@example.org" },
      { operation: "a b" },
      { resource: "" },
      { operation: "../x" },
    ]) {
      assert.equal(actionSchema.safeParse({ ...readKb, ...more }).success, false, JSON.stringify(more))
    }
    assert.equal(actionSchema.safeParse({ ...readKb, type: "http", operation: "GET/v1/x" }).success, true)
  })

  test("a session of another instance is unknown, and one that ended is over", async () => {
    const { session } = await gate.open()
    const twin = await gate.instance()
    await assert.rejects(admit(rooms, twin, ask(session.id)), { code: "session-unknown" })
    await rooms.audit.commit(rooms.sessions.end(session.id, "ended", "server"))
    await rooms.epoch.refresh()
    await assert.rejects(admit(rooms, bot, ask(session.id)), { code: "session-ended" })
  })

  test("a decision stands when what was taken away meanwhile was somebody else's", async () => {
    const { session } = await gate.open()
    const { entry } = await admit(before(rooms, gate.bump), bot, ask(session.id))
    assert.equal((await eventsOf(session.id)).includes("gate.action-discarded"), false)
    assert.equal((await gate.entries("gate.action-begun")).at(-1)?.id, entry)
  })

  test("what policy forbids between the question and the commit is not given, and its lease is taken back", async () => {
    const { session } = await gate.open()
    const forbidding = before(rooms, async (commit) => {
      if (commit === 1) await gate.apply(forbidAll)
    })
    const { decision, handed, lease } = await act(forbidding, bot, ask(session.id))
    await gate.apply()
    assert.deepEqual([decision.verdict, handed, lease], ["deny", null, null])
    assert.deepEqual(
      (await eventsOf(session.id)).slice(2, 6).sort(),
      ["credentials.lease-intended", "gate.action-begun", "gate.action-denied", "gate.action-discarded"].sort(),
    )
    const [intended] = await rooms.credentials.leases({ session: session.id })
    const ended = await rooms.credentials.settled(intended!.id)
    assert.deepEqual([ended.state, ended.ending], ["revoked", "discarded"])
  })

  test("an agent that is suspended while it is decided gets nothing, allowed action or not", async () => {
    const suspected = await gate.instance()
    for (const action of [readKb, { ...readKb, type: "tool", operation: "ask" } as const]) {
      const { session } = await gate.open(suspected)
      await gate.apply({ policies: [{ file: "a.cedar", text: `@id("all") permit (principal, action, resource);` }] })
      const suspending = before(rooms, async (commit) => {
        if (commit === 1) await setAgentState(rooms, operator, "bot", "suspended", "test")
      })
      await assert.rejects(act(suspending, suspected, { session: session.id, action, idempotencyKey: null }), {
        code: "agent-suspended",
      })
      await setAgentState(rooms, operator, "bot", "active", "test")
      await gate.apply()
      const leases = await rooms.credentials.leases({ session: session.id })
      for (const { id } of leases) assert.equal((await rooms.credentials.settled(id)).liveAt, null)
    }
  })

  test("an instance that is revoked while it is decided gets nothing, its sessions ended or not yet", async () => {
    const suspected = await gate.instance()
    const { session } = await gate.open(suspected)
    const revoking = before(rooms, async (commit) => {
      const of = { agent: "bot", instance: suspected.instance }
      if (commit === 1) await rooms.audit.commit(rooms.agents.revokeInstance(of, "test", operator.spiffeId))
    })
    await assert.rejects(act(revoking, suspected, ask(session.id)), { code: "identity-unknown" })
    const [intended] = await rooms.credentials.leases({ session: session.id })
    assert.equal((await rooms.credentials.settled(intended!.id)).liveAt, null)
    await gate.lease((await gate.open()).session.id)
  })

  test("rights that change at every try end in a refusal that may be repeated", async () => {
    const { session } = await gate.open()
    const texts = [permit, `${permit} @id("never") forbid (principal, action, resource);`]
    const flipping = before(rooms, async (commit) => {
      // Each try commits a decision, then that it is thrown away.
      if (commit % 2 === 1)
        await gate.apply({ policies: [{ file: "bot.cedar", text: texts[((commit + 1) / 2) % 2]! }] })
    })
    await assert.rejects(admit(flipping, bot, ask(session.id)), { code: "epoch-changed" })
    await gate.apply()
    assert.equal((await eventsOf(session.id)).filter((event) => event === "gate.action-discarded").length, 5)
    for (const { id } of await rooms.credentials.leases({ session: session.id })) {
      assert.equal((await rooms.credentials.settled(id)).ending, "discarded")
    }
  })

  test("a decision taken again keeps its lease, so that its key still names it", async () => {
    const { session } = await gate.open()
    const other = {
      policies: [
        {
          file: "bot.cedar",
          text: `${permit} @id("not-drop") forbid (principal, action, resource) when { context.operation == "drop" };`,
        },
      ],
    }
    const changing = before(rooms, async (commit) => {
      if (commit === 1) await gate.apply(other)
    })
    const request = { ...ask(session.id), idempotencyKey: "one" }
    const first = await act(changing, bot, request)
    assert.equal((await eventsOf(session.id)).filter((event) => event === "gate.action-discarded").length, 1)
    const again = await act(rooms, bot, request)
    assert.equal(again.handed?.lease.id, first.handed?.lease.id)
    assert.deepEqual(again.handed?.credential.reveal(), first.handed?.credential.reveal())
    assert.equal((await rooms.credentials.leases({ session: session.id })).length, 1)
  })

  test("a replay hands out the same credential under an entry of its own, which has its outcome", async () => {
    const { session } = await gate.open()
    const first = await gate.lease(session.id, "twice")
    const again = await gate.lease(session.id, "twice")
    assert.equal(again.handed?.lease.id, first.handed?.lease.id)
    assert.notEqual(again.entry, first.entry)
    const outcome = (await gate.entries("gate.action-succeeded")).at(-1)
    assert.deepEqual([outcome?.of, outcome?.data], [again.entry, { lease: first.lease?.id, replay: true }])
    await gate.store.owner.query("update audit.intents set deadline = now() - interval '1 s'")
    const missed = (await gate.entries("audit.outcome-missing")).length
    await rooms.audit.sweepIntents()
    const missing = (await gate.entries("audit.outcome-missing")).slice(missed)
    assert.equal(
      missing.some(({ of }) => of === again.entry || of === first.entry),
      false,
    )
  })

  test("an Idempotency-Key is one session's, and for one thing", async () => {
    const [one, two] = [await gate.open(), await gate.open()]
    const first = await gate.lease(one.session.id, "key")
    assert.notEqual((await gate.lease(two.session.id, "key")).handed?.lease.id, first.handed?.lease.id)
    await gate.apply({ policies: [{ file: "a.cedar", text: `@id("all") permit (principal, action, resource);` }] })
    const write = { session: one.session.id, action: { ...readKb, operation: "write" }, idempotencyKey: "key" }
    await assert.rejects(act(rooms, bot, write), { code: "idempotency-conflict" })
    await gate.apply()
  })

  test("a log that cannot be written denies: nothing is made, nothing is told", async () => {
    const { session } = await gate.open()
    await gate.unplugged(() => assert.rejects(gate.lease(session.id), { code: "store-unavailable" }))
    assert.deepEqual(await rooms.credentials.leases({ session: session.id }), [])
  })

  test("a credential that cannot be made fails its action, and the failure is the one the caller hears of", async () => {
    const { session } = await gate.open()
    gate.resource.beforeIssue = async () => {
      throw Object.assign(new Error("broken"), { code: "XX000" })
    }
    const failing = await gate.lease(session.id).catch((error: unknown) => error)
    gate.resource.beforeIssue = async () => undefined
    assert.equal(refusalCode(failing), null)
    const failed = (await gate.entries("gate.action-failed")).at(-1)
    assert.deepEqual([failed?.session, failed?.data], [session.id, { code: "internal" }])
  })

  test("a credential whose confirmation was recorded, and only the answer lost, has that one outcome", async () => {
    const { session } = await gate.open()
    const lost = new Refusal("store-unavailable", "The answer was lost.")
    const issue: typeof rooms.credentials.issue = async (lease, intent) => {
      await rooms.credentials.issue(lease, intent)
      throw lost
    }
    const losing = { ...rooms, credentials: { ...rooms.credentials, issue } }
    const asked = act(losing, bot, { session: session.id, action: readKb, idempotencyKey: null })
    await assert.rejects(asked, lost)
    const begun = (await gate.entries("gate.action-begun")).at(-1)!
    const outcomes = (await gate.entries()).filter(({ of }) => of === begun.id)
    assert.deepEqual(
      outcomes.map(({ event }) => event),
      ["credentials.lease-issued"],
    )
  })

  test("when its failure cannot be recorded either, the caller still hears the first reason", async () => {
    const { session } = await gate.open()
    gate.resource.beforeIssue = async () => {
      gate.database.isPulled = true
      throw new TypeError("the first reason")
    }
    try {
      await assert.rejects(gate.lease(session.id), /the first reason/)
    } finally {
      gate.database.isPulled = false
      gate.resource.beforeIssue = async () => undefined
    }
  })
})
