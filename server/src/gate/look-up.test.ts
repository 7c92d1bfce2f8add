import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { LookUp, Question } from "#credentials"
import { type Json, newId, refusalCode } from "#kernel"
import type { Delegation } from "#sessions"
import { type ActionRequest, admit } from "./admit.ts"
import { check, parseDocument } from "./apply.ts"
import { chained, handing, openTestChain } from "./chain.fixture.ts"
import { document, openTestGate } from "./fixture.ts"
import { openSession } from "./open.ts"
import { rehearsalOf, rehearse } from "./rehearse.ts"

const ALICES = "GB29NWBK60161331926819"
const OTHER = "DE89370400440532013000"

const transfer = { type: "safeconduct_action", actions: ["tool:transfer"], locations: ["kb"] }
const ruled = { ...transfer, arguments: { payee: [{ lookedUp: "landlord" }] } }
// No detail names this operation: the agent may not read.
const landlord = {
  description: "your landlord's account",
  resource: "kb",
  operation: "read",
  query: "select iban from public.standing_orders where customer = $1 and flat = $2",
  parameters: [{ claim: "customer" }, { parameter: "flat" }],
}
const parameters = { flat: { description: "The flat", type: "number" } }
const provider = { issuer: "https://id.shop.example", clientId: "safeconduct", claims: { customer: "c" } }
const purpose = { ...document.purposes.answer, actions: [ruled], parameters, lookups: { landlord } }
const policies = [{ file: "all.cedar", text: `@id("all") permit (principal, action, resource);` }]
const whole = {
  ...document,
  providers: { shop: provider },
  purposes: { answer: purpose },
  agents: { bot: { ...document.agents.bot, ceiling: [transfer] } },
  policies,
}

const gate = await openTestGate()
const { rooms, bot, resource } = gate
const applied = (lookup: object = {}) =>
  gate.apply({ ...whole, purposes: { answer: { ...purpose, lookups: { landlord: { ...landlord, ...lookup } } } } })
const delegationOf = async (claims: { [name: string]: string[] } = { customer: ["1001"] }): Promise<Delegation> => {
  const seen = { provider: "shop", iss: provider.issuer, sub: newId("user"), claims }
  const { result: user } = await rooms.audit.commit(rooms.sessions.rememberUser(seen, "server"))
  const by = { kind: "consent", consent: newId("consent"), textDigest: "digest" } as const
  const about = { application: null, requestText: null, parameters: { flat: 4 }, providerSession: null }
  return { ...about, user, details: [transfer] as Delegation["details"], by }
}
const open = async (delegation?: Delegation) =>
  (await openSession(rooms, bot, { purpose: "answer", delegation })).session
const paying = (session: string, payee: Json): ActionRequest => ({
  ...{ session, idempotencyKey: null },
  action: { type: "tool", operation: "transfer", resource: "kb", arguments: { payee } },
})
const verdictOf = async (session: string, payee: Json = ALICES, with_ = rooms) =>
  (await admit(with_, bot, paying(session, payee))).decision.verdict

/** What the system of record was asked; it answers with these. */
function answering(...values: LookUp[]): Question[] {
  const asked: Question[] = []
  resource.onLookUp = async (account, question) => {
    assert.ok(resource.accounts.has(account))
    asked.push(question)
    return values
  }
  return asked
}

