import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { refusalCode } from "#kernel"
import { act } from "../act.ts"
import { before } from "../fixture.ts"
import { approving, aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"
import { moreTime } from "./decide.ts"

const at = await openTestApproving()
const { gate, rooms, alice, session, raise, decide } = at
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const begun = async () => (await gate.entries("gate.action-begun")).length

describe("an action that waits for a person", () => {
  after(() => at[Symbol.asyncDispose]())

  test("is held under one request, however often it is asked, and happens once when that is approved", async () => {
    const id = await session()
    const before = await begun()
    const held = heldOf(await raise(id))
    assert.equal(heldOf(await raise(id)).id, held.id)
    assert.notEqual(heldOf(await raise(id, { ...aRaise, amount: 5300 })).id, held.id)
    const early = await raise(id, aRaise, { approval: held.id })
    assert.deepEqual([early.decision.verdict, early.held?.id], ["ask", held.id])
    assert.equal(await begun(), before, "nothing has happened")
    await decide(held.id, alice)
    const done = await raise(id, aRaise, { approval: held.id, key: "k1" })
    assert.equal(done.decision.verdict, "allow")
    const { leaf } = await rooms.audit.entry(done.entry)
    assert.equal(leaf.data!["approval"], held.id)
    assert.equal(leaf.action!.digest, held.action!.digest)
    assert.equal(
      (await raise(id, aRaise, { approval: held.id, key: "k1" })).entry,
      done.entry,
      "the same request again",
    )
    for (const key of ["k2", undefined]) {
      const again = await raise(id, aRaise, { approval: held.id, ...(key && { key }) })
      assert.deepEqual(
        [again.decision.verdict, again.decision.reasons],
        ["deny", ["This approval was used. Ask for the action anew."]],
      )
    }
    assert.equal(await begun(), before + 1)
  })

  test("one approval lets one action pass, whoever is first of many", async () => {
    const id = await session()
    const held = heldOf(await raise(id))
    await decide(held.id, alice)
    await using other = await gate.another()
    const tries = Array.from({ length: 16 }, (_, nth) =>
      raise(id, aRaise, { approval: held.id, key: `race-${nth}`, rooms: nth % 2 === 0 ? rooms : other.rooms }).then(
        ({ decision }) => decision.verdict,
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    assert.equal(answers.filter((answer) => answer === "allow").length, 1)
    for (const answer of answers) assert.ok(["allow", "deny", "approval-used"].includes(String(answer)), String(answer))
  })

  test("the same request many times at once is one action, and one answer", async () => {
    const id = await session()
    const held = heldOf(await raise(id, { ...aRaise, amount: 1212 }))
    await decide(held.id, alice)
    const earlier = await begun()
    const tries = Array.from({ length: 8 }, () =>
      raise(id, { ...aRaise, amount: 1212 }, { approval: held.id, key: "once" }),
    )
    const entries = (await Promise.all(tries)).map(({ entry, decision }) => `${decision.verdict} ${entry}`)
    assert.equal(new Set(entries).size, 1)
    assert.equal(await begun(), earlier + 1)
  })

  test("a decision that is thrown away gives the approval back, and the next one uses it", async () => {
    const id = await session()
    const held = heldOf(await raise(id, { ...aRaise, amount: 1313 }))
    await decide(held.id, alice)
    let isFirst = true
    const moving = before(rooms, async () => {
      if (!isFirst) return
      isFirst = false
      // Another configuration, and back again: what was decided meanwhile is thrown away.
      await gate.apply({
        ...approving,
        purposes: { answer: { ...approving.purposes.answer, description: "X" } },
      } as never)
    })
    const given = { ...aRaise, amount: 1313 }
    const first = await raise(id, given, { approval: held.id, rooms: moving })
    assert.equal(first.decision.verdict, "deny", "its policies are not in force any more")
    await gate.apply(approving as never)
    const { usedAt } = (await rooms.approvals.find(held.id))!
    assert.equal(usedAt, null)
    assert.equal((await raise(id, given, { approval: held.id })).decision.verdict, "allow")
  })

  test("is refused when anything of it is another: amount, session, instance, policy", async () => {
    const id = await session()
    const held = heldOf(await raise(id))
    await decide(held.id, alice)
    const verdict = async (...about: Parameters<typeof raise>) => (await raise(...about)).decision
    const changed = await verdict(id, { ...aRaise, amount: 52_000 }, { approval: held.id })
    assert.deepEqual(
      [changed.verdict, changed.reasons],
      ["deny", ["This is not the action that approval was asked for."]],
    )
    assert.equal((await verdict(await session(), aRaise, { approval: held.id })).verdict, "deny")
    const caller = await gate.instance()
    const theirs = await session(alice, caller)
    assert.equal((await verdict(theirs, aRaise, { approval: held.id, caller })).verdict, "deny")
    await gate.apply({
      ...approving,
      purposes: { answer: { ...approving.purposes.answer, description: "Other" } },
    } as never)
    const stale = await verdict(id, aRaise, { approval: held.id })
    assert.match(stale.reasons.join(), /Policies changed/)
    await gate.apply(approving as never)
    assert.equal(
      (await verdict(id, aRaise, { approval: held.id })).verdict,
      "allow",
      "the very policies that it was asked under",
    )
  })

  test("a denial is final, and so is an approval: whoever decides later is refused", async () => {
    const id = await session()
    const [one, two] = [heldOf(await raise(id)), heldOf(await raise(id, { ...aRaise, amount: 1 }))]
    await decide(one.id, alice, "deny", "session")
    await assert.rejects(decide(one.id, alice), refusedWith("approval-over"))
    assert.equal((await raise(id, aRaise, { approval: one.id })).decision.verdict, "deny")
    const many = await Promise.allSettled(
      Array.from({ length: 8 }, (_, nth) => decide(two.id, alice, nth % 2 === 0 ? "approve" : "deny")),
    )
    assert.equal(many.filter(({ status }) => status === "fulfilled").length, 1)
  })

  test("a card says how many requests of the agent there were within a day, and of no other", async () => {
    const shown = async (given: object) => heldOf(await raise(await session(), { ...aRaise, ...given })).facts!.before
    const first = await shown({ amount: 71 })
    assert.equal(await shown({ amount: 72 }), first + 1)
    await gate.store.owner.query("update approvals.requests set requested_at = requested_at - interval '1 day'")
    assert.equal(await shown({ amount: 73 }), 0)
    await gate.store.owner.query("update approvals.requests set agent = 'other' where facts is not null")
    assert.equal(await shown({ amount: 74 }), 0)
  })

  test("nobody decides but whom it is asked of, and being signed in is not enough to sign", async () => {
    const held = heldOf(await raise(await session()))
    const mallory = await at.person("mallory")
    await assert.rejects(decide(held.id, mallory), refusedWith("approval-unknown"))
    await assert.rejects(decide(held.id, mallory, "deny"), refusedWith("approval-unknown"))
    await assert.rejects(decide(held.id, alice, "approve", "session"), refusedWith("proof-insufficient"))
    assert.equal((await rooms.approvals.find(held.id))!.state, "requested")
  })

  test("expiry is denial, and withdrawal too", async () => {
    const id = await session()
    const [one, two] = [heldOf(await raise(id)), heldOf(await raise(id, { ...aRaise, amount: 2 }))]
    await gate.store.owner.query("update approvals.requests set expires_at = now() where id = $1", [one.id])
    await assert.rejects(decide(one.id, alice), refusedWith("approval-over"))
    assert.ok(await rooms.approvals.waitFor(one.id, "requested", 20_000), "the sweep says so")
    assert.equal((await rooms.approvals.find(one.id))!.state, "expired")
    await decide(two.id, alice)
    await rooms.audit.commit(rooms.approvals.withdraw({ session: id }, "session-ended", "server"))
    for (const { id: approval } of [one, two]) {
      const given = approval === one.id ? aRaise : { ...aRaise, amount: 2 }
      assert.equal((await raise(id, given, { approval })).decision.verdict, "deny")
    }
  })

  test("more time for several is more time for those that wait still, when one is decided just then", async () => {
    const id = await session()
    const [first, second] = [
      heldOf(await raise(id, { employee: "E-1" })),
      heldOf(await raise(id, { employee: "E-2" })),
    ] as const
    const { approvals } = rooms
    const racing: typeof approvals = {
      ...approvals,
      async extendable(ids) {
        const found = await approvals.extendable(ids)
        await decide(second.id, alice, "deny")
        return found
      },
    }
    await moreTime({ ...rooms, approvals: racing }, alice, [second.id, first.id])
    assert.equal((await approvals.find(first.id))!.expiresAt.getTime() - first.expiresAt.getTime(), 300_000)
    assert.equal((await approvals.find(second.id))!.state, "denied")
    await assert.rejects(moreTime(rooms, alice, [second.id]), refusedWith("approval-over"))
    await assert.rejects(moreTime(rooms, await at.person("eve"), [first.id]), refusedWith("approval-unknown"))
  })

  test("with nobody who could approve it, it is denied", async () => {
    const own = (await gate.open()).session.id
    const { decision } = await raise(own)
    assert.equal(decision.verdict, "deny")
    assert.match(decision.reasons.join(), /nobody who could give it/)
  })

  test("what moves people is told, and what is looked at is not", async () => {
    const id = await session()
    const notices = () => gate.store.owner.query("select kind from approvals.notices where kind = 'told'")
    const before = (await notices()).length
    for (const operation of ["look", "onboard"]) {
      const action = { type: "tool", resource: "hr", operation, arguments: {} } as const
      const { decision } = await act(rooms, gate.bot, { session: id, action, idempotencyKey: null })
      assert.equal(decision.verdict, "allow")
    }
    assert.equal((await notices()).length, before + 1)
  })

  test("the log has neither arguments nor what is shown, but commitments to them", async () => {
    const held = heldOf(await raise(await session(), { employee: "E-secret", amount: 4711 }))
    const leaves = JSON.stringify([
      ...(await gate.entries("approvals.requested")),
      ...(await gate.entries("gate.action-held")),
    ])
    assert.ok(!leaves.includes("E-secret") && !leaves.includes("4711"))
    const entries = await gate.entries("approvals.requested")
    const entry = entries.find(({ data }) => data!["approval"] === held.id)!
    const { disclosures } = await rooms.audit.entry(entry.id)
    assert.deepEqual((disclosures!["action"]!.value as { arguments: object }).arguments, {
      employee: "E-secret",
      amount: 4711,
    })
  })
})
