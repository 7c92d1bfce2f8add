import assert from "node:assert/strict"
import { after, before, describe, type TestContext, test } from "node:test"
import type pg from "pg"
import { type Child, start } from "./fixtures/child.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected, isLoginRefused } from "./fixtures/resource.ts"

type Ready = { session: string; settings: pg.ClientConfig & { user: string } }

describe("an agent's process that goes", { concurrency: true, timeout: 60_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround()
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** Everything is revoked when the process is gone: it went after that, and not before. Returns how it ended. */
  async function gone(t: TestContext, leave: (agent: Child) => Promise<unknown>) {
    await using agent = start("agent", await ground.agentEnvironment("bot"), "answer")
    const { session, settings } = await agent.said<Ready>("ready")
    const accomplice = await connected(settings)
    await accomplice.query("select from faq")
    const began = performance.now()
    await leave(agent)
    const ending = await agent.ended
    const endedMs = performance.now()
    const { rows } = await ground.owners["kb"]!.query("select from pg_roles where rolname = $1", [settings.user])
    assert.deepEqual(rows, [])
    const lostMs = await accomplice.lost
    t.diagnostic(
      `told to process gone ${(endedMs - began).toFixed(0)} ms, to connection cut ${(lostMs - began).toFixed(0)} ms`,
    )
    await assert.rejects(connected(settings), isLoginRefused)
    const { leaf } = await ground.recorded(session, "sessions.ended")
    assert.deepEqual(leaf.data, { reason: "ended" })
    await ground.recorded(session, "credentials.lease-revoked")
    return { ...ending, errors: agent.errors() }
  }

  test("through the closing brace revokes, and exits with 0", async (t) => {
    const { code, signal } = await gone(t, async (agent) => agent.tell("leave"))
    assert.deepEqual([code, signal], [0, null])
  })

  test("by an exception revokes at the closing brace, and the exception stays what it was", async (t) => {
    const { code, errors } = await gone(t, async (agent) => agent.tell("throw"))
    assert.equal(code, 1)
    assert.match(errors, /Error: the agent failed/)
  })

  for (const name of ["SIGINT", "SIGTERM"] as const) {
    test(`by ${name} revokes before it is gone, and dies of ${name}`, async (t) => {
      const { code, signal } = await gone(t, (agent) => agent.kill(name))
      assert.deepEqual([code, signal], [null, name])
    })
  }
})