describe("what is looked up", () => {
  after(() => gate[Symbol.asyncDispose]())

  test("verifies when it is what the system of record says, and fails when it is not, or nothing", async () => {
    await applied()
    const { id } = await open(await delegationOf())
    const asked = answering(ALICES)
    const permit = await admit(rooms, bot, paying(id, ALICES))
    assert.equal(permit.decision.verdict, "allow")
    const { leaf } = await rooms.audit.entry(permit.entry)
    const { facts } = leaf.data as { facts: { [name: string]: Json } }
    assert.deepEqual(facts["origins"], { payee: { rule: "lookedUp", origin: "lookup" } })
    assert.doesNotMatch(JSON.stringify(leaf), /GB29|1001/)
    const { decision } = await admit(rooms, bot, paying(id, OTHER))
    assert.deepEqual([decision.verdict, /this payee \(lookedUp\)/.test(decision.reasons.join())], ["deny", true])
    answering()
    assert.equal(await verdictOf(id), "deny")
    // Asked anew each time, with the user's and the application's values and nothing of the agent's.
    assert.deepEqual(
      asked.map(({ query, values }) => ({ query, values })),
      [0, 1].map(() => ({ query: landlord.query, values: ["1001", "4"] })),
    )
  })

  test("no argument of the agent's reaches the system of record, and none is taken for a value of it", async () => {
    await applied()
    const delegation = await delegationOf()
    const asked = answering(ALICES)
    for (const payee of ["' or true --", "$1", ["GB29"], { iban: ALICES }, null, true, `${ALICES} `, [ALICES]]) {
      assert.equal(await verdictOf((await open(delegation)).id, payee), "deny", JSON.stringify(payee))
    }
    assert.ok(asked.length > 0)
    for (const question of asked) assert.deepEqual([question.query, question.values], [landlord.query, ["1001", "4"]])
  })

  test("is unverifiable when it cannot be asked, whatever the reason, and nothing is done", async () => {
    await applied()
    const { id } = await open(await delegationOf())
    resource.onLookUp = async () => {
      throw new Error("it answers nonsense")
    }
    assert.equal(await verdictOf(id), "ask")
    answering(ALICES)
    assert.equal(await verdictOf(id), "allow")
    resource.beforeIssue = async () => {
      throw new Error("no account is made")
    }
    assert.equal(await verdictOf(id), "ask")
    resource.beforeIssue = async () => undefined
    // Nobody's claim, several, and no user at all.
    for (const delegation of [await delegationOf({}), await delegationOf({ customer: ["1", "2"] })]) {
      assert.equal(await verdictOf((await open(delegation)).id), "ask")
    }
    assert.equal(await verdictOf((await open(undefined)).id), "deny", "nobody could approve it")
  })

  test("counts as a lease of the session, and leaves none", async () => {
    await applied()
    const { id } = await open(await delegationOf())
    answering(ALICES)
    assert.equal(await verdictOf(id), "allow")
    const leases = await rooms.credentials.leases({ session: id })
    assert.deepEqual(
      leases.map(({ lookup, liveAt, operation }) => ({ lookup, liveAt, operation })),
      [{ lookup: "landlord", liveAt: null, operation: "read" }],
    )
    await rooms.credentials.settled(leases[0]!.id)
    assert.equal(resource.accounts.has(leases[0]!.roleName), false)
    await gate.apply({ ...whole, resources: { kb: { engine: "fake", limits: { leases: 1, leasesPerSession: 1 } } } })
    const [begun, finished] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    resource.beforeIssue = async () => {
      begun.resolve()
      await finished.promise
    }
    const first = verdictOf(id)
    await begun.promise
    assert.equal(await verdictOf(id), "ask", "its only place is taken")
    finished.resolve()
    assert.equal(await first, "allow")
    resource.beforeIssue = async () => undefined
  })

  test("is not looked up where that decides nothing", async () => {
    const more = { amount: [{ atMost: 50 }], payee: [{ anyOf: [{ constant: "me" }, { lookedUp: "landlord" }] }] }
    await gate.apply({
      ...whole,
      purposes: { answer: { ...purpose, actions: [{ ...transfer, arguments: more }], lookups: { landlord } } },
    })
    const { id } = await open(await delegationOf())
    const asked = answering(ALICES)
    const verdict = async (payee: string, amount: number) => {
      const { action, ...request } = paying(id, payee)
      const given = { ...action, arguments: { payee, amount } }
      return [(await admit(rooms, bot, { ...request, action: given })).decision.verdict, asked.length]
    }
    assert.deepEqual(await verdict("me", 50), ["allow", 0])
    assert.deepEqual(await verdict(ALICES, 51), ["deny", 0])
    assert.deepEqual(await verdict(ALICES, 50), ["allow", 1])
    assert.deepEqual(await verdict(OTHER, 50), ["deny", 2])
  })

  test("is looked up again when rights changed while it was decided, and nothing is given where it is another by then", async () => {
    await applied()
    const { id } = await open(await delegationOf())
    let asked = 0
    resource.onLookUp = async () => {
      asked += 1
      if (asked === 1) await gate.bump()
      return [asked === 1 ? ALICES : OTHER]
    }
    assert.equal(await verdictOf(id), "deny")
    assert.ok(asked >= 2)
  })

  test("gives nothing to a session that ended while it was looked up", async () => {
    await applied()
    const more = { delegation: await delegationOf(), lifetimeSeconds: 1 }
    const { id } = (await openSession(rooms, bot, { purpose: "answer", ...more })).session
    const isOver = async () => {
      const text = "select expires_at <= now() as over from sessions.sessions where id = $1"
      return (await gate.store.owner.query<{ over: boolean }>(text, [id]))[0]!.over
    }
    resource.onLookUp = async () => {
      while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, 50))
      // This server tells the database's time from its own, and may be some milliseconds behind.
      await new Promise((resolve) => setTimeout(resolve, 250))
      return [ALICES]
    }
    await assert.rejects(verdictOf(id), (error) => refusalCode(error)?.startsWith("session-") === true)
  })

  test("a rehearsal looks nothing up: it is unverifiable there", async () => {
    const asked = answering(ALICES)
    const parts = check(rooms, parseDocument(whole))
    const { decision } = rehearse(rehearsalOf(parts), {
      ...{ agents: ["bot"], user: { id: "user_1", claims: { customer: ["1001"] } }, purpose: "answer" },
      ...{ action: { type: "tool", resource: "kb", operation: "transfer" }, arguments: { payee: ALICES } },
    } as unknown as Parameters<typeof rehearse>[1])
    assert.deepEqual([decision.verdict, asked], ["ask", []])
  })

  test("a look-up by a credential that is for an approved action alone is refused with its place", async () => {
    const kb = { ...document.resources.kb, operations: { read: { approval: "required" }, write: {} } }
    await assert.rejects(gate.apply({ ...whole, resources: { kb } }), /lookups\.landlord\.operation: each read of kb/)
  })

  test("a look-up that names what there is not is refused with its place", async () => {
    const wrong: [object, string][] = [
      [{ resource: "bank" }, "resource"],
      [{ operation: "none" }, "operation"],
      [{ parameters: [{ claim: "iban" }] }, "parameters.0"],
      [{ parameters: [{ claim: "customer" }, { parameter: "house" }] }, "parameters.1"],
      [{ parameters: [{ argument: "payee" }] }, "parameters.0"],
    ]
    for (const [lookup, place] of wrong) {
      await assert.rejects(applied(lookup), (error) => {
        assert.equal(refusalCode(error), "policy-invalid")
        assert.match(
          String((error as Error).message),
          new RegExp(`purposes\\.answer\\.lookups\\.landlord\\.${place}: `),
        )
        return true
      })
    }
  })
})

