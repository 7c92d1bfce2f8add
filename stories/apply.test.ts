import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { SafeconductError } from "@safeconduct/sdk"
import type { Document } from "./fixtures/document.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"

const read = { operation: "read" }

describe("applying a configuration", { timeout: 60_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround({ agents: ["bot", "other"], purposes: { answer: {}, tidy: {} } })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const changed = (change: (document: Document) => void): Document => {
    const document = structuredClone(ground.document)
    change(document)
    return document
  }
  const inForce = async () =>
    (await ground.operator.json<{ digest: string }>({ method: "GET", path: "/v1/policy" })).digest

  test("that takes a policy, the ceiling or the purpose away refuses the next lease, in words", async () => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    const cases: [RegExp, (document: Document) => void][] = [
      [/./, ({ policies }) => policies.splice(0, 1)],
      [/ceiling of agent bot/, ({ agents }) => agents["bot"]!.ceiling.splice(0, 1)],
      [/no longer serve answer/, ({ agents }) => agents["bot"]!.purposes.splice(0, 1)],
    ]
    for (const [reason, change] of cases) {
      const lease = await session.lease("kb", read)
      await ground.apply(changed(change))
      const refused = (error: unknown) =>
        error instanceof SafeconductError && error.code === "denied-by-policy" && reason.test(error.message)
      await assert.rejects(session.lease("kb", read), refused)
      await ground.apply(ground.document)
      await lease.revoke()
    }
    await (await session.lease("kb", read)).revoke()
    const denied = await ground.entries({ session: session.id, event: "gate.action-denied" })
    assert.equal(denied.length, cases.length)
    await session.end()
  })

  test("that takes a right away lets no lease of it be renewed", async () => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    const { id } = await session.lease("kb", read)
    const renew = () => agent.transport.json({ method: "POST", path: `/v1/credentials/leases/${id}/renewal` })
    await renew()
    await ground.apply(changed(({ policies }) => policies.splice(0, 1)))
    await assert.rejects(renew(), { code: "denied-by-policy" })
    await ground.apply(ground.document)
    await renew()
    await session.end()
  })

  test("that no longer has an agent retires it, and its session and connections end", async (t) => {
    const agent = await ground.enrolled("other")
    const session = await agent.open({ purpose: "answer" })
    const connection = await connected((await session.lease("kb", read)).settings)
    const began = performance.now()
    const { lines } = await ground.apply(
      changed(({ agents, policies }) => {
        delete agents["other"]
        policies.pop()
      }),
    )
    t.diagnostic(`retired to connection cut ${((await connection.lost) - began).toFixed(0)} ms`)
    assert.ok(lines.some((line) => line.includes("other")))
    const refused = (error: { code?: string }) => error.code === "agent-retired"
    await assert.rejects(agent.transport.json({ method: "GET", path: "/v1/sessions" }), refused)
    await ground.recorded(session.id, "sessions.ended")
    const { leaf } = await ground.recorded(session.id, "credentials.lease-revoked")
    assert.equal(leaf.data!.why, "agent-retired")
    await ground.apply(ground.document)
    // The name is another agent's now; the key that was enrolled for the old one stays refused.
    await assert.rejects(agent.transport.json({ method: "GET", path: "/v1/sessions" }), refused)
  })

  test("that is broken is refused with the place, and the old version stays in force", async () => {
    const agent = await ground.enrolled("bot")
    const before = await inForce()
    const broken: [RegExp, (document: Document) => void][] = [
      [/bot\.cedar:2:/, ({ policies }) => (policies[0]!.text += "\npermit (principal, action")],
      [
        /no resource "nowhere"/,
        ({ agents }) =>
          (agents["bot"]!.ceiling = [
            { type: "safeconduct_action", actions: ["credential:read"], locations: ["nowhere"] },
          ]),
      ],
      [/no purpose "unheard-of"/, ({ agents }) => agents["bot"]!.purposes.push("unheard-of")],
      [/resources\.kb/, ({ resources }) => (resources["kb"] = { engine: "abacus" })],
    ]
    for (const [place, change] of broken) {
      const refused = (error: unknown) =>
        error instanceof SafeconductError && error.code === "policy-invalid" && place.test(error.message)
      await assert.rejects(ground.apply(changed(change)), refused)
      assert.equal(await inForce(), before)
    }
    const session = await agent.open({ purpose: "answer" })
    await (await session.lease("kb", read)).revoke()
    await session.end()
    const applied = await ground.entries({ event: "policy.applied" })
    assert.ok(applied.every(({ leaf }) => leaf.data!.digest !== undefined))
  })
})
