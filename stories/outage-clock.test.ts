import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

const action = { type: "credential", resource: "kb", operation: "read" }

describe("while a server's clock is off", { timeout: 120_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround({ program: "clock-server", agents: ["bot", "suspect"] })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const readiness = async () => {
    const answer = await fetch(`${ground.first.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }

  for (const [what, offMs, words] of [
    ["ten seconds ahead", 10_000, / s ahead of the database's: let both follow NTP/],
    ["ten seconds behind", -10_000, / s behind the database's: let both follow NTP/],
  ] as const) {
    test(`${what}: it gives nothing and says why, takes away as ever, and gives again when it is right`, async () => {
      const agent = await ground.enrolled("bot")
      const session = await agent.open({ purpose: "answer" })
      const lease = await session.lease("kb", { operation: "read" })
      const connection = await connected(lease.settings)
      const intended = (await ground.entries({ event: "credentials.lease-intended" })).length

      ground.first.child.tell(`clock ${offMs}`)
      const { text } = await until("it to say that it is not ready", async () => {
        const found = await readiness()
        return found.status === 503 && found
      })
      const { checks } = JSON.parse(text) as { checks: { name: string; problem: string | null }[] }
      assert.deepEqual(
        checks.filter(({ problem }) => problem !== null).map(({ name }) => name),
        ["clock"],
      )
      assert.match(text, words)
      const refused = { code: "clock-skewed", message: words }
      const ask = (path: string, body: object) => agent.transport.json({ method: "POST", path, body, maxAttempts: 1 })
      const renewal = `/v1/credentials/leases/${lease.id}/renewal`
      await assert.rejects(ask("/v1/actions", { session: session.id, action }), refused)
      await assert.rejects(ask("/v1/sessions", { purpose: "answer" }), refused)
      await assert.rejects(agent.transport.json({ method: "POST", path: renewal, maxAttempts: 1 }), refused)
      await assert.rejects(ground.enrolled("suspect"), refused)
      await session.end()
      await connection.lost
      assert.equal((await ground.entries({ event: "credentials.lease-intended" })).length, intended)

      ground.first.child.tell("clock 0")
      await until("it to be ready again", async () => (await readiness()).status === 200)
      await using next = await agent.open({ purpose: "answer" })
      await next.lease("kb", { operation: "read" })
    })
  }
})
