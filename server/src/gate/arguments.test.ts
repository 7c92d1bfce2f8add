import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { type Json, newId, refusalCode } from "#kernel"
import type { Delegation, RequestText } from "#sessions"
import { act } from "./act.ts"
import { admit, type Permit } from "./admit.ts"
import { document, openTestGate } from "./fixture.ts"
import { renewLease } from "./lease.ts"
import { openSession } from "./open.ts"

const refund = (rules: { [argument: string]: Json }) => ({
  type: "safeconduct_action",
  actions: ["tool:refund"],
  locations: ["kb"],
  arguments: rules,
})
const ruled = refund({
  amount: [{ atMost: 50 }],
  payee: [{ anyOf: [{ inRequest: true }, { userClaim: "iban" }, { lookedUp: "landlord" }] }],
  order: [{ parameter: "order" }],
  note: [{ anyOf: [{ absent: true }, { constant: "sorry" }] }],
})
const bare = { type: "safeconduct_action", actions: ["tool:refund"], locations: ["kb"] }

const gate = await openTestGate()
const { rooms, bot } = gate
const provider = { issuer: "https://id.shop.example", clientId: "safeconduct", claims: { iban: "iban", customer: "c" } }
const parameters = { order: { description: "The order", type: "string" } }
const landlord = { description: "your landlord's account", resource: "kb", operation: "read", query: "landlords" }
const lookups = { landlord }
const apply = async (
  actions: Json[],
  more: object = {},
  policies = `@id("all") permit (principal, action, resource);`,
) => {
  await gate.apply({
    ...document,
    providers: { shop: provider },
    purposes: { answer: { ...document.purposes.answer, actions, parameters, lookups } },
    agents: { bot: { ...document.agents.bot, ceiling: [bare] } },
    policies: [{ file: "all.cedar", text: policies }],
    ...more,
  })
}

const delegationOf = async (requestText: RequestText | null, claims = { iban: ["DE89370400440532013000"] }) => {
  const seen = { provider: "shop", iss: provider.issuer, sub: "alice", claims }
  const { result: user } = await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))
  const by = { kind: "consent", consent: newId("consent"), textDigest: "digest" } as const
  const details = [bare] as Delegation["details"]
  return { user, application: null, details, requestText, parameters: { order: "A-17" }, by, providerSession: null }
}
const open = async (delegation?: Delegation) =>
  (await openSession(rooms, bot, { purpose: "answer", delegation })).session
const refunding = (session: string, given: { [name: string]: Json }): Promise<Permit> =>
  admit(rooms, bot, {
    session,
    action: { type: "tool", operation: "refund", resource: "kb", arguments: given },
    idempotencyKey: null,
  })
const dataOf = async ({ entry }: Permit) => (await rooms.audit.entry(entry)).leaf.data!
const reasonOf = async (session: string, given: { [name: string]: Json }) => {
  const { decision } = await refunding(session, given)
  assert.equal(decision.verdict, "deny")
  return decision.reasons.join(" ")
}
const asText = (text: string): RequestText => ({ kind: "application", text })

const good = { amount: 20, payee: "GB29NWBK60161331926819", order: "A-17" }

