import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { GrantBounds } from "#approvals"
import { refusalCode } from "#kernel"
import { act } from "../act.ts"
import { approving } from "../approve/approve.fixture.ts"
import { fieldsOf, issuer } from "../consent/fixture.ts"
import { dataOf, openTestPhone, type TestPerson } from "./phone.fixture.ts"

const detail = {
  ...{ type: "safeconduct_action", actions: ["tool:raise", "tool:look", "tool:onboard"], locations: ["hr"] },
  arguments: { amount: [{ atMost: 10_000 }], employee: [{ approval: "user" }] },
}
const phone = await openTestPhone()
const { gate, rooms } = phone.at
const [policy] = rooms.policy.version()!.document.policies
await gate.apply({
  ...approving,
  purposes: { answer: { description: "Do HR work", actions: [detail], session: {} } },
  agents: { bot: { owner: "owner@example.org", purposes: ["answer"], ceiling: [detail] } },
  policies: [policy!],
} as never)
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code

/** A session in which she has approved one raise, and another that waits. */
async function second(alice: TestPerson, employee = "E-7") {
  const first = await phone.ask(alice.user, "raise", { employee, amount: 10 })
  await sign(alice, first.id, null)
  const session = first.session
  const action = (amount: number) =>
    ({ type: "tool", resource: "hr", operation: "raise", arguments: { employee, amount } }) as const
  const ask = (amount: number) => act(rooms, gate.bot, { session, action: action(amount), idempotencyKey: null })
  return { ask, held: (await ask(20)).held! }
}

/** What the page offers; null where it offers nothing. */
async function offered({ browser }: TestPerson, id: string): Promise<GrantBounds | null> {
  const { text } = await browser.get(`/approvals/${id}`)
  if (!text.includes("<details data-bounds=")) return null
  return JSON.parse(dataOf(text, "bounds").replaceAll("&quot;", '"').replaceAll("&#34;", '"'))
}

/** As the page's script does: what is left to the agent is signed, and sent along. */
async function sign({ browser, passkey }: TestPerson, id: string, bounds: GrantBounds | null, sent = bounds) {
  const { text } = await browser.get(`/approvals/${id}`)
  const asking = { form: dataOf(text, "token"), locale: "en", bounds, items: [id] }
  const answer = await browser.post(dataOf(text, "challenge"), asking as never)
  const { statements, options } = JSON.parse(answer.text)
  const response = JSON.stringify(passkey!.get(options, issuer))
  const left = sent === null ? "" : JSON.stringify(sent)
  const form = { ...fieldsOf(text), response, decision: "approve", bounds: left }
  await browser.post(`/approvals/${id}/decision`, form)
  return JSON.parse(statements[0]!)
}

describe("on a card's page somebody", { timeout: 60_000 }, () => {
  after(() => phone[Symbol.asyncDispose]())

  test("is offered to leave more of the same once they have approved one, and what they sign is what is left", async () => {
    const alice = await phone.person()
    const { ask, held } = await second(alice)
    const bounds = (await offered(alice, held.id))!
    assert.deepEqual([bounds.each, bounds.fixed, bounds.uses], [{ amount: 20 }, { employee: ["E-7"] }, 5])
    const chosen = { ...bounds, uses: 2, total: { amount: 30 } }
    const statement = await sign(alice, held.id, chosen)
    assert.deepEqual(statement.bounds, chosen)
    assert.deepEqual(
      [await ask(20), await ask(20), await ask(10), await ask(1)].map(({ decision, leave }) => [
        decision.verdict,
        leave?.left,
      ]),
      [
        ["allow", 1],
        ["ask", undefined],
        ["allow", 0],
        ["ask", undefined],
      ],
    )
  })

  test("sees on their own page what is left, and takes it back there; nobody else does", async () => {
    const [alice, bob] = [await phone.person(), await phone.person()]
    const { ask, held } = await second(alice)
    await sign(alice, held.id, await offered(alice, held.id))
    await ask(5)
    const [grant] = await rooms.approvals.grants.list({ user: alice.user.id })
    const path = `/me/grants/${grant!.id}/revocation`
    const mine = await alice.browser.get("/me")
    assert.match(mine.text, /raise a salary[\s\S]*4 of 5 left/)
    const theirs = await bob.browser.get("/me")
    assert.ok(!theirs.text.includes(grant!.id))
    await assert.rejects(bob.browser.post(path, fieldsOf(mine.text, path)), refusedWith("invalid-request"))
    assert.equal((await alice.browser.post(path, fieldsOf(mine.text, path))).status, 303)
    assert.equal((await ask(5)).decision.verdict, "ask")
    assert.ok(!(await alice.browser.get("/me")).text.includes(grant!.id))
  })

  test("is offered, of what moves money, no argument that may be anything: only what they saw", async () => {
    const alice = await phone.person()
    const first = await phone.ask(alice.user, "raise", { employee: "E-7", amount: 10, account: "A", note: 1 })
    await sign(alice, first.id, null)
    const given = { employee: "E-7", amount: 20, account: "B", note: 2 }
    const action = { type: "tool", resource: "hr", operation: "raise", arguments: given } as const
    const { held } = await act(rooms, gate.bot, { session: first.session, action, idempotencyKey: null })
    const { free, fixed } = (await offered(alice, held!.id))!
    assert.deepEqual([free, fixed], [[], { employee: ["E-7"], account: ["A", "B"], note: [1, 2] }])
  })

  test("leaves nothing by approving once", async () => {
    const alice = await phone.person()
    const { ask, held } = await second(alice)
    await sign(alice, held.id, null)
    assert.equal((await ask(5)).decision.verdict, "ask")
  })

  test("leaves nothing else than what they signed", async () => {
    const alice = await phone.person()
    const { ask, held } = await second(alice)
    const bounds = (await offered(alice, held.id))!
    for (const sent of [{ ...bounds, uses: 20 }, null]) {
      await assert.rejects(sign(alice, held.id, bounds, sent), refusedWith("passkey-invalid"))
    }
    await assert.rejects(sign(alice, held.id, null, bounds), refusedWith("passkey-invalid"))
    await assert.rejects(sign(alice, held.id, { ...bounds, uses: 21 }), refusedWith("bounds-invalid"))
    assert.equal((await rooms.approvals.find(held.id))!.state, "requested")
    assert.equal((await ask(5)).decision.verdict, "ask")
  })

  test("is offered nothing with the first of a kind, and reads values of the agent's as text", async () => {
    const alice = await phone.person()
    const first = await phone.ask(alice.user, "raise", { employee: "E-1", amount: 10 })
    assert.equal(await offered(alice, first.id), null)
    const { held } = await second(alice, `<b>"E-2'\u202e</b>`)
    const { text } = await alice.browser.get(`/approvals/${held.id}`)
    assert.match(text, /<details data-bounds/)
    assert.doesNotMatch(text, /<b>"E-2/)
    assert.doesNotMatch(text.replace(/data-[a-z]+="[^"]*"/g, ""), /\u202e/)
  })
})
