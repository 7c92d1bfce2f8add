import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { connect as connectTls } from "node:tls"
import { type Identity, openTransport, peerOf, type Safeconduct, type Transport } from "@safeconduct/sdk"
import { verifyLog } from "@safeconduct/tlog"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

type Leased = { verdict: string; lease: { id: string }; credential: { user: string; password: string } }

const read = { operation: "read" }

describe("two servers on one database", { timeout: 120_000 }, () => {
  let ground: Ground
  let one: Server
  let two: Server
  before(async () => {
    ground = await openGround({ agents: ["worker", "suspect", "fickle"] })
    one = ground.first
    two = await (await ground.standby()).serve()
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** The same instance at another server. */
  const at = (server: Server, { identity }: Safeconduct) =>
    openTransport({ ...peerOf(identity), url: server.agentsUrl })
  const lease = (transport: Transport, session: string, idempotencyKey: string) =>
    transport.json<Leased>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action: { type: "credential", resource: "kb", operation: "read" } },
      idempotencyKey,
      maxAttempts: 1,
    })
  const accounts = async () =>
    (await ground.owners["kb"]!.query<{ rolname: string }>("select rolname from pg_roles where rolname like 'sc\\_%'"))
      .rows
  const noAccountLeft = () => until("every account gone", async () => (await accounts()).length === 0)
  const countOf = async (event: string) =>
    (await ground.ours.query<{ n: number }>("select count(*)::int as n from audit.entries where event = $1", [event]))
      .rows[0]!.n

  test("one Idempotency-Key, raced on both, is one lease and one credential", async () => {
    const agent = await ground.enrolled("worker")
    const sessions = await Promise.all(Array.from({ length: 4 }, () => agent.open({ purpose: "answer" })))
    using first = at(one, agent)
    using second = at(two, agent)
    const keys = sessions.flatMap(({ id }) => Array.from({ length: 5 }, () => ({ id, key: randomUUID() })))
    const raced = await Promise.all(
      keys.map(({ id, key }) => Promise.all([first, second, first, second].map((each) => lease(each, id, key)))),
    )
    for (const answers of raced) {
      const [{ lease, credential }] = answers as [Leased]
      for (const answer of answers) assert.deepEqual([answer.lease.id, answer.credential], [lease.id, credential])
    }
    assert.equal(new Set(raced.map(([answer]) => answer!.lease.id)).size, 20)
    assert.equal((await accounts()).length, 20)
    await Promise.all(sessions.map((session) => session.end()))
    await noAccountLeft()
  })

  test("a session has no more leases than its cap, however they race", async () => {
    const agent = await ground.enrolled("worker")
    const session = await agent.open({ purpose: "answer" })
    using first = at(one, agent)
    using second = at(two, agent)
    const asked = Array.from({ length: 12 }, (_, n) => lease(n % 2 === 0 ? first : second, session.id, randomUUID()))
    const settled = await Promise.allSettled(asked)
    const refused = settled.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []))
    assert.deepEqual(
      refused,
      Array.from({ length: 7 }, () => "lease-limit"),
    )
    assert.equal((await accounts()).length, 5)
    await session.end()
    await noAccountLeft()
  })

  test("agents of both work at once, each ends at the other server, and nothing of them is left", async () => {
    const older = await fetch(`${one.webUrl}/log/checkpoint`).then((answer) => answer.text())
    const work = async (n: number) => {
      const [here, there] = n % 2 === 0 ? [one, two] : [two, one]
      const agent = await ground.enrolled("worker", here)
      using other = at(there, agent)
      const session = await agent.open({ purpose: "answer" })
      const leases = await Promise.all(
        [agent.transport, other, agent.transport, other].map((each) => lease(each, session.id, randomUUID())),
      )
      const { host, port, database } = connectionOf(ground)
      const connections = await Promise.all(
        leases.map(({ credential }) => connected({ ...credential, host, port, database })),
      )
      for (const each of connections) assert.equal((await each.query("select from faq")).rowCount, 100)
      await other.json({ method: "DELETE", path: `/v1/sessions/${session.id}` })
      await Promise.all(connections.map((each) => each.lost))
      return leases.map((each) => each.lease.id)
    }
    const ids = (await Promise.all(Array.from({ length: 8 }, (_, n) => work(n)))).flat()
    assert.equal(new Set(ids).size, 32)
    await noAccountLeft()
    await until("every end recorded", async () => (await countOf("credentials.lease-revoked")) >= 20 + 5 + 32)
    // Somebody else's end is no reason to throw a decision away.
    assert.equal(await countOf("gate.action-discarded"), 0)

    const report = await verifyLog(ground.logReader(two), ground.logKey, { older })
    assert.deepEqual(report.problems, [])
    assert.ok(report.size! > 150)
  })

  test("what is applied on one is in force on the other from the answer on", async () => {
    const agent = await ground.enrolled("fickle", two)
    const session = await agent.open({ purpose: "answer" })
    const kept = await session.lease("kb", read)
    const policies = ground.document.policies.filter(({ file }) => file !== "fickle.cedar")
    const { digest } = await ground.apply({ ...ground.document, policies })
    // At once: the other server may not have heard of it, and must not answer by what held before.
    await assert.rejects(session.lease("kb", read), { code: "denied-by-policy" })
    const [denied] = await ground.entries({ session: session.id, event: "gate.action-denied" })
    assert.equal(denied!.leaf.data!.policyVersion, digest)
    await kept.revoke()
    await ground.apply(ground.document)
    await (await session.lease("kb", read)).revoke()
  })

  test("an agent suspended on one is cut off on the other within a second", async (t) => {
    const agent = await ground.enrolled("suspect", two)
    const session = await agent.open({ purpose: "answer" })
    const connection = await connected((await session.lease("kb", read)).settings)
    const refusedQuery = assert.rejects(connection.query("select pg_sleep(600)"))
    const closed = heldOpen(two, agent.identity)
    await closed.open
    const ask = () => agent.transport.json({ method: "GET", path: "/v1/sessions", maxAttempts: 1 })
    await ask()

    const began = performance.now()
    const suspending = ground.operator.json({
      method: "POST",
      path: "/v1/agents/suspect/suspension",
      body: { reason: "a test" },
    })
    const isSuspended = (error: { code?: string }) => error.code === "agent-suspended"
    const refusedMs = await until("a refusal", () =>
      ask().then(
        () => null,
        (error) => isSuspended(error) && performance.now(),
      ),
    )
    const [closedMs, cutMs] = await Promise.all([closed.closed, connection.lost])
    await suspending
    const seen = {
      "next request refused": refusedMs,
      "connection closed": closedMs,
      "database connection cut": cutMs,
    }
    for (const [what, ms] of Object.entries(seen)) {
      t.diagnostic(`suspended on one server, ${what} on the other: ${(ms - began).toFixed(0)} ms`)
      assert.ok(ms - began < 1_000, what)
    }
    await refusedQuery
    await assert.rejects(ask(), isSuspended)
    using first = at(one, agent)
    await assert.rejects(first.json({ method: "GET", path: "/v1/sessions" }), isSuspended)
    const path = `/v1/sessions/${session.id}`
    const { state, endReason } = await ground.operator.json<Record<string, string>>({ method: "GET", path })
    assert.deepEqual([state, endReason], ["ended", "suspended"])
    await ground.recorded(session.id, "sessions.ended")
    const { leaf } = await ground.recorded(session.id, "credentials.lease-revoked")
    assert.equal(leaf.data!.why, "agent-suspended")

    await ground.operator.json({ method: "DELETE", path: "/v1/agents/suspect/suspension", body: { reason: "over" } })
    // Giving back may take its time.
    await until("the other to hear of it", () =>
      ask().then(
        () => true,
        () => false,
      ),
    )
    await assert.rejects(session.lease("kb", read), { code: "session-ended" })
    await (await agent.open({ purpose: "answer" })).end()
  })

  test("when one is killed, the other goes on with its sessions and ends its leases in time", async (t) => {
    const agent = await ground.enrolled("worker", two)
    const session = await agent.open({ purpose: "answer", hardEndSeconds: 2 })
    const hardEndMs = session.hardEndAt.getTime()
    const connection = await connected((await session.lease("kb", read)).settings)
    await two.child.kill("SIGKILL")
    using first = at(one, agent)
    const { verdict } = await lease(first, session.id, randomUUID())
    assert.equal(verdict, "allow")
    await connection.lost
    const lateMs = Date.now() - hardEndMs
    t.diagnostic(`cut ${lateMs} ms after the hard end, by a server that did not make the lease`)
    assert.ok(lateMs >= 0 && lateMs <= 250)
    assert.match(await ground.leaseEnd(session.id), /^(session-)?expired$/)
    await noAccountLeft()
  })
})

function connectionOf({ document }: Ground) {
  return document.resources["kb"] as { host: string; port: number; database: string }
}

/** A connection to a server's agents listener that has asked once, and is kept. */
function heldOpen({ agentsUrl }: Server, identity: Identity) {
  const { hostname, port } = new URL(agentsUrl)
  const key = identity.privateKey.export({ type: "pkcs8", format: "pem" })
  const socket = connectTls({
    host: hostname,
    port: Number(port),
    key,
    cert: identity.svid,
    ca: identity.bundle,
    checkServerIdentity: () => undefined,
  })
  const open = new Promise<void>((resolve) => {
    socket.once("data", () => resolve())
  })
  const closed = new Promise<number>((resolve) => {
    socket.once("close", () => resolve(performance.now()))
  })
  socket.on("error", () => undefined)
  socket.write("GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n")
  return { open, closed }
}
