import assert from "node:assert/strict"
import { after, before as beforeAll, describe, test } from "node:test"
import { refusalCode } from "#kernel"
import type { ActionDetail } from "#sessions"
import { admit } from "./admit.ts"
import { chained, handing, openTestChain, type TestChain } from "./chain.fixture.ts"
import { endSession } from "./end.ts"
import { explainSession } from "./explain.ts"

const part = (actions: string[], more: Partial<ActionDetail> = {}): ActionDetail => ({
  type: "safeconduct_action",
  actions,
  locations: ["kb"],
  ...more,
})

describe("the explanation of a session", () => {
  let chain: TestChain
  beforeAll(async () => {
    chain = await openTestChain()
  })
  after(() => chain?.[Symbol.asyncDispose]())

  const apply = async (actions: ActionDetail[], more = {}) => {
    const answer = { ...chained.purposes.answer, description: "Answer questions on orders", actions }
    const resources = {
      kb: {
        engine: "fake",
        description: "The shop's database",
        operations: { read: { description: "read your orders", labels: ["confidential"] }, write: {} },
      },
    }
    await chain.apply({ purposes: { ...chained.purposes, answer }, resources, ...more })
  }
  const asking = (session: string, amount: number, caller = chain.bot) =>
    admit(chain.rooms, caller, {
      session,
      action: { type: "tool", operation: "ask", resource: "kb", arguments: { amount } },
      idempotencyKey: null,
    })

  test("says what has to be approved because of what it moves", async () => {
    const operations = { read: { elevated: "people" }, write: { approval: "required" } }
    await apply([part(["credential:read", "credential:write"])], {
      resources: { kb: { engine: "fake", operations } },
      policies: [
        {
          file: "people.cedar",
          text: `@id("all") permit (principal, action, resource);
            @id("people") @ask("user") @reason("People are asked about.")
            forbid (principal, action, resource) when { context.elevated == "people" } unless { context.approved };`,
        },
      ],
    })
    const { id } = await chain.root()
    const { may } = await explainSession(chain.rooms, chain.bot, id)
    assert.deepEqual(
      may.map(({ action, verdict, reasons }) => [action, verdict, reasons.length]),
      [
        ["credential:read", "ask", 1],
        ["credential:write", "ask", 1],
      ],
    )
  })

  test("says in words what may be done, how much of each limit is left, and what was used and seen", async () => {
    const limits: ActionDetail["limits"] = [{ uses: 5 }, { uses: 9, budget: "all" }, { sum: "amount", atMost: 80 }]
    await apply([part(["credential:read"]), part(["tool:ask"], { arguments: { amount: [{ atMost: 50 }] }, limits })])
    const { id } = await chain.root()
    assert.equal((await asking(id, 30)).decision.verdict, "allow")
    assert.equal((await asking(id, 20.5)).decision.verdict, "allow")
    assert.equal((await chain.gate.lease(id)).decision.verdict, "allow")
    const { description, requestText, may, used, labels } = await explainSession(chain.rooms, chain.bot, id)
    assert.deepEqual([description, requestText], ["Answer questions on orders", "none"])
    assert.deepEqual(
      may.map(({ words, verdict }) => [words, verdict]),
      [
        ["read your orders in the shop's database", "allow"],
        ["ask in the shop's database, amount at most 50, at most 5 times, amount at most 80 in all", "allow"],
      ],
    )
    assert.deepEqual(may[1]!.limits, [
      { measure: "uses", perSeconds: null, atMost: 5, left: 3 },
      { measure: "sum:amount", perSeconds: null, atMost: 80, left: 29.5 },
    ])
    assert.deepEqual(used, [
      { measure: "sum:amount", spent: 50.5 },
      { measure: "uses", spent: 2 },
    ])
    assert.deepEqual(
      labels.map(({ label }) => label),
      ["confidential"],
    )
  })

  test("of a sub-session, says what is left to those above too", async () => {
    await apply([part(["tool:ask"], { limits: [{ uses: 3 }] }), handing("ship", "shipper")])
    const root = await chain.root()
    const child = await chain.beneath(root, chain.shipper, { details: [part(["tool:ask"], { limits: [{ uses: 2 }] })] })
    await asking(root.id, 1)
    await asking(root.id, 1)
    const { may } = await explainSession(chain.rooms, chain.shipper, child.id)
    assert.deepEqual(may[0]!.limits, [{ measure: "uses", perSeconds: null, atMost: 3, left: 1 }])
    // What is handed on further than this is not said to be possible.
    assert.deepEqual(
      may.map(({ action }) => action),
      ["tool:ask"],
    )
  })

  test("leaves out what a ceiling does not include any more, and says what policies forbid", async () => {
    await apply([part(["tool:ask", "credential:read"])])
    const { id } = await chain.root()
    const ceiling = [part(["tool:ask"])]
    const forbid = `@id("all") permit (principal, action, resource);
      @id("no") @reason("Not on Sundays.") forbid (principal, action == policy::Action::"tool", resource);`
    await apply([part(["tool:ask", "credential:read"])], {
      agents: { ...chained.agents, bot: { ...chained.agents.bot, ceiling } },
      policies: [{ file: "a.cedar", text: forbid }],
    })
    const { may } = await explainSession(chain.rooms, chain.gate.operator, id)
    assert.deepEqual(
      may.map(({ action, verdict, reasons }) => [action, verdict, reasons]),
      [["tool:ask", "deny", ["Not on Sundays."]]],
    )
  })

  test("shows values of parameters to the session's own agent alone", async () => {
    const parameters = { order: { description: "The order", type: "string" } }
    const answer = {
      ...chained.purposes.answer,
      actions: [part(["tool:ask"], { arguments: { order: [{ parameter: "order" }] } })],
      parameters,
    }
    await chain.apply({ purposes: { ...chained.purposes, answer } })
    const seen = { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: {} }
    const { result: user } = await chain.rooms.audit.commit(chain.rooms.sessions.rememberUser(seen, "server"))
    const by = { kind: "provider", claim: "may_act", tokenDigest: "digest" } as const
    const { id } = await chain.root({
      ...{ user, application: null, details: [part(["tool:ask"])], by, providerSession: null },
      ...{ requestText: { kind: "passkey", text: "where is A-17" }, parameters: { order: "A-17" } },
    })
    const wordsFor = async (caller: Parameters<typeof explainSession>[1]) =>
      JSON.stringify(await explainSession(chain.rooms, caller, id).then(({ may, requestText }) => [may, requestText]))
    assert.match(await wordsFor(chain.bot), /order \\"A-17\\"/)
    const shown = await wordsFor(chain.gate.operator)
    assert.match(shown, /the order that this is about.*"passkey"/)
    assert.equal(shown.includes("A-17"), false)
  })

  test("is nobody else's to read, and of a session that is over says that it may nothing", async () => {
    await apply([part(["tool:ask"])])
    const { id } = await chain.root()
    const other = await chain.gate.instance()
    for (const caller of [other, chain.shipper]) {
      await assert.rejects(explainSession(chain.rooms, caller, id), (error) => refusalCode(error) === "session-unknown")
    }
    await asking(id, 1)
    await endSession(chain.rooms, id, "ended", "server")
    const { session, may } = await explainSession(chain.rooms, chain.bot, id)
    assert.deepEqual([session.state, may], ["ended", []])
  })

  test("says that nothing is possible while its agent may not serve the purpose", async () => {
    await apply([part(["tool:ask"]), handing("ship", "shipper")])
    const root = await chain.root()
    const { id } = root
    const purposes = { ...chained.agents, bot: { ...chained.agents.bot, purposes: ["ship"] } }
    await apply([part(["tool:ask"])], { agents: purposes })
    const { may } = await explainSession(chain.rooms, chain.gate.operator, id)
    assert.ok(may.length > 0 && may.every(({ verdict }) => verdict === "deny"))
  })
})
