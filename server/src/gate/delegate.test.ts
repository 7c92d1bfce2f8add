import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { Refusal } from "#kernel"
import { parseDetails } from "#sessions"
import { act } from "./act.ts"
import { chained, handing, openTestChain, reading } from "./chain.fixture.ts"
import { takeUp } from "./delegate.ts"
import { endSession } from "./end.ts"
import { before } from "./fixture.ts"
import { renewLease } from "./lease.ts"
import { renewSession } from "./open.ts"
import { setAgentState } from "./stop.ts"

const chain = await openTestChain()
const { gate, rooms, bot, shipper, carrier } = chain
const onwards = { details: [reading, handing("deliver", "carrier")] }
const readKb = { type: "credential", resource: "kb", operation: "read", arguments: {} } as const
const writeKb = { ...readKb, operation: "write" } as const
const ask = (session: string, caller: typeof bot, action: typeof readKb | typeof writeKb = readKb) =>
  act(rooms, caller, { session, action, idempotencyKey: null })
const verdictOf = async (session: string, caller: typeof bot, action: typeof readKb | typeof writeKb = readKb) =>
  (await ask(session, caller, action)).decision.verdict
const openedEntry = async (of: string) => (await gate.entries("sessions.opened")).find(({ session }) => session === of)!
const newest = async (event: string) => (await gate.entries(event)).at(-1)!

