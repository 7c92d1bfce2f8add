import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { connect, enrol, type Identity, openWebTransport, renewIdentity } from "@safeconduct/sdk"
import { hashOf, newSigner } from "../server/src/sessions/proof.fixture.ts"
import { overMutualTls } from "./fixtures/over-mutual-tls.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"
import { openWebGround, type WebGround } from "./fixtures/web-ground.ts"

const read = { operation: "read" }
const LIST = "GET /v1/sessions"

describe("agents that are known by a key and not by a connection", { timeout: 180_000 }, () => {
  let web: WebGround
  let { ground, balancer, one, two, clientOf, open } = {} as WebGround
  before(async () => {
    web = await openWebGround()
    ;({ ground, balancer, one, two, clientOf, open } = web)
  })
  after(() => web?.[Symbol.asyncDispose]())

  /** The SVID of an instance ends that long ago, as far as the database knows. */
  const endSvid = async ({ instance }: Identity, ago: string) => {
    await ground.ours.query("update agents.svids set not_after = now() - $2::interval where instance = $1", [
      instance,
      ago,
    ])
  }

  test("work through a load balancer that ends TLS, whichever server it leads to, and every entry says how", async () => {
    const { SAFECONDUCT_JOIN_TOKEN: joinToken, SAFECONDUCT_IDENTITY: folder } = await ground.agentEnvironment("worker")
    await enrol({ url: one.agentsUrl, joinToken: joinToken!, folder: folder! })
    const onProblem = () => undefined
    await using agent = await connect({ webUrl: balancer.url, webCa: balancer.ca, folder: folder!, onProblem })
    const session = await agent.open({ purpose: "answer" })
    const lease = await session.lease("kb", read)
    const connection = await connected(lease.settings)
    for (const server of [two, one, two]) {
      balancer.lead(server)
      const { verdict } = await session.act({ type: "credential", resource: "kb", operation: "write" })
      assert.equal(verdict, "deny")
    }
    await session.end()
    await connection.lost
    balancer.lead(one)
    const entries = await ground.entries({ session: session.id })
    const asked = entries.filter(({ leaf }) => leaf.event.startsWith("gate.") || leaf.event === "sessions.opened")
    assert.ok(asked.length >= 5)
    for (const { leaf } of asked)
      assert.equal((leaf as { agent?: { proof?: string } }).agent?.proof, "dpop", leaf.event)
    // It read everything, and none of it opens anything again.
    const replayed = balancer.passed.filter(({ headers, status }) => headers["dpop"] !== undefined && status < 300)
    assert.ok(replayed.length >= 7)
    for (const { method, path, headers, body } of replayed) {
      for (const { webUrl } of [one, two]) {
        const { host: _, "content-length": __, connection: ___, ...sent } = headers as Record<string, string>
        const answer = await fetch(webUrl + path, { method, headers: sent, ...(body !== "" && { body }) })
        assert.ok(answer.status === 401 || answer.status === 400, `${method} ${path}: ${answer.status}`)
      }
    }
  })

  test("get nothing for a proof that was used, at the same server and at the other", async () => {
    const client = await clientOf()
    const token = await client.token(one)
    const proof = await client.proofFor(one, "GET", "/v1/sessions", { ath: hashOf(token) })
    assert.equal((await client.ask(one, LIST, token, { proof })).status, 200)
    const again = await client.ask(one, LIST, token, { proof })
    assert.deepEqual([again.status, again.code], [401, "dpop-proof-invalid"])
    assert.equal(again.headers.get("www-authenticate"), 'DPoP error="invalid_dpop_proof", algs="ES256"')
    const elsewhere = await client.ask(two, LIST, token, { proof })
    assert.deepEqual([elsewhere.status, elsewhere.code], [401, "use-dpop-nonce"])
    assert.equal(elsewhere.headers.get("www-authenticate"), 'DPoP error="use_dpop_nonce", algs="ES256"')
    assert.equal(elsewhere.headers.get("dpop-nonce"), await client.nonceOf(two))
    // The token itself is good there, with a proof of its own.
    assert.equal((await client.ask(two, LIST, token)).status, 200)
    const fresh = await client.proofFor(one, "GET", "/v1/sessions", { ath: hashOf(token) })
    const raced = await Promise.all(Array.from({ length: 8 }, () => client.ask(one, LIST, token, { proof: fresh })))
    assert.equal(raced.filter(({ status }) => status === 200).length, 1, "of eight at once, one is the first")
  })

  test("get nothing for a client assertion that was used, at the same server, at the other, and at once", async () => {
    const client = await clientOf()
    const assertion = await client.newAssertion()
    const first = await client.askToken(one, { assertion })
    assert.deepEqual([first.status, first.json["token_type"]], [200, "DPoP"])
    assert.equal(first.headers.get("cache-control"), "no-store")
    for (const server of [one, two]) {
      const { status, code } = await client.askToken(server, { assertion })
      assert.deepEqual([status, code], [401, "invalid_client"])
    }
    const raced = await client.newAssertion()
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => client.askToken(n % 2 === 0 ? one : two, { assertion: raced })),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(401)])
  })

  test("cannot use a token with another key, another connection, or as a bearer's", async () => {
    const [client, other] = [await clientOf(), await clientOf("other")]
    const sibling = await clientOf()
    const token = await client.token(one)
    for (const thief of [other, sibling, await newSigner()]) {
      const proof = await thief.proof({
        htm: "GET",
        htu: `${balancer.url}/v1/sessions`,
        nonce: await client.nonceOf(one),
        ath: hashOf(token),
      })
      const { status, code } = await client.ask(one, LIST, token, { proof })
      assert.deepEqual([status, code], [401, "token-invalid"])
    }
    const bearer = await client.ask(one, LIST, token, { scheme: "Bearer" })
    assert.deepEqual([bearer.status, bearer.code], [401, "token-invalid"])
    // The same key over mutual TLS: the token is bound to the key, and the connection shows a certificate.
    const { id, token: own } = await open(client)
    const session = await client.mtls.open({ purpose: "answer" })
    const bound = await session.token()
    const asked = await client.ask(one, `GET /v1/sessions/${session.id}`, bound)
    assert.deepEqual([asked.status, asked.code], [401, "token-invalid"], "a certificate's token with a proof")
    const look = (id: string, authorization: string) =>
      overMutualTls(client.identity, one, `GET /v1/sessions/${id}`, { authorization })
    assert.deepEqual([await look(id, `Bearer ${own}`), await look(id, `DPoP ${own}`)], [401, 401])
    assert.equal(await look(session.id, `Bearer ${bound}`), 200)
    await session.end()
  })

  test("have each token for what it names alone: one to open sessions, one for each session", async () => {
    const client = await clientOf()
    const own = await client.token(one)
    const [a, b] = [await open(client), await open(client)]
    const action = { type: "credential", resource: "kb", operation: "read" }
    const act = (token: string, session: string) =>
      client.ask(one, "POST /v1/actions", token, { body: { session, action } })
    assert.equal((await act(a.token, a.id)).json["verdict"], "allow")
    for (const [token, session] of [
      [a.token, b.id],
      [own, a.id],
    ] as const) {
      assert.deepEqual((await act(token, session)).code, "token-invalid")
    }
    const again = await client.ask(one, "POST /v1/sessions", a.token, { body: { purpose: "answer" } })
    assert.equal(again.code, "token-invalid", "a session's token opens no other")
    const fetched = await client.askToken(two, { session: b.id })
    assert.equal(fetched.status, 200)
    assert.equal((await client.ask(two, `GET /v1/sessions/${b.id}`, String(fetched.json["access_token"]))).status, 200)
    const sibling = await clientOf()
    assert.equal((await sibling.askToken(one, { session: a.id })).code, "invalid_request", "another instance's session")
    assert.equal((await client.ask(one, `DELETE /v1/sessions/${a.id}`, b.token)).code, "token-invalid")
    for (const { id, token } of [a, b])
      assert.equal((await client.ask(one, `DELETE /v1/sessions/${id}`, token)).status, 200)
    assert.equal((await client.askToken(one, { session: a.id })).code, "invalid_grant")
  })

  test("with one session's token touch no lease and no action of another, over mutual TLS either", async () => {
    const client = await clientOf()
    const [mine, others] = [
      await client.mtls.open({ purpose: "answer" }),
      await client.mtls.open({ purpose: "answer" }),
    ]
    const lease = await others.lease("kb", read)
    const { entry } = await others.act({ type: "credential", resource: "kb", operation: "read" })
    const authorization = `Bearer ${await mine.token()}`
    const right = `Bearer ${await others.token()}`
    const path = `/v1/credentials/leases/${lease.id}`
    const body = { outcome: "succeeded" }
    const tls = (target: string, extra: Parameters<typeof overMutualTls>[3] = { authorization }) =>
      overMutualTls(client.identity, one, target, extra)
    assert.equal(await tls(`GET ${path}`), 401)
    assert.equal(await tls(`POST ${path}/renewal`), 401)
    assert.equal(await tls(`DELETE ${path}`), 401)
    assert.equal(await tls(`POST /v1/actions/${entry}/outcome`, { authorization, body }), 401)
    assert.equal(await tls(`GET /v1/credentials/leases?session=${others.id}`), 401)
    const token = await client.token(one, mine.id)
    for (const target of [`GET ${path}`, `POST ${path}/renewal`, `DELETE ${path}`]) {
      assert.equal((await client.ask(one, target, token)).code, "token-invalid", target)
    }
    await (await connected(lease.settings)).end()
    assert.equal(await tls(`POST ${path}/renewal`, { authorization: right }), 200)
    assert.equal(await tls(`DELETE ${path}`, { authorization: right }), 200)
    await mine.end()
    await others.end()
  })

  test("are worth nothing on either server within a second of being suspended", async (t) => {
    const client = await clientOf("suspect")
    const own = await client.token(two)
    const { id, token } = await open(client, two)
    assert.equal((await client.ask(one, `GET /v1/sessions/${id}`, token)).status, 200)
    const began = performance.now()
    const path = "/v1/agents/suspect/suspension"
    await ground.operator.json({ method: "POST", path, body: { reason: "a test" } })
    for (const server of [one, two]) {
      await until("a refusal", async () => (await client.ask(server, LIST, own)).code === "agent-suspended")
    }
    const ms = performance.now() - began
    t.diagnostic(`refused on both servers ${ms.toFixed(0)} ms after the suspension was asked for`)
    assert.ok(ms < 5_000)
    for (const server of [one, two]) {
      assert.equal((await client.ask(server, `POST /v1/sessions/${id}/renewal`, token)).code, "agent-suspended")
      assert.equal((await client.askToken(server)).code, "unauthorized_client")
    }
  })

  test("whose SVID ran out renew it with their key for a day, do nothing else meanwhile, and then nothing at all", async () => {
    const [late, gone] = [await clientOf(), await clientOf()]
    await endSvid(late.identity, "1 hour")
    await endSvid(gone.identity, "25 hours")
    assert.equal((await gone.askToken(one)).code, "invalid_client")
    const token = await late.token(one)
    assert.equal((await late.ask(one, LIST, token)).code, "svid-expired")
    const session = await late.mtls.open({ purpose: "answer" })
    assert.equal((await late.askToken(one, { session: session.id })).code, "invalid_client")
    using transport = openWebTransport({ url: balancer.url, ca: balancer.ca, identity: late.identity })
    await renewIdentity(late.identity, transport)
    assert.equal((await late.ask(one, LIST, token)).status, 200)
    await session.end()
  })
})
