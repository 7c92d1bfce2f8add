import assert from "node:assert/strict"
import { after, beforeEach, describe, test } from "node:test"
import type { Approval, GrantBounds } from "#approvals"
import { refusalCode } from "#kernel"
import type { User } from "#sessions"
import { endSession } from "../end.ts"
import { approving, heldOf, openTestApproving } from "./approve.fixture.ts"
import { challengeFor } from "./decide.ts"
import { leaveToOffer } from "./leave.ts"

/** Amounts are bounded by the mandate, an employee is a sink that nobody can verify. */
const detail = {
  ...{ type: "safeconduct_action", actions: ["tool:raise", "tool:look", "tool:onboard"], locations: ["hr"] },
  arguments: { amount: [{ atMost: 10_000 }], employee: [{ approval: "user" }] },
}
const configuration = {
  ...approving,
  purposes: { answer: { description: "Do HR work", actions: [detail], session: {} } },
  agents: { bot: { owner: "owner@example.org", purposes: ["answer"], ceiling: [detail] } },
}
const at = await openTestApproving(configuration)
const { gate, rooms, alice, session, raise } = at
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const shown = () => ({ version: "1", locale: "en", digest: "card" })
const raised = (amount: number, employee = "E-7") => ({ employee, amount })

/** Alice signs, with bounds where given; `way` is how. */
async function sign(
  held: Approval,
  bounds: GrantBounds | null = null,
  who: User = alice,
  way: "passkey" | "session" = "passkey",
) {
  const { statements } = await challengeFor(rooms, who, { ids: [held.id], shown, bounds })
  const proven = { way, evidence: {} }
  const decision = { id: held.id, person: who, decision: "approve", proven, statement: statements[0]! } as const
  return (await rooms.audit.commit(rooms.approvals.decide(decision))).result
}

/** A session in which Alice has approved a raise by 10, and what she is offered with the next. */
async function offered(amount = 20) {
  const of = await session()
  const first = heldOf(await raise(of, raised(10)))
  await sign(first)
  assert.equal((await raise(of, raised(10), { approval: first.id })).decision.verdict, "allow")
  const held = heldOf(await raise(of, raised(amount)))
  return { of, held, bounds: (await leaveToOffer(rooms, held))! }
}

/** A session with leave for three raises of at most 20, of 45 in all. */
async function withLeave(more: Partial<GrantBounds> = {}) {
  const { of, held, bounds } = await offered()
  await sign(held, { ...bounds, uses: 3, total: { amount: 45 }, ...more })
  const [grant] = await rooms.approvals.grants.list({ session: of })
  return { of, grant: grant! }
}

