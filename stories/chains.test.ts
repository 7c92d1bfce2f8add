import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { openTransport, peerOf, type Safeconduct, type Session, type Transport } from "@safeconduct/sdk"
import { verifyLog } from "@safeconduct/tlog"
import { chainAgents, handing, handTo, offerTo, reading, withChains } from "./fixtures/chained.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { type Connection, connected } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

type SessionAnswer = { session: { id: string; agent: string; state: string; endReason: string | null; parent: string } }

/** Three sessions, each handed on from the one before; the last holds a connection to the database. */
type Chain = { root: Session; middle: Session; leaf: Session; connection: Connection }

describe("chains over two servers", { timeout: 180_000 }, () => {
  let ground: Ground
  let one: Server
  let two: Server
  let bot: Safeconduct
  let shipper: Safeconduct
  let carrier: Safeconduct
  before(async () => {
    ground = await openGround({ agents: chainAgents })
    await ground.apply(withChains(ground.document))
    one = ground.first
    two = await (await ground.standby()).serve()
    bot = await ground.enrolled("bot", one)
    shipper = await ground.enrolled("shipper", two)
    carrier = await ground.enrolled("carrier", two)
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const chain = async (by = bot): Promise<Chain> => {
    const root = await by.open({ purpose: "answer" })
    const middle = await handTo(root, "shipper", shipper)
    const leaf = await handTo(middle, "carrier", carrier)
    const { settings } = await leaf.lease("kb", { operation: "read" })
    const connection = await connected(settings)
    assert.equal((await connection.query("select from faq")).rowCount, 100)
    return { root, middle, leaf, connection }
  }
  const at = (server: Server, { identity }: Safeconduct): Transport =>
    openTransport({ ...peerOf(identity), url: server.agentsUrl })
  const take = (transport: Transport, delegation: string) =>
    transport.json<SessionAnswer>({ method: "POST", path: "/v1/sessions", body: { delegation }, maxAttempts: 1 })
  const treeOf = async (id: string, transport = ground.operator) => {
    const path = `/v1/sessions/${id}/tree`
    return (await transport.json<{ sessions: SessionAnswer["session"][] }>({ method: "GET", path })).sessions
  }
  const endsOf = async (id: string) => (await treeOf(id)).map(({ agent, endReason }) => `${agent} ${endReason}`)

  test("the end of the first session, at one server, cuts what the last holds, at the other, within a second", async (t) => {
    const { root, middle, leaf, connection } = await chain()
    const beganMs = performance.now()
    const [lostMs] = await Promise.all([connection.lost, root.end()])
    t.diagnostic(`from the parent's end to the cut of the grandchild's connection: ${(lostMs - beganMs).toFixed(0)} ms`)
    assert.ok(lostMs - beganMs < 1_000)
    assert.deepEqual(await endsOf(leaf.id), ["bot ended", "shipper parent-ended", "carrier parent-ended"])
    for (const session of [middle, leaf]) {
      await assert.rejects(session.lease("kb", { operation: "read" }), { code: "session-ended" })
    }
    const { leaf: entry } = await ground.recorded(leaf.id, "credentials.lease-revoked")
    assert.deepEqual((entry as { chain?: unknown }).chain, [
      { session: root.id, agent: "bot" },
      { session: middle.id, agent: "shipper" },
    ])
  })

  test("so does the suspension of an agent in the middle, and nothing above it ends", async (t) => {
    const { root, leaf, connection } = await chain()
    const beganMs = performance.now()
    const path = "/v1/agents/shipper/suspension"
    const suspending = ground.operator.json({ method: "POST", path, body: { reason: "a test" } })
    const [lostMs] = await Promise.all([connection.lost, suspending])
    t.diagnostic(`from the suspension above to the cut of the connection beneath: ${(lostMs - beganMs).toFixed(0)} ms`)
    assert.ok(lostMs - beganMs < 1_000)
    assert.deepEqual(await endsOf(leaf.id), ["bot null", "shipper suspended", "carrier parent-ended"])
    await assert.rejects(offerTo(root, "shipper"), { code: "agent-suspended" })
    await ground.operator.json({ method: "DELETE", path, body: { reason: "over" } })
    await root.end()
  })

  test("so does the revocation of the one instance that the chain began with", async (t) => {
    const lost = await ground.enrolled("bot", two)
    const { leaf, connection } = await chain(lost)
    const kept = await chain()
    const beganMs = performance.now()
    const path = `/v1/agents/bot/instances/${lost.instance}`
    const revoking = ground.operator.json({ method: "DELETE", path, body: { reason: "its machine was lost" } })
    const [lostMs] = await Promise.all([connection.lost, revoking])
    t.diagnostic(`from the revocation above to the cut of the connection beneath: ${(lostMs - beganMs).toFixed(0)} ms`)
    assert.ok(lostMs - beganMs < 1_000)
    assert.deepEqual(await endsOf(leaf.id), ["bot suspended", "shipper parent-ended", "carrier parent-ended"])
    assert.equal((await kept.connection.query("select from faq")).rowCount, 100)
    await kept.root.end()
    await kept.connection.lost
  })

  test("a session that is not renewed takes what it handed on with it: no child outlives its parent", async () => {
    // Opened by hand: nobody renews it.
    const body = { purpose: "answer", lifetimeSeconds: 3 }
    const { session } = await bot.transport.json<SessionAnswer>({ method: "POST", path: "/v1/sessions", body })
    const details = { agent: "shipper", purpose: "ship", authorizationDetails: [reading] }
    const path = `/v1/sessions/${session.id}/delegations`
    const { delegation } = await bot.transport.json<{ delegation: string }>({ method: "POST", path, body: details })
    const child = await shipper.open({ delegation })
    const connection = await connected((await child.lease("kb", { operation: "read" })).settings)
    // The child renews itself all the while.
    await connection.lost
    await until("both ended", async () => (await treeOf(session.id)).every(({ state }) => state === "ended"))
    const [parent, below] = await treeOf(session.id)
    assert.equal(parent!.endReason, "lapsed")
    assert.ok(["parent-ended", "lapsed"].includes(below!.endReason!))
  })

  test("of eight that take up one offer at once, at both servers, one gets a session; a replay gets none", async () => {
    const root = await bot.open({ purpose: "answer" })
    const delegation = await offerTo(root, "shipper")
    using first = at(one, shipper)
    using second = at(two, shipper)
    const taking = Array.from({ length: 8 }, (_, nth) => take(nth % 2 === 0 ? first : second, delegation))
    const settled = await Promise.allSettled(taking)
    const codes = settled.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []))
    assert.deepEqual(codes, Array(7).fill("delegation-over"))
    await assert.rejects(take(second, delegation), { code: "delegation-over" })
    assert.equal((await treeOf(root.id)).length, 2)
    await root.end()
  })

  test("an offer is worth nothing to any other agent, nor once whoever made it is over or stopped", async () => {
    const root = await bot.open({ purpose: "answer" })
    const [stolen, late] = [await offerTo(root, "shipper"), await offerTo(root, "shipper")]
    for (const thief of [carrier, bot]) {
      await assert.rejects(thief.open({ delegation: stolen }), { code: "delegation-unknown", status: 404 })
    }
    const [refused] = (await ground.entries({ event: "gate.session-refused" })).slice(-1)
    assert.deepEqual(refused!.leaf.data, { offer: stolen, code: "delegation-unknown" })
    assert.equal((await shipper.open({ delegation: stolen })).purpose, "ship")

    const path = "/v1/agents/bot/suspension"
    await ground.operator.json({ method: "POST", path, body: { reason: "a test" } })
    await assert.rejects(shipper.open({ delegation: late }), { code: "delegation-over" })
    await ground.operator.json({ method: "DELETE", path, body: { reason: "over" } })
    // Its sessions ended; the offer stays over.
    await assert.rejects(shipper.open({ delegation: late }), { code: "delegation-over" })
  })

  test("what an agent may not hand on it does not, and hears why", async () => {
    const root = await until("the resumed agent", () => bot.open({ purpose: "answer" }).catch(() => null))
    const wanted = { agent: "shipper", purpose: "ship", authorizationDetails: [reading] }
    for (const [more, code] of [
      [{ authorizationDetails: [{ ...reading, actions: ["credential:write"] }] }, "delegation-too-wide"],
      [{ agent: "bot", purpose: "answer" }, "denied-by-policy"],
      [{ agent: "carrier" }, "denied-by-policy"],
      [{ purpose: "answer" }, "denied-by-policy"],
      [{ agent: "nobody" }, "denied-by-policy"],
    ] as const) {
      const denied = await root.delegate({ ...wanted, ...more } as typeof wanted).catch((error) => error)
      assert.deepEqual([denied.code, denied.status], [code, 403], JSON.stringify(more))
      assert.ok(denied.reasons.length > 0)
    }
    const middle = await handTo(root, "shipper", shipper)
    await assert.rejects(
      middle.delegate({
        agent: "shipper",
        purpose: "ship",
        authorizationDetails: [reading, handing("ship", "shipper")],
      }),
      { code: /denied-by-policy|chain-cycle/ },
    )
    // Nor is anybody else's session there to hand on from.
    const path = `/v1/sessions/${root.id}/delegations`
    await assert.rejects(shipper.transport.json({ method: "POST", path, body: wanted }), { code: "session-unknown" })
    await root.end()
  })

  test("each agent sees its own session and what is beneath, an operator the whole chain, and nobody else any of it", async () => {
    const { root, middle, leaf, connection } = await chain()
    const ids = [root.id, middle.id, leaf.id]
    const seen = async (id: string, by: Safeconduct) => (await treeOf(id, by.transport)).map((each) => each.id)
    assert.deepEqual(await seen(root.id, bot), ids)
    assert.deepEqual(await seen(leaf.id, bot), ids.slice(2))
    assert.deepEqual(await seen(middle.id, shipper), ids.slice(1))
    for (const id of ids)
      assert.deepEqual(
        (await treeOf(id)).map((each) => each.id),
        ids,
      )
    await assert.rejects(seen(root.id, shipper), { code: "session-unknown" })
    await assert.rejects(seen(middle.id, carrier), { code: "session-unknown" })
    const twin = await ground.enrolled("bot", two)
    await assert.rejects(seen(root.id, twin), { code: "session-unknown" })
    await root.end()
    await connection.lost
  })

  test("a session whose chain or parent was exchanged in the database may do nothing (pitfall 21)", async () => {
    const [mine, other] = [await chain(), await chain()]
    for (const [column, value] of [
      ["chain", JSON.stringify([{ session: other.root.id, agent: "bot", instance: bot.instance }])],
      ["parent", other.middle.id],
    ] as const) {
      const leaf = await handTo(mine.middle, "carrier", carrier)
      await ground.ours.query(`update sessions.sessions set ${column} = $2 where id = $1`, [leaf.id, value])
      await assert.rejects(leaf.lease("kb", { operation: "read" }), { code: "outside-mandate" }, column)
    }
    await Promise.all([mine.root.end(), other.root.end()])
  })

  test("a server killed between the offer and its taking up, and right after, leaves one session and no more", async () => {
    let victim = await (await ground.standby()).serve()
    using making = at(victim, bot)
    const root = await bot.open({ purpose: "answer" })
    const path = `/v1/sessions/${root.id}/delegations`
    const body = { agent: "shipper", purpose: "ship", authorizationDetails: [reading] }
    const { delegation } = await making.json<{ delegation: string }>({ method: "POST", path, body })
    await victim.child.kill("SIGKILL")

    victim = await (await ground.standby()).serve()
    using taking = at(victim, shipper)
    const { session } = await take(taking, delegation)
    await victim.child.kill("SIGKILL")
    using left = at(two, shipper)
    await assert.rejects(take(left, delegation), { code: "delegation-over" })
    assert.deepEqual(
      (await treeOf(root.id)).map(({ id }) => id),
      [root.id, session.id],
    )
    const action = { type: "credential", resource: "kb", operation: "read" }
    const { verdict } = await left.json<{ verdict: string }>({
      method: "POST",
      path: "/v1/actions",
      body: { session: session.id, action },
    })
    assert.equal(verdict, "allow")
    await root.end()
    await assert.rejects(left.json({ method: "POST", path: `/v1/sessions/${session.id}/renewal` }), {
      code: "session-ended",
    })
    const report = await verifyLog(ground.logReader(two), ground.logKey)
    assert.deepEqual(report.problems, [])
  })
})
