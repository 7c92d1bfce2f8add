import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

const action = { type: "credential", resource: "kb", operation: "read" }

describe("while the stored policy is broken", { timeout: 120_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround()
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const readiness = async () => {
    const answer = await fetch(`${ground.first.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }

  for (const [what, sabotage] of [
    [
      "altered under its digest",
      "update policy.versions set document = jsonb_set(document::jsonb, '{policies}', '[]')",
    ],
    [
      "no policy at all",
      `insert into policy.versions (digest, document, applied_by) values ('broken', '{"policies":[{"file":"a.cedar","text":"permit ("}]}', 'nobody');
       update policy.in_force set digest = 'broken'`,
    ],
  ] as const) {
    test(`${what}: nothing is allowed, taking away works, and the next apply heals it`, async () => {
      const agent = await ground.enrolled("bot")
      const session = await agent.open({ purpose: "answer" })
      const { settings } = await session.lease("kb", { operation: "read" })
      const connection = await connected(settings)

      await ground.ours.query(`${sabotage}; update kernel.epoch set epoch = epoch + 1`)
      const standby = await ground.standby()
      const fresh = await standby.serve()
      const { text } = await until("it to say that it is not ready", async () => {
        const found = await readiness()
        return found.status === 503 && found
      })
      assert.match(text, /"name":"policy","problem":"[^"]*[Aa]ppl/)
      const ask = {
        method: "POST",
        path: "/v1/actions",
        body: { session: session.id, action },
        maxAttempts: 1,
      } as const
      const refused = { code: "policy-broken", message: /Apply a good one/ }
      await assert.rejects(agent.transport.json(ask), refused)
      assert.equal((await fetch(`${fresh.opsUrl}/readyz`)).status, 503, "nor is a server that starts now")
      await session.end()
      await connection.lost

      await ground.apply(ground.document)
      await until("it to be ready again", async () => (await readiness()).status === 200)
      await using next = await agent.open({ purpose: "answer" })
      await next.lease("kb", { operation: "read" })
      await fresh.child.kill("SIGKILL")
    })
  }
})
