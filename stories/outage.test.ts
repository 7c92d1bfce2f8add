import assert from "node:assert/strict"
import { readdirSync } from "node:fs"
import { after, before, describe, test } from "node:test"
import type { Safeconduct } from "@safeconduct/sdk"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { type Connection, connected, isLoginRefused } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"
import { watchCut } from "./fixtures/watch-cut.ts"

const purposes = {
  brief: { hardEndSeconds: 4, leaseSeconds: 30 },
  busy: { lifetimeSeconds: 30, leaseSeconds: 3 },
  answer: {},
}
const read = { operation: "read" }

/** What is answered to who takes away while nothing can be recorded. */
type Owed = { isRecorded: boolean; entry: string; leases?: { isCut: boolean }[] }

const journalled = ({ journal }: Ground) => readdirSync(journal).filter((name) => name.endsWith(".jsonl"))

describe("while our own database is down", { timeout: 120_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround({ purposes, agents: ["bot", "suspect"] })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** A session with a lease, and a connection that somebody has made with it. */
  async function atWork(agent: Safeconduct, purpose: string) {
    const session = await agent.open({ purpose })
    const lease = await session.lease("kb", read)
    const { settings } = lease
    return { session, lease, settings, connection: await connected(settings) }
  }
  const health = async () => {
    const answer = await fetch(`${ground.first.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }
  const isAlive = async (connection: Connection) => (await connection.query("select 1")).rowCount === 1

  test("what ends by time or on command is cut in time, and all is recorded once it is back", async (t) => {
    const [agent, suspect] = await Promise.all([ground.enrolled("bot"), ground.enrolled("suspect")])
    const ending = await atWork(agent, "answer")
    const stopping = await atWork(suspect, "answer")
    const [expiring, renewing] = await Promise.all([atWork(agent, "brief"), atWork(agent, "busy")])
    const watched = { "hard end": expiring, "lease's end": renewing }
    const watches = Object.entries(watched).map(([what, at]) => {
      return { what, ...at, cut: watchCut(ground.ownerUrls["kb"]!, at.settings.user) }
    })
    await ground.own.stop()

    const down = await health()
    assert.equal(down.status, 503)
    assert.match(down.text, /"name":"database","problem":"[^"]/)
    assert.equal((await fetch(`${ground.first.opsUrl}/livez`)).status, 200)
    // Giving fails closed.
    const ask = (path: string, body: object) => agent.transport.json({ method: "POST", path, body, maxAttempts: 1 })
    const action = { type: "credential", resource: "kb", operation: "read" }
    await assert.rejects(ask("/v1/actions", { session: ending.session.id, action }), { code: "store-unavailable" })
    await assert.rejects(ask("/v1/sessions", { purpose: "answer" }), { code: "store-unavailable" })
    for (const { connection } of [ending, stopping]) assert.ok(await isAlive(connection))

    // Taking away does not wait for the log.
    const began = performance.now()
    const path = `/v1/sessions/${ending.session.id}`
    const ended = await agent.transport.json<Owed>({ method: "DELETE", path, maxAttempts: 1 })
    assert.deepEqual([ended.isRecorded, ended.leases?.map(({ isCut }) => isCut)], [false, [true]])
    const suspension = { method: "POST", path: "/v1/agents/suspect/suspension", body: { reason: "a test" } } as const
    const suspended = await ground.operator.json<Owed>({ ...suspension, maxAttempts: 1 })
    assert.equal(suspended.isRecorded, false)
    const endedMs = (await ending.connection.lost) - began
    const suspendedMs = (await stopping.connection.lost) - began
    t.diagnostic(
      `on command: session ended, cut after ${endedMs.toFixed(0)} ms, agent suspended after ${suspendedMs.toFixed(0)} ms`,
    )

    for (const { what, cut, lease, connection, settings } of watches) {
      const dueMs = lease.expiresAt.getTime()
      const { firstGoneMs, stalledMs } = await cut
      await connection.lost
      t.diagnostic(`by time: cut ${Math.round(firstGoneMs - dueMs)} ms after its ${what}`)
      assert.ok(firstGoneMs >= dueMs && firstGoneMs - dueMs <= 250 + stalledMs, what)
      await assert.rejects(connected(settings), isLoginRefused)
    }
    const { rows } = await ground.owners["kb"]!.query("select rolname from pg_roles where rolname like 'sc\\_%'")
    assert.deepEqual(rows, [])

    const backMs = performance.now()
    await ground.startOwn()
    await until("the server to be ready again", async () => (await health()).status === 200)
    t.diagnostic(`ready again ${(performance.now() - backMs).toFixed(0)} ms after the database was told to start`)
    const next = await atWork(agent, "answer")
    assert.ok(await isAlive(next.connection))
    await next.session.end()

    const ends = [
      [expiring, /^(session-)?expired$/],
      [renewing, /^expired$/],
      [ending, /^session-ended$/],
      [stopping, /^agent-suspended$/],
    ] as const
    for (const [{ session }, why] of ends) assert.match(await ground.leaseEnd(session.id), why)
    await ground.recorded(expiring.session.id, "sessions.expired")
    // Nobody repeats what was asked for meanwhile: the server that took it carries it out, under the ids that it promised.
    const [end] = await ground.entries({ session: ending.session.id, event: "sessions.ended" })
    const owed = await ground.recorded(ending.session.id, "gate.session-end-journalled")
    assert.deepEqual([owed.id, owed.leaf.by], [ended.entry, end?.leaf.by])
    const [stop] = await ground.entries({ event: "gate.agent-stop-journalled" })
    assert.equal(stop?.id, suspended.entry)
    await ground.recorded(stopping.session.id, "sessions.ended")
    await assert.rejects(suspect.open({ purpose: "answer" }))
    const cuts = await ground.entries({ event: "credentials.cut-journalled" })
    const sessions = [ending, stopping, expiring, renewing].map(({ session }) => session.id)
    assert.deepEqual(cuts.map(({ leaf }) => leaf.session).toSorted(), sessions.toSorted())
    assert.deepEqual(journalled(ground), [], "nothing is owed any more")
  })
})