test("beneath another session a name stands for one look-up, or for none", async () => {
  await using chain = await openTestChain()
  const lookup = { ...landlord, parameters: [] }
  const actions = [ruled, handing("ship", "shipper")]
  const purposesWith = (beneath: object) => ({
    ...chained.purposes,
    answer: { ...chained.purposes.answer, actions, lookups: { landlord: lookup } },
    ship: { ...chained.purposes.ship, actions, lookups: { landlord: { ...lookup, ...beneath } } },
  })
  const ceiling = [transfer, handing("ship", "shipper")]
  const agents = { bot: { ...chained.agents.bot, ceiling }, shipper: { ...chained.agents.shipper, ceiling } }
  const applyWith = (beneath: object) =>
    chain.apply({
      purposes: { answer: purposesWith(beneath).answer, ship: purposesWith(beneath).ship },
      agents: { bot: { ...agents.bot, purposes: ["answer", "ship"] }, shipper: agents.shipper },
    })
  await applyWith({})
  const details = [ruled] as Delegation["details"]
  const beneath = await chain.beneath(await chain.root(), chain.shipper, { details })
  chain.gate.resource.onLookUp = async () => [ALICES]
  const verdict = async () => (await admit(chain.rooms, chain.shipper, paying(beneath.id, ALICES))).decision.verdict
  assert.equal(await verdict(), "allow")
  await applyWith({ query: "select 'another'" })
  assert.equal(await verdict(), "deny", "nobody could approve it")
})