describe("a session is handed on", { timeout: 60_000 }, () => {
  after(() => chain[Symbol.asyncDispose]())

  test("as a smaller one of its own, for the same user, with the whole chain in row, mandate, token and each entry", async () => {
    const user = (
      await rooms.audit.commit(
        rooms.sessions.rememberUser(
          { provider: "shop", iss: "https://id.shop.example", sub: "alice", claims: { customer: ["1001"] } },
          "server",
        ),
      )
    ).result
    const root = await chain.root({
      ...{ user, application: "shop-web", details: parseDetails(chained.purposes.answer.actions) },
      requestText: { kind: "application", text: "Where is order 17?" },
      parameters: { order: 17 },
      by: { kind: "provider", claim: "may_act", tokenDigest: "digest" },
      providerSession: "sid-1",
    })
    const middle = await chain.beneath(root, shipper, onwards)
    const { session: leaf, token } = await takeUp(rooms, carrier, { delegation: await chain.offer(middle, carrier) })
    assert.deepEqual(leaf.chain, [
      { session: root.id, agent: "bot", instance: bot.instance },
      { session: middle.id, agent: "shipper", instance: shipper.instance },
    ])
    assert.deepEqual([leaf.parent, leaf.purpose, leaf.agent], [middle.id, "deliver", "carrier"])
    assert.deepEqual(
      [leaf.user, leaf.application, leaf.delegation, leaf.providerSession],
      [user, "shop-web", root.delegation, "sid-1"],
    )
    const { mandate, ancestors } = await rooms.sessions.standing(leaf.id, carrier)
    assert.deepEqual(mandate.details, [reading])
    assert.deepEqual([mandate.requestText?.text, mandate.parameters], ["Where is order 17?", { order: 17 }])
    assert.deepEqual(
      ancestors.map(({ session }) => session.id),
      [root.id, middle.id],
    )
    const claims = await rooms.sessions.verifyToken(token.accessToken, carrier.confirmation)
    assert.deepEqual(claims.act, {
      sub: carrier.spiffeId,
      act: { sub: shipper.spiffeId, act: { sub: bot.spiffeId } },
    })
    // The decision that handed it on, and what became of that.
    const handed = (await gate.entries("gate.action-begun")).slice(-2)
    assert.deepEqual(
      handed.map(({ id, action }) => [id, action!.type, action!.resource]),
      [
        [(await openedEntry(middle.id)).of, "delegate", "shipper"],
        [(await openedEntry(leaf.id)).of, "delegate", "carrier"],
      ],
    )
    assert.deepEqual(await gate.store.owner.query("select from audit.intents"), [])
    assert.equal(await verdictOf(leaf.id, carrier), "allow")
    assert.equal(await verdictOf(leaf.id, carrier, writeKb), "deny")
    const told = (await gate.entries()).filter(({ session }) => session === leaf.id)
    const events = told.map(({ event }) => event)
    for (const event of ["sessions.opened", "gate.action-begun", "credentials.lease-issued", "gate.action-denied"]) {
      assert.ok(events.includes(event), event)
    }
    for (const entry of told) {
      assert.deepEqual(
        entry.chain,
        [
          { session: root.id, agent: "bot" },
          { session: middle.id, agent: "shipper" },
        ],
        entry.event,
      )
      assert.deepEqual([entry.user, entry.application], [user.id, "shop-web"], entry.event)
    }
    assert.doesNotMatch(JSON.stringify(await gate.entries()), /order 17|alice/)
    await endSession(rooms, root.id, "ended", "server")
  })

  test("once: of eight that take an offer up at once, at two servers, one gets a session", async () => {
    const other = await gate.another()
    const root = await chain.root()
    const delegation = await chain.offer(root, shipper)
    const taking = Array.from({ length: 8 }, (_, nth) =>
      takeUp(nth % 2 === 0 ? rooms : other.rooms, shipper, { delegation }),
    )
    const settled = await Promise.allSettled(taking)
    const codes = settled.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []))
    assert.deepEqual(codes, Array(7).fill("delegation-over"))
    assert.equal((await rooms.sessions.tree(root.id, bot)).length, 2)
    await assert.rejects(takeUp(rooms, shipper, { delegation }), { code: "delegation-over" }, "replayed")
    assert.equal((await newest("gate.session-refused")).data!["code"], "delegation-over")
  })

  test("to no other agent than it was offered to, which is told that there is nothing", async () => {
    const delegation = await chain.offer(await chain.root(), shipper)
    for (const thief of [carrier, bot, { ...shipper, agentId: "agent_of_the_same_name_before" }]) {
      const code = thief.agentId.startsWith("agent_of") ? /agent-retired|delegation-unknown/ : /delegation-unknown/
      await assert.rejects(takeUp(rooms, thief, { delegation }), (error: { code: string }) => code.test(error.code))
    }
    await assert.rejects(takeUp(rooms, shipper, { delegation: `delegation_${"0".repeat(26)}` }), {
      code: "delegation-unknown",
    })
    // Still there for whom it is.
    assert.equal((await takeUp(rooms, shipper, { delegation })).session.agent, "shipper")
  })

  test("not once its time is over, and not once the session above is", async () => {
    const root = await chain.root()
    const [late, orphan, child] = [
      await chain.offer(root, shipper),
      await chain.offer(root, shipper),
      await chain.offer(root, shipper),
    ]
    await gate.store.owner.query("update sessions.delegations set expires_at = now() where id = $1", [late])
    await assert.rejects(takeUp(rooms, shipper, { delegation: late }), { code: "delegation-over" })
    // Nobody took it up, and the record says so.
    await gate.store.owner.query("update audit.intents set deadline = now() - interval '1 s'")
    await rooms.audit.sweepIntents()
    const missing = (await gate.entries("audit.outcome-missing")).filter(({ session }) => session === root.id)
    assert.equal(missing.length, 3)
    // It ends while the offer is taken up: right before the commit.
    const ending = before(rooms, async (commit) => {
      if (commit === 1) await endSession(rooms, root.id, "ended", "server")
    })
    await assert.rejects(takeUp(ending, shipper, { delegation: orphan }), { code: "delegation-over" })
    await assert.rejects(takeUp(rooms, shipper, { delegation: child }), { code: "delegation-over" })
    await assert.rejects(chain.offer(root, shipper), { code: "session-ended" })
    assert.equal((await rooms.sessions.tree(root.id, bot)).length, 1)
  })

  test("only within mandate, ceiling and policy, and a no is recorded with its reasons", async () => {
    const root = await chain.root()
    const middle = await chain.beneath(root, shipper)
    // Its mandate does not say that it may hand on.
    await assert.rejects(chain.offer(middle, carrier), { code: "denied-by-policy", message: /mandate/ })
    assert.equal((await newest("gate.action-denied")).action!.type, "delegate")
    await chain.apply({
      policies: [
        { file: "a.cedar", text: `@id("kb") permit (principal, action, resource == credentials::Resource::"kb");` },
      ],
    })
    await assert.rejects(chain.offer(root, shipper), ({ code, detail }: Refusal) => {
      assert.deepEqual(Object.keys(detail!), ["reasons"])
      return code === "denied-by-policy"
    })
    await chain.apply()
    for (const [more, code] of [
      [{ details: [{ ...reading, actions: ["credential:drop"] }] }, "delegation-too-wide"],
      [{ details: [reading, { ...reading, locations: ["elsewhere"] }] }, "delegation-too-wide"],
      [{ details: [] }, "purpose-not-allowed"],
      [{ purpose: "deliver" }, "purpose-not-allowed"],
    ] as const) {
      await assert.rejects(chain.offer(root, shipper, more as never), { code })
      const { data, session } = await newest("gate.delegation-refused")
      assert.deepEqual([data!["code"], session], [code, root.id])
    }
  })

  test("not further than the purpose of the first session says, now and when it was opened (pitfall 21)", async () => {
    const root = await chain.root()
    const depth = (maxDepth: number) => ({
      ...chained.purposes,
      answer: { ...chained.purposes.answer, chain: { maxDepth } },
    })
    await chain.apply({ purposes: depth(0) })
    await assert.rejects(chain.offer(root, shipper), { code: "chain-too-deep" })
    const flat = await chain.root()
    await chain.apply()
    await assert.rejects(chain.offer(flat, shipper), { code: "chain-too-deep" })
    const middle = await chain.beneath(root, shipper, onwards)
    const offered = await chain.offer(middle, carrier)
    await chain.apply({ purposes: depth(1) })
    await assert.rejects(takeUp(rooms, carrier, { delegation: offered }), { code: "chain-too-deep" })
    await chain.apply()
  })

  test("to nobody who is in the chain already (pitfall 21)", async () => {
    const root = await chain.root()
    await assert.rejects(chain.offer(root, bot), { code: "chain-cycle" })
    const all = [reading, handing("deliver", "carrier", "bot", "shipper")]
    const middle = await chain.beneath(root, shipper, { details: all })
    for (const to of [bot, shipper]) {
      await assert.rejects(chain.offer(middle, to, { purpose: "deliver" }), { code: "chain-cycle" })
    }
  })

  test("only while whoever hands it on may, also between the offer and taking it up", async () => {
    const root = await chain.root()
    const delegation = await chain.offer(root, shipper)
    const forbid = {
      file: "f.cedar",
      text: `@id("no") forbid (principal, action == policy::Action::"delegate", resource);`,
    }
    await chain.apply({ policies: [...chained.policies, forbid] })
    await assert.rejects(takeUp(rooms, shipper, { delegation }), { code: "denied-by-policy" })
    await chain.apply()
    await chain.apply({ agents: { ...chained.agents, bot: { ...chained.agents.bot, ceiling: [reading] } } })
    await assert.rejects(takeUp(rooms, shipper, { delegation }), { code: "denied-by-policy" })
    await chain.apply()
    // It is taken away in the very moment: the session was made, and nobody is given it.
    const forbidding = before(rooms, async (commit) => {
      if (commit === 1) await chain.apply({ policies: [...chained.policies, forbid] })
    })
    await assert.rejects(takeUp(forbidding, shipper, { delegation }), { code: "epoch-changed" })
    const states = (await rooms.sessions.tree(root.id, bot)).map(({ state }) => state)
    assert.deepEqual(states, ["open", "ended"])
    await chain.apply()
  })

  test("to no agent that is stopped, and by none", async () => {
    const root = await chain.root()
    const delegation = await chain.offer(root, shipper)
    await setAgentState(rooms, gate.operator, "shipper", "suspended", "a test")
    await assert.rejects(takeUp(rooms, shipper, { delegation }), { code: "agent-suspended" })
    await assert.rejects(chain.offer(root, shipper), { code: "agent-suspended" })
    await setAgentState(rooms, gate.operator, "shipper", "active", "a test")
    // The server that suspends is killed before it ends the sessions.
    await rooms.audit.commit(rooms.agents.suspend("bot", "a test", gate.operator.spiffeId))
    await rooms.epoch.refresh()
    await assert.rejects(takeUp(rooms, shipper, { delegation }), { code: "session-ended" })
    await setAgentState(rooms, gate.operator, "bot", "active", "a test")
  })

  test("to live no longer than the session above, however it is renewed", async () => {
    const root = (
      await rooms.audit.commit(rooms.sessions.open({ ...opening, hardEndSeconds: 100, lifetimeSeconds: 50 }))
    ).result
    const { session: child } = await takeUp(rooms, shipper, { delegation: await chain.offer(root, shipper) })
    assert.deepEqual([child.expiresAt, child.hardEndAt], [root.expiresAt, root.hardEndAt])
    const renewed = await renewSession(rooms, shipper, child.id)
    assert.deepEqual(renewed.session.expiresAt, root.expiresAt)
    const { session: parent } = await renewSession(rooms, bot, root.id)
    assert.ok(parent.expiresAt > root.expiresAt)
    const again = await renewSession(rooms, shipper, child.id)
    assert.deepEqual(again.session.expiresAt, parent.expiresAt)
    const { handed } = await ask(child.id, shipper)
    assert.ok(handed!.lease.hardEndAt <= root.hardEndAt)
    const shorter = await chain.beneath(root, shipper, { lifetimeSeconds: 20, hardEndSeconds: 30 })
    assert.equal(shorter.hardEndAt.getTime() - shorter.openedAt.getTime(), 30_000)
    assert.equal(shorter.expiresAt.getTime() - shorter.openedAt.getTime(), 20_000)
  })
})

