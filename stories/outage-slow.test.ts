import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import type pg from "pg"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

const action = { type: "credential", resource: "kb", operation: "read" }
/** Twice what a statement may take, and room for a machine that is busy. */
const WITHIN_MS = 25_000

describe("while our own database hangs", { timeout: 180_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround()
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** Somebody holds the row that every commit needs, until they are told to let go. */
  async function holding(work: () => Promise<void>): Promise<void> {
    const holder: pg.PoolClient = await ground.ours.connect()
    try {
      await holder.query("begin; select from audit.head for update")
      await work()
    } finally {
      await holder.query("rollback")
      holder.release()
    }
  }

  test("nothing is allowed and nobody waits for ever; what ends is cut at once, and recorded afterwards", async (t) => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    const { settings } = await session.lease("kb", { operation: "read" })
    const connection = await connected(settings)
    const ask = (path: string, body: object) =>
      agent.transport.json({ method: "POST", path, body, maxAttempts: 1, timeoutMs: 60_000 })

    let entry = ""
    await holding(async () => {
      const began = performance.now()
      const refused = { code: "store-unavailable", message: /in time/ }
      await Promise.all([
        assert.rejects(ask("/v1/actions", { session: session.id, action }), refused),
        assert.rejects(ask("/v1/sessions", { purpose: "answer" }), refused),
      ])
      const refusedMs = performance.now() - began
      t.diagnostic(`refused after ${refusedMs.toFixed(0)} ms`)
      assert.ok(refusedMs < WITHIN_MS)
      const path = `/v1/sessions/${session.id}`
      const asked = performance.now()
      const ending = agent.transport.json<{ isRecorded: boolean; entry: string }>({
        method: "DELETE",
        path,
        timeoutMs: 60_000,
      })
      t.diagnostic(`cut ${((await connection.lost) - asked).toFixed(0)} ms after it was asked for`)
      const answer = await ending
      assert.equal(answer.isRecorded, false)
      entry = answer.entry
      const ready = await fetch(`${ground.first.opsUrl}/readyz`)
      assert.equal(ready.status, 503)
    })
    assert.equal((await ground.recorded(session.id, "gate.session-end-journalled")).id, entry)
    await ground.recorded(session.id, "sessions.ended")
    await until("it to be ready", async () => (await fetch(`${ground.first.opsUrl}/readyz`)).status === 200)
    await using next = await agent.open({ purpose: "answer" })
    await next.lease("kb", { operation: "read" })
  })

  test("an instance that is revoked loses its connection at once, whatever its commit waits for", async (t) => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    const connection = await connected((await session.lease("kb", { operation: "read" })).settings)
    await holding(async () => {
      const path = `/v1/agents/bot/instances/${agent.instance}`
      const asked = performance.now()
      let isAnswered = false
      const body = { reason: "Its machine was lost." }
      const revoking = ground.operator
        .json<{ entry: string }>({ method: "DELETE", path, body, timeoutMs: 60_000 })
        .finally(() => {
          isAnswered = true
        })
      t.diagnostic(`cut ${((await connection.lost) - asked).toFixed(0)} ms after it was asked for`)
      assert.equal(isAnswered, false, "the cut waited for the commit")
      assert.match((await revoking).entry, /^entry_/)
    })
    await ground.recorded(session.id, "sessions.ended")
  })

  test("a server that was killed while it owed something enters it when it starts, and gives nothing to what was ended", async () => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    await session.lease("kb", { operation: "read" })
    const path = `/v1/sessions/${session.id}`
    let entry = ""
    await holding(async () => {
      const ended = await agent.transport.json<{ entry: string }>({ method: "DELETE", path, timeoutMs: 60_000 })
      entry = ended.entry
      await ground.first.child.kill("SIGKILL")
    })
    const { rows } = await ground.ours.query("select state from sessions.sessions where id = $1", [session.id])
    assert.deepEqual(rows, [{ state: "open" }])
    await (await ground.standby(ground.first)).serve()
    await assert.rejects(session.lease("kb", { operation: "read" }), { code: "session-ended" })
    const owed = await ground.entries({ session: session.id, event: "gate.session-end-journalled" })
    assert.deepEqual(
      owed.map(({ id }) => id),
      [entry],
    )
    assert.equal((await ground.entries({ session: session.id, event: "sessions.ended" })).length, 1)
    const { rows: roles } = await ground.owners["kb"]!.query("select from pg_roles where rolname like 'sc\\_%'")
    assert.equal(roles.length, 0)
  })
})