describe("leave for more of the same", { timeout: 120_000 }, () => {
  after(() => at[Symbol.asyncDispose]())
  beforeEach(async () => await gate.apply(configuration as never))

  test("is offered after one of the kind was approved, with no more than was seen", async () => {
    const of = await session()
    const first = heldOf(await raise(of, raised(10)))
    assert.equal(await leaveToOffer(rooms, first), null)
    const { bounds } = await offered(20)
    const { kind, uses, each, total, fixed, free } = bounds
    assert.deepEqual(
      [kind, uses, each, total, fixed, free],
      ["grant", 5, { amount: 20 }, { amount: 100 }, { employee: ["E-7"] }, []],
    )
  })

  test("lets what is within it pass unasked, says how much is left, and stands in each entry", async () => {
    const { of, grant } = await withLeave()
    for (const [nth, left] of [2, 1].entries()) {
      const done = await raise(of, raised(20 - nth))
      assert.deepEqual([done.decision.verdict, done.leave?.left, done.leave?.of], ["allow", left, 3])
      const { leaf } = await rooms.audit.entry(done.entry)
      assert.equal(leaf.data?.["grant"], grant.id)
    }
    assert.equal((await raise(of, raised(7))).decision.verdict, "ask", "39 of 45 are gone")
    assert.equal((await raise(of, raised(6))).leave?.left, 0)
    assert.equal((await raise(of, raised(1))).decision.verdict, "ask", "all three are used")
    const [told] = await gate.store.owner.query<{ count: number }>(
      "select count(*)::int as count from approvals.notices where kind = 'told' and user_id = $1",
      [alice.id],
    )
    assert.equal(told?.count, 3, "she hears of each, because money moves")
  })

  test("is for nothing else: another employee, more, another argument, session, instance or user", async () => {
    const { of } = await withLeave()
    for (const given of [raised(20.5), raised(5, "E-8"), { ...raised(5), bonus: 1 }, { employee: "E-7" }]) {
      assert.notEqual((await raise(of, given)).decision.verdict, "allow", JSON.stringify(given))
    }
    assert.equal((await raise(await session(), raised(5))).decision.verdict, "ask")
    const caller = await gate.instance()
    assert.equal((await raise(await session(alice, caller), raised(5), { caller })).decision.verdict, "ask")
    assert.equal((await raise(await session(await at.person("bob")), raised(5))).decision.verdict, "ask")
    assert.equal((await raise(of, raised(5))).decision.verdict, "allow")
  })

  test("is never used more often, or for more, than it says, whoever is first of many on two servers", async () => {
    const { of, grant } = await withLeave({ uses: 5, each: { amount: 20 }, total: { amount: 70 } })
    await using other = await gate.another()
    const tries = Array.from({ length: 64 }, (_, nth) =>
      raise(of, raised(20 - (nth % 4)), { rooms: nth % 2 === 0 ? rooms : other.rooms }).then(
        ({ decision, leave }) => (leave === null ? decision.verdict : "under leave"),
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    const [spent] = await gate.store.owner.query<{ uses: number; sum: number }>(
      `select max(spent) filter (where measure = 'uses')::float8 as uses,
         max(spent) filter (where measure = 'sum:amount')::float8 as sum from sessions.counts where budget = $1`,
      [`grant:${grant.id}`],
    )
    const used = answers.filter((answer) => answer === "under leave").length
    assert.ok(used >= 3 && used <= 4, `${used} of at least 17 each fit into 70`)
    assert.deepEqual([spent?.uses, spent!.sum <= 70], [used, true])
    const begun = (await gate.entries("gate.action-begun")).filter(({ data }) => data?.["grant"] === grant.id)
    assert.equal(begun.length, used)
    assert.ok(!answers.includes("allow"))
  })

  test("is over when it is revoked, by whom it is from or an operator, with the session, and in time", async () => {
    const { grants } = rooms.approvals
    const one = await withLeave()
    const bob = await at.person("bob")
    await assert.rejects(
      rooms.audit.commit(grants.revoke({ id: one.grant.id, user: bob.id }, bob.id)),
      refusedWith("not-found"),
    )
    await rooms.audit.commit(grants.revoke({ id: one.grant.id, user: alice.id }, alice.id))
    assert.equal((await raise(one.of, raised(5))).decision.verdict, "ask")
    assert.equal((await gate.entries("approvals.grant-revoked")).length, 1)

    const two = await withLeave()
    await gate.store.owner.query("update approvals.grants set until = now() where id = $1", [two.grant.id])
    assert.equal((await raise(two.of, raised(5))).decision.verdict, "ask")

    const three = await withLeave()
    await endSession(rooms, three.of, "ended", "server")
    const ended = await grants.find(three.grant.id)
    assert.deepEqual([ended?.isStanding, ended?.endedBy], [false, "server"])
    await assert.rejects(raise(three.of, raised(5)), refusedWith("session-ended"))
  })

  test("that is revoked while an action is decided lets it pass no more", async () => {
    const { of, grant } = await withLeave()
    let isRevoked = false
    const commit: typeof rooms.audit.commit = async (change) => {
      if (!isRevoked) {
        isRevoked = true
        await rooms.audit.commit(rooms.approvals.grants.revoke({ id: grant.id }, "server"))
      }
      return await rooms.audit.commit(change)
    }
    const { decision, leave } = await raise(of, raised(5), { rooms: { ...rooms, audit: { ...rooms.audit, commit } } })
    assert.deepEqual([decision.verdict, leave], ["ask", null])
    const spent = (await rooms.sessions.usage.spent(of)).filter(({ budget }) => budget.startsWith("grant:"))
    assert.deepEqual(spent, [], "what was thrown away took nothing")
  })

  test("does not outlive the policies that it was given under", async () => {
    const { of } = await withLeave()
    await gate.apply({
      ...configuration,
      purposes: { answer: { ...configuration.purposes.answer, description: "x" } },
    } as never)
    assert.equal((await raise(of, raised(5))).decision.verdict, "ask")
  })

  test("is not given wider than the configuration lets, without a signature, for two at once, or before the first", async () => {
    const { of, held, bounds } = await offered()
    const wide = [
      { ...bounds, uses: 21 },
      { ...bounds, until: new Date(Date.now() + 7_200_000).toISOString() },
      { ...bounds, until: new Date(Date.now() - 1_000).toISOString() },
      { ...bounds, session: "session_other" },
      { ...bounds, each: { amount: 19 } },
      { ...bounds, more: 1 } as never,
    ]
    for (const each of wide) await assert.rejects(sign(held, each), refusedWith("bounds-invalid"))
    await assert.rejects(sign(held, bounds, alice, "session"), refusedWith("proof-insufficient"))
    const second = heldOf(await raise(of, raised(20.5)))
    await assert.rejects(
      challengeFor(rooms, alice, { ids: [held.id, second.id], shown, bounds }),
      refusedWith("bounds-invalid"),
    )
    const early = heldOf(await raise(await session(), raised(20)))
    await assert.rejects(sign(early, { ...bounds, session: early.session }), refusedWith("bounds-invalid"))
    assert.equal((await rooms.approvals.find(held.id))?.state, "requested", "and nothing was approved with it")
    assert.deepEqual(await rooms.approvals.grants.list({ session: of }), [])
  })

  test("is given for nothing that cannot be taken back, and for nothing that a group approves", async () => {
    const { hr } = configuration.resources
    const final = { ...hr, operations: { ...hr.operations, raise: { elevated: "money", irreversible: true } } }
    await gate.apply({ ...configuration, resources: { hr: final } } as never)
    const of = await session()
    const first = heldOf(await raise(of, raised(10)))
    await sign(first)
    const held = heldOf(await raise(of, raised(20)))
    assert.equal(await leaveToOffer(rooms, held), null)
    const bounds: GrantBounds = {
      ...{
        kind: "grant",
        uses: 1,
        each: { amount: 20 },
        total: { amount: 20 },
        fixed: { employee: ["E-7"] },
        free: [],
      },
      ...{ until: new Date(Date.now() + 60_000).toISOString(), session: of },
    }
    await assert.rejects(sign(held, bounds), refusedWith("bounds-invalid"))
    await gate.apply({ ...configuration, approvals: { ...approving.approvals, grants: { maxUses: 0 } } } as never)
    const none = await session()
    await sign(heldOf(await raise(none, raised(10))))
    assert.equal(await leaveToOffer(rooms, heldOf(await raise(none, raised(20)))), null)
  })

  test("with a free argument that decides where the effect lands is leave for nothing", async () => {
    const { of } = await withLeave({ fixed: {}, free: ["employee"] })
    assert.equal((await raise(of, raised(5, "E-666"))).decision.verdict, "ask")
    assert.equal((await raise(of, raised(5))).decision.verdict, "ask")
  })
})