const opening = {
  caller: bot,
  purpose: "answer",
  purposes: ["answer"],
  ceiling: chained.agents.bot.ceiling,
}

describe("what is handed on", () => {
  test("is decided of for each of the chain: no ceiling above that shrank meanwhile lets it through", async () => {
    await using own = await openTestChain()
    const root = await own.root()
    const child = await own.beneath(root, own.shipper, {
      details: [reading, { ...reading, actions: ["credential:write"] }],
    })
    const asks = async (action: typeof readKb | typeof writeKb) =>
      (await act(own.rooms, own.shipper, { session: child.id, action, idempotencyKey: null })).decision
    const action = { session: child.id, action: writeKb, idempotencyKey: null }
    const { lease } = (await act(own.rooms, own.shipper, action)).handed!
    const bounded = { ...chained.agents.bot, ceiling: [reading, handing("ship", "shipper")] }
    await own.apply({ agents: { ...chained.agents, bot: bounded } })
    assert.deepEqual([(await asks(readKb)).verdict, (await asks(writeKb)).verdict], ["allow", "deny"])
    await assert.rejects(renewLease(own.rooms, own.shipper, lease.id), { code: "denied-by-policy", message: /bot/ })
    const denied = (await own.gate.entries("gate.renewal-denied")).at(-1)!
    assert.deepEqual(denied.chain, [{ session: root.id, agent: "bot" }])
  })
})
