import assert from "node:assert/strict"
import { after, before, describe, type TestContext, test } from "node:test"
import type pg from "pg"
import { start } from "./fixtures/child.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected, isLoginRefused } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"
import { type Cut, watchCut } from "./fixtures/watch-cut.ts"

const purposes = {
  brief: { lifetimeSeconds: 2, hardEndSeconds: 2, leaseSeconds: 2 },
  // Long enough for a server to be back before it is over, also on a busy machine.
  outlived: { lifetimeSeconds: 5, hardEndSeconds: 5, leaseSeconds: 5 },
  busy: { lifetimeSeconds: 4, hardEndSeconds: 8, leaseSeconds: 2 },
  idle: { lifetimeSeconds: 3, idleSeconds: 60, leaseSeconds: 30 },
  unused: { lifetimeSeconds: 3, idleSeconds: 1, leaseSeconds: 30 },
}
/**
 * What is promised: milliseconds from the hard end until no connection is left. A watcher that the machine itself kept waiting
 * allows for that much more, and no test of a time can do better.
 */
const CUT_MS = 250

type Ready = { session: string; hardEndAt: string; lease: string; settings: pg.ClientConfig & { user: string } }

let ground: Ground
let server: Server
before(async () => {
  ground = await openGround({ purposes })
  server = ground.first
})
after(() => ground?.[Symbol.asyncDispose]())

/** An agent's process that has a connection at work; somebody else holds its credential and a second connection. */
async function killedAgent(purpose: string) {
  const agent = start("agent", await ground.agentEnvironment("bot"), purpose)
  const ready = await agent.said<Ready>("ready")
  const accomplice = await connected(ready.settings)
  const cut = watchCut(ground.ownerUrls["kb"]!, ready.settings.user)
  cut.catch(() => undefined)
  await agent.kill("SIGKILL")
  return { ...ready, hardEndMs: Date.parse(ready.hardEndAt), accomplice, cut }
}

function tellCut(t: TestContext, what: string, { firstGoneMs }: Cut, hardEndMs: number): void {
  t.diagnostic(`${what}: cut ${Math.round(firstGoneMs - hardEndMs)} ms after the hard end`)
}

const stateOf = (session: string) =>
  ground.operator.json<{ state: string; endReason: string }>({ method: "GET", path: `/v1/sessions/${session}` })

