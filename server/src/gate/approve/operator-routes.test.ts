import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { Principal } from "#agents"
import { type Json, refusalCode } from "#kernel"
import { aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"
import { challengeFor } from "./decide.ts"
import { leaveToOffer } from "./leave.ts"
import { approvalOperatorRoutes } from "./operator-routes.ts"
import { reportAgent } from "./report.ts"
import { approvalRoutes } from "./routes.ts"

const at = await openTestApproving()
const { gate, rooms, alice, session, raise } = at
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const shown = () => ({ version: "1", locale: "en", digest: "card" })

type Asked = { query?: Record<string, string>; id?: string; body?: Json }

/** Asks a route, as the listener does once it has checked the right. */
async function call(route: string, caller: Principal, { query = {}, id = "", body = {} }: Asked = {}) {
  const all = [...approvalOperatorRoutes(rooms), ...approvalRoutes(rooms)]
  const found = all.find(({ method, path }) => `${method} ${path}` === route)!
  const given = { caller, params: { id }, query, body, headers: new Headers(), listener: "agents" } as never
  return (await found.handle(given)) as { [name: string]: Json } & { [name: string]: { id: string }[] }
}

async function signed(held: Awaited<ReturnType<typeof raise>>["held"], hasLeave: boolean) {
  const bounds = hasLeave ? await leaveToOffer(rooms, held!) : null
  const { statements } = await challengeFor(rooms, alice, { ids: [held!.id], shown, bounds })
  const proven = { way: "passkey", evidence: {} } as const
  const said = { id: held!.id, person: alice, decision: "approve", proven, statement: statements[0]! } as const
  await rooms.audit.commit(rooms.approvals.decide(said))
}

describe("operators", { timeout: 60_000 }, () => {
  after(() => at[Symbol.asyncDispose]())

  test("see who asked for what and who said what, and nothing that was shown", async () => {
    const of = await session()
    const held = heldOf(await raise(of, { ...aRaise, employee: "E-secret" }))
    await at.decide(held.id, alice)
    const { approvals } = await call("GET /v1/approvals", gate.operator, { query: { session: of } })
    assert.equal(approvals!.length, 1)
    const view = await call("GET /v1/approvals/{id}", gate.operator, { id: held.id })
    assert.deepEqual(view, approvals![0])
    assert.deepEqual([view["state"], view["resource"], view["operation"]], ["approved", "hr", "raise"])
    assert.ok(!JSON.stringify(view).includes("E-secret"))
    await assert.rejects(call("GET /v1/approvals/{id}", gate.operator, { id: "x" }), refusedWith("approval-unknown"))
  })

  test("see what agents do not: an agent lists its own instance's, in its own session", async () => {
    const of = await session()
    const own = heldOf(await raise(of, { ...aRaise, amount: 2 }))
    const twin = await gate.instance()
    const list = async (caller: Principal, query = {}) => {
      const { approvals } = await call("GET /v1/approvals", caller, { query })
      return approvals!.map(({ id }) => id)
    }
    assert.ok((await list(gate.bot)).includes(own.id))
    assert.deepEqual(await list(twin), [])
    assert.deepEqual(await list({ ...gate.bot, onlySession: of }), [own.id])
    assert.deepEqual(await list({ ...gate.bot, onlySession: of }, { session: await session() }), [])
    assert.deepEqual(await list(gate.bot, { agent: "other" }), [])
    await assert.rejects(call("GET /v1/approvals/{id}", twin, { id: own.id }), refusedWith("approval-unknown"))
  })

  test("see leave that was given, how much is left of it, and take it back", async () => {
    const of = await session()
    const first = heldOf(await raise(of))
    await signed(first, false)
    await raise(of, aRaise, { approval: first.id })
    await signed(heldOf(await raise(of)), true)
    assert.equal((await raise(of)).decision.verdict, "allow")
    const { grants } = await call("GET /v1/approvals/grants", gate.operator, { query: { session: of } })
    const [grant] = grants as unknown as { id: string; left: number; of: number; isStanding: boolean }[]
    assert.deepEqual([grant?.left, grant?.of, grant?.isStanding], [4, 5, true])
    await call("DELETE /v1/approvals/grants/{id}", gate.operator, { id: grant!.id })
    assert.equal((await raise(of)).decision.verdict, "ask")
    await assert.rejects(
      call("DELETE /v1/approvals/grants/{id}", gate.operator, { id: grant!.id }),
      refusedWith("not-found"),
    )
  })

  test("see how much people are asked, of which they can be asked less", async () => {
    const report = (await call("GET /v1/approvals/report", gate.operator, { query: { hours: "1" } })) as never as {
      actions: number
      asked: { requests: number }
      policies: { policy: string }[]
    }
    assert.ok(report.asked.requests >= 4 && report.actions >= report.asked.requests)
    assert.deepEqual(report.policies[0]?.policy, "raises-are-signed")
  })

  test("see what was reported, and lift it", async () => {
    await reportAgent(rooms, alice, [heldOf(await raise(await session())).id])
    const { reports } = await call("GET /v1/approvals/reports", gate.operator)
    const lifted = await call("DELETE /v1/approvals/reports/{id}", gate.operator, {
      id: reports![0]!.id,
      body: { reason: "looked at it" },
    })
    assert.equal(lifted["liftedBy"], gate.operator.spiffeId)
    assert.equal(rooms.agents.agent("bot")?.state, "active")
  })
})
