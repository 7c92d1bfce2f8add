import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { openPassage, type Passage } from "./fixtures/passage.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

type View = { name: string; problem: string | null }

/** What a resource may take before it is given up, and room for a machine that is busy. */
const WITHIN_MS = 25_000

describe("while a resource is away", { timeout: 240_000 }, () => {
  let ground: Ground
  const passages = new Map<number, Passage>()
  const portOf = (resource: string) => Number(new URL(ground.ownerUrls[resource]!).port)
  const passageTo = (resource: string) => passages.get(portOf(resource))!
  before(async () => {
    ground = await openGround({
      resources: { kb: 18, crm: 18 },
      async through(port) {
        const passage = await openPassage(port)
        passages.set(port, passage)
        return passage.port
      },
    })
  })
  after(async () => {
    await ground?.[Symbol.asyncDispose]()
    for (const passage of passages.values()) await passage[Symbol.asyncDispose]()
  })

  const problemOf = async (name: string) => {
    const path = "/v1/credentials/resources"
    const { resources } = await ground.operator.json<{ resources: View[] }>({ method: "GET", path })
    return resources.find((each) => each.name === name)!.problem
  }

  const accounts = async (resource: string) =>
    (await ground.owners[resource]!.query("select from pg_roles where rolname like 'sc\\_%'")).rowCount

  for (const [what, spoil] of [
    ["whose port is closed", (passage: Passage) => passage.close()],
    ["that takes connections and never answers", async (passage: Passage) => passage.stall()],
  ] as const) {
    test(`one ${what}: it gives nothing and is not waited for, others do, and what ends there is cut when it is back`, async (t) => {
      const agent = await ground.enrolled("bot")
      const session = await agent.open({ purpose: "answer" })
      const lease = await session.lease("kb", { operation: "read" })
      const holder = await connected({ ...lease.settings, port: portOf("kb") })
      const ask = (resource: string) =>
        agent.transport.json({
          method: "POST",
          path: "/v1/actions",
          body: { session: session.id, action: { type: "credential", resource, operation: "read" } },
          maxAttempts: 1,
          timeoutMs: 60_000,
        })
      const refused = { code: "resource-unavailable", message: /"kb" does not answer/ }

      await spoil(passageTo("kb"))
      const began = performance.now()
      await assert.rejects(ask("kb"), refused)
      const firstMs = performance.now() - began
      assert.ok(firstMs < WITHIN_MS, `${firstMs}`)
      const fastMs = await until(
        "the breaker to open",
        async () => {
          const asked = performance.now()
          await assert.rejects(ask("kb"), refused)
          const tookMs = performance.now() - asked
          return tookMs < 1_000 && tookMs
        },
        { withinMs: 90_000 },
      )
      t.diagnostic(`refused after ${firstMs.toFixed(0)} ms, then without being asked after ${fastMs.toFixed(0)} ms`)
      assert.match((await until("it to be known", () => problemOf("kb")))!, /Check that it runs/)
      assert.equal(await problemOf("crm"), null)
      // Another resource, and the server itself, know nothing of it.
      assert.ok(await ask("crm"))
      assert.equal((await fetch(`${ground.first.opsUrl}/readyz`)).status, 200)

      const ended = await agent.transport.json<{ leases: { resource: string; isCut: boolean }[] }>({
        method: "DELETE",
        path: `/v1/sessions/${session.id}`,
        timeoutMs: 60_000,
      })
      assert.equal(ended.leases.find(({ resource }) => resource === "kb")?.isCut, false)
      await until("the other resource's account to be gone", async () => (await accounts("crm")) === 0)

      await passageTo("kb").open()
      const back = performance.now()
      await holder.lost
      t.diagnostic(`cut ${(performance.now() - back).toFixed(0)} ms after it was back`)
      await until(
        "every account to be gone",
        async () =>
          (await ground.owners["kb"]!.query("select from pg_roles where rolname like 'sc\\_%'")).rowCount === 0,
        { withinMs: 30_000 },
      )
      await until("the resource to be well", async () => (await problemOf("kb")) === null)
      await using next = await agent.open({ purpose: "answer" })
      await until(
        "it to give again",
        () =>
          next.lease("kb", { operation: "read" }).then(
            () => true,
            () => false,
          ),
        { everyMs: 200 },
      )
    })
  }
})