describe("while the server runs", { concurrency: true, timeout: 60_000 }, () => {
  test("a session of 2 s whose agent was killed is cut within 250 ms of its hard end, and not before", async (t) => {
    const { session, hardEndMs, accomplice, cut, settings } = await killedAgent("brief")
    const seen = await cut
    tellCut(t, "agent killed", seen, hardEndMs)
    assert.equal(seen.most, 2)
    assert.ok(seen.firstGoneMs - hardEndMs <= CUT_MS + seen.stalledMs)
    assert.ok(seen.firstGoneMs >= hardEndMs)
    await accomplice.lost
    await assert.rejects(connected(settings), isLoginRefused)
    await ground.recorded(session, "sessions.expired")
    assert.match(await ground.leaseEnd(session), /^(session-)?expired$/)
  })

  test("a session in use for more than three lifetimes of its lease keeps its connection, until its hard end", async (t) => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "busy" })
    const lease = await session.lease("kb", { operation: "read" })
    const hardEndMs = session.hardEndAt.getTime()
    const client = await connected(lease.settings)
    const cut = watchCut(ground.ownerUrls["kb"]!, lease.settings.user)
    const backends = new Set<number>()
    let [queries, lastMs] = [0, 0]
    try {
      for (;;) {
        const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid, count(*) from faq")
        backends.add(rows[0]!.pid)
        ;[queries, lastMs] = [queries + 1, Date.now()]
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    } catch {
      await client.lost
    }
    const seen = await cut
    tellCut(t, `${queries} queries on one connection`, seen, hardEndMs)
    assert.equal(backends.size, 1)
    assert.ok(seen.firstGoneMs >= hardEndMs && seen.firstGoneMs - hardEndMs <= CUT_MS + seen.stalledMs)
    assert.ok(lastMs > hardEndMs - 250 - seen.stalledMs && lastMs <= seen.firstGoneMs)
    const renewals = async (event: string) => (await ground.entries({ session: session.id, event })).length
    // Of 8 s: the lease lives 2, the session 4, and each is renewed before half of that is over, or soon after.
    assert.ok((await renewals("credentials.lease-renewed")) >= 4)
    assert.ok((await renewals("sessions.renewed")) >= 2)
    await until("the session to have ended", async () => (await stateOf(session.id)).state === "ended")
    assert.equal((await stateOf(session.id)).endReason, "expired")
    await assert.rejects(session.lease("kb", { operation: "read" }), { code: "session-ended" })
  })

  test("a session whose agent is gone lapses, and the log says so of it and of its lease", async () => {
    const { session, accomplice, settings } = await killedAgent("idle")
    await accomplice.lost
    await ground.recorded(session, "sessions.lapsed")
    const { leaf } = await ground.recorded(session, "credentials.lease-revoked")
    assert.equal(leaf.data!.why, "session-lapsed")
    await assert.rejects(connected(settings), isLoginRefused)
    assert.deepEqual(await stateOf(session).then(({ state, endReason }) => [state, endReason]), ["ended", "lapsed"])
  })

  test("a session that its agent keeps open and does not use is not renewed for ever", async () => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "unused" })
    await session.lease("kb", { operation: "read" })
    await new Promise((resolve) => session.signal.addEventListener("abort", resolve))
    await ground.recorded(session.id, "sessions.lapsed")
    await ground.recorded(session.id, "credentials.lease-revoked")
  })
})

describe("when the server is killed", { timeout: 60_000 }, () => {
  test("and is back before the hard end, a session is cut within 250 ms of it", async (t) => {
    const next = await ground.standby(server)
    const { session, hardEndMs, cut, settings } = await killedAgent("outlived")
    await server.child.kill("SIGKILL")
    server = await next.serve()
    const readyMs = Date.now()
    assert.ok(readyMs < hardEndMs, `the server was back ${readyMs - hardEndMs} ms after the hard end`)
    const seen = await cut
    tellCut(
      t,
      `server back ${hardEndMs - readyMs} ms before, after a start of ${server.startMs.toFixed(0)} ms`,
      seen,
      hardEndMs,
    )
    assert.ok(seen.firstGoneMs >= hardEndMs && seen.firstGoneMs - hardEndMs <= CUT_MS + seen.stalledMs)
    await assert.rejects(connected(settings), isLoginRefused)
    assert.match(await ground.leaseEnd(session), /^(session-)?expired$/)
    await ground.recorded(session, "sessions.expired")
  })

  test("and is back only after the hard end, no login works meanwhile and it is cut at the start", async (t) => {
    const next = await ground.standby(server)
    const { session, hardEndMs, accomplice, cut, settings } = await killedAgent("brief")
    await server.child.kill("SIGKILL")
    await until("the hard end", () => Date.now() > hardEndMs + 100)
    // VALID UNTIL is the resource's own, and needs no server of ours.
    await assert.rejects(connected(settings), isLoginRefused)
    assert.equal((await accomplice.query("select 1 as alive")).rows[0].alive, 1)
    const toldMs = Date.now()
    server = await next.serve()
    const seen = await cut
    t.diagnostic(
      `cut ${Math.round(seen.firstGoneMs - toldMs)} ms after the start began, which took ${server.startMs.toFixed(0)} ms`,
    )
    assert.ok(seen.firstGoneMs - toldMs <= server.startMs + CUT_MS + seen.stalledMs)
    assert.match(await ground.leaseEnd(session), /^(session-)?expired$/)
    await ground.recorded(session, "sessions.expired")
  })
})