describe("arguments at the gate", () => {
  after(() => gate[Symbol.asyncDispose]())

  test("an action whose every sink is verified is allowed, and its entry says against what, and no value", async () => {
    await apply([ruled])
    const { id } = await open(await delegationOf(asText("Refund 20 to GB29 NWBK 6016 1331 9268 19 for A-17")))
    const permit = await refunding(id, good)
    assert.equal(permit.decision.verdict, "allow")
    const { user, facts } = { user: permit.standing.session.user!.id, ...((await dataOf(permit)) as { facts: Json }) }
    assert.deepEqual(facts, {
      user,
      requestText: "application",
      sinks: { amount: "verified", payee: "verified", order: "verified", note: "verified" },
      origins: {
        amount: { rule: "atMost", origin: "bound" },
        payee: { rule: "inRequest", origin: "request" },
        order: { rule: "parameter", origin: "parameter" },
        note: { rule: "absent", origin: "absent" },
      },
    })
    const leaf = JSON.stringify((await rooms.audit.entry(permit.entry)).leaf)
    assert.equal(leaf.includes("GB29"), false)
    assert.equal(leaf.includes("A-17"), false)
  })

  test("an argument that fails its rule is denied, whatever policies permit", async () => {
    await apply(
      [ruled],
      {},
      `@id("all") permit (principal, action, resource); @id("payee") @ask("user")
      forbid (principal, action, resource) unless { context.sinks.failed.isEmpty() };`,
    )
    const { id } = await open(await delegationOf(asText("Refund 20 to GB29NWBK60161331926819 for A-17")))
    const wrong: [object, RegExp][] = [
      [{ amount: 51 }, /mandate of this session, for answer, does not allow this amount \(atMost\)/],
      [{ amount: "20" }, /amount/],
      [{ order: "A-18" }, /this order \(parameter\)/],
      [{ order: ["A-17"] }, /order/],
      [{ note: "else" }, /note/],
    ]
    for (const [more, words] of wrong) {
      const { decision } = await refunding(id, { ...good, ...more })
      assert.equal(decision.verdict, "deny", JSON.stringify(more))
      assert.match(decision.reasons.join(), words)
    }
    const { amount: _, ...without } = good
    assert.equal((await refunding(id, without)).decision.verdict, "deny")
    // Nobody can look it up, so it is neither verified nor failed.
    assert.equal((await refunding(id, { ...good, payee: "GB29NWBK60161331926810" })).decision.verdict, "ask")
  })

  test("without a request or a user, what needs them is asked about and nothing is begun", async () => {
    await apply([refund({ payee: [{ inRequest: true }] })])
    const { id } = await open()
    const permit = await refunding(id, { payee: "GB29NWBK60161331926819" })
    // There is nobody who could approve it.
    assert.equal(permit.decision.verdict, "deny")
    assert.match(permit.decision.reasons[1]!, /nobody who could give it/)
    assert.match(permit.decision.reasons[0]!, /whether payee is what the user wants/)
    assert.equal((await rooms.audit.entry(permit.entry)).leaf.event, "gate.action-denied")
    assert.deepEqual((await dataOf(permit))["facts"], {
      sinks: { payee: "unverifiable" },
      origins: { payee: { rule: "inRequest", origin: "request" } },
    })
    await apply([refund({ payee: [{ userClaim: "customer" }] })])
    const { id: delegated } = await open(await delegationOf(null))
    assert.equal((await refunding(delegated, { payee: "1" })).decision.verdict, "ask")
  })

  test("a claim of the user's verifies, and another one's does not", async () => {
    await apply([refund({ payee: [{ userClaim: "iban" }] })])
    const { id } = await open(await delegationOf(null))
    assert.equal((await refunding(id, { payee: "DE89370400440532013000" })).decision.verdict, "allow")
    assert.equal((await refunding(id, { payee: "GB29NWBK60161331926819" })).decision.verdict, "deny")
  })

  test("what was made in this session verifies, and what was made in another does not", async () => {
    await apply([refund({ ticket: [{ madeHere: "ticket" }] })])
    const [one, other] = [await open(), await open()]
    assert.match(await reasonOf(one.id, { ticket: "T-1" }), /Nothing that is trusted says/)
    await rooms.audit.commit(rooms.sessions.usage.noteMade(one.id, "ticket", "T-1"))
    assert.equal((await refunding(one.id, { ticket: "T-1" })).decision.verdict, "allow")
    assert.equal((await refunding(one.id, { ticket: "T-2" })).decision.verdict, "deny")
    assert.match(await reasonOf(other.id, { ticket: "T-1" }), /Nothing that is trusted says/)
  })

  test("a sink without a rule is asked about, and a policy may deny it", async () => {
    await apply([{ ...bare, sinks: ["payee"] }])
    const { id } = await open(await delegationOf(null))
    assert.equal((await refunding(id, { payee: "x" })).decision.verdict, "ask")
    assert.equal((await refunding(id, {})).decision.verdict, "ask")
    await apply(
      [{ ...bare, sinks: ["payee"] }],
      {},
      `@id("all") permit (principal, action, resource);
      @id("strict") forbid (principal, action, resource) unless { context.sinks.unverifiable.isEmpty() };`,
    )
    const { decision } = await refunding(id, { payee: "x" })
    assert.deepEqual([decision.verdict, decision.policies], ["deny", [{ id: "strict", effect: "forbid" }]])
  })

  test("what the user granted narrows, and makes no sink of what the purpose left free", async () => {
    await apply(
      [bare],
      {},
      `@id("paid") permit (principal, action, resource) when { context.sinks.verified.contains("payee") };`,
    )
    const delegation = await delegationOf(null)
    const details = [{ ...bare, arguments: { payee: [{ constant: "mine" }] } }] as Delegation["details"]
    const { id } = await open({ ...delegation, details })
    const { decision } = await refunding(id, { payee: "mine" })
    assert.deepEqual([decision.verdict, decision.policies], ["deny", []])
    const other = await refunding(id, { payee: "theirs" })
    assert.match(other.decision.reasons.join(), /does not allow this payee \(constant\)/)
  })

  test("a credential whose arguments were verified is renewed, until a ceiling asks for more", async () => {
    const ordered: Json = {
      ...{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] },
      ...{ arguments: { order: [{ parameter: "order" }] }, limits: [{ uses: 1 }] },
    }
    const [wide, narrow]: Json[] = [
      { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] },
      {
        type: "safeconduct_action",
        actions: ["credential:read"],
        locations: ["kb"],
        arguments: { order: [{ constant: "B-1" }] },
      },
    ]
    const strict = `@id("all") permit (principal, action, resource) when { context.sinks.verified.contains("order") };`
    const agents = (ceiling: Json) => ({ agents: { bot: { ...document.agents.bot, ceiling: [ceiling] } } })
    await apply([ordered], agents(wide!), strict)
    const delegation = await delegationOf(null)
    const { id } = await open({ ...delegation, details: [wide] as Delegation["details"] })
    const action = { type: "credential", operation: "read", resource: "kb", arguments: { order: "A-17" } } as const
    const other = { session: id, action: { ...action, arguments: { order: "A-18" } }, idempotencyKey: null }
    assert.equal((await act(rooms, bot, other)).decision.verdict, "deny")
    const { handed } = await act(rooms, bot, { session: id, action, idempotencyKey: null })
    await renewLease(rooms, bot, handed!.lease.id)
    await renewLease(rooms, bot, handed!.lease.id)
    await apply([ordered], agents(narrow!), strict)
    await assert.rejects(renewLease(rooms, bot, handed!.lease.id), (error) => refusalCode(error) === "denied-by-policy")
    await apply([ordered], agents(ordered), strict)
    // The mandate has these very rules.
    await renewLease(rooms, bot, handed!.lease.id)
    // Nothing at all, from now on.
    await apply([ordered], agents({ ...(wide as object), limits: [{ uses: 0 }] }), strict)
    await assert.rejects(renewLease(rooms, bot, handed!.lease.id), (error) => refusalCode(error) === "denied-by-policy")
  })
})
