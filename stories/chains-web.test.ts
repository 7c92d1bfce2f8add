import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Client, openWebGround, type WebGround } from "./fixtures/web-ground.ts"

const reading = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
const handing = { type: "safeconduct_action", actions: ["delegate:look-up"], locations: ["other"] }

describe("a chain where a load balancer ends TLS", { timeout: 120_000 }, () => {
  let web: WebGround
  let worker: Client
  let other: Client
  before(async () => {
    web = await openWebGround()
    const { document, apply } = web.ground
    const answer = { ...document.purposes["answer"], actions: [reading, handing], chain: { maxDepth: 1 } }
    await apply({
      ...document,
      purposes: { answer, "look-up": { description: "Look up", actions: [reading] } },
      agents: {
        ...document.agents,
        worker: { ...document.agents["worker"]!, ceiling: [reading, handing] },
        other: { ...document.agents["other"]!, purposes: ["look-up"] },
      },
      policies: [
        ...document.policies,
        { file: "on.cedar", text: `@id("on") permit (principal, action == policy::Action::"delegate", resource);` },
      ],
    })
    worker = await web.clientOf("worker")
    other = await web.clientOf("other")
  })
  after(() => web?.[Symbol.asyncDispose]())

  test("is handed on by the token of the session that it is about, and taken up by the agent's own", async () => {
    const { one, two } = web
    const [above, beside] = [await web.open(worker), await web.open(worker)]
    const route = `POST /v1/sessions/${above.id}/delegations` as const
    const body = { agent: "other", purpose: "look-up", authorizationDetails: [reading] }
    for (const token of [await worker.token(one), beside.token]) {
      const { status, code } = await worker.ask(one, route, token, { body })
      assert.deepEqual([status, code], [401, "token-invalid"])
    }
    const offered = await worker.ask(one, route, above.token, { body })
    assert.equal(offered.status, 201)
    const { delegation } = offered.json as { delegation: string }

    const take = (token: string) => other.ask(two, "POST /v1/sessions", token, { body: { delegation } })
    const stolen = await worker.ask(two, "POST /v1/sessions", await worker.token(two), { body: { delegation } })
    assert.deepEqual([stolen.status, stolen.code], [404, "delegation-unknown"])
    const taken = await take(await other.token(two))
    assert.equal(taken.status, 201)
    const { session, accessToken } = taken.json as { session: { id: string }; accessToken: string }
    // A session's token opens no session, whatever it is given.
    assert.equal((await take(accessToken)).status, 401)
    assert.equal((await take(await other.token(two))).status, 403)

    const tree = `GET /v1/sessions/${session.id}/tree` as const
    assert.equal((await other.ask(one, tree, accessToken)).status, 200)
    assert.equal((await other.ask(one, `GET /v1/sessions/${above.id}/tree`, accessToken)).status, 401)
    const action = { type: "credential", resource: "kb", operation: "read" }
    const asked = () => other.ask(two, "POST /v1/actions", accessToken, { body: { session: session.id, action } })
    assert.equal((await asked()).json["verdict"], "allow")
    await worker.ask(one, `DELETE /v1/sessions/${above.id}`, above.token)
    await web.ground.recorded(session.id, "credentials.lease-revoked")
    assert.equal((await asked()).code, "session-ended")
  })
})
