import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { decodeJwt, decodeProtectedHeader } from "jose"
import pg from "pg"
import { connect } from "./connect.ts"
import { enrol } from "./enrol.ts"
import type { Identity } from "./identity.ts"
import { renewIdentity } from "./renewal.ts"
import { type Deployment, deploy } from "./testing/deployment.ts"
import { openWebTransport } from "./web-transport.ts"

describe("over the public URL of a server", { timeout: 60_000 }, () => {
  let deployment: Deployment
  let identity: Identity
  before(async () => {
    deployment = await deploy()
    const joinToken = await deployment.joinToken()
    identity = await enrol({ url: deployment.server.agentsUrl, joinToken, folder: join(deployment.folder, "web") })
  })
  after(() => deployment?.[Symbol.asyncDispose]())

  const connected = () => {
    const { webUrl } = deployment.server
    const onProblem = (problem: Error) => assert.fail(problem)
    // Nobody answers there: what does not go over the public URL fails.
    return connect({ url: "https://127.0.0.1:1", webUrl, folder: identity.folder, onProblem })
  }

  test("an agent opens a session, works, renews and ends it, and each entry says that it proved its key", async () => {
    await using safeconduct = await connected()
    const session = await safeconduct.open({ purpose: "answer-questions" })
    const lease = await session.lease("kb", { operation: "read" })
    const client = new pg.Client(lease.settings)
    await client.connect()
    assert.equal((await client.query("select answer from faq")).rows.length, 1)
    await client.end()
    const denied = await session.act({ type: "tool", resource: "kb", operation: "refund" })
    assert.equal(denied.verdict, "deny")
    const token = await session.token()
    const claims = decodeJwt(token)
    assert.deepEqual(Object.keys(claims["cnf"] as object), ["jkt"])
    assert.equal(claims["safeconduct_session"], session.id)
    await lease.revoke()
    await session.end()
    assert.equal(await session.end(), undefined)

    const path = `/v1/audit/entries?session=${session.id}&limit=256`
    type Entries = { entries: { leaf: { event: string; by: string; agent?: { proof?: string } } }[] }
    const { entries } = await deployment.operator.json<Entries>({ method: "GET", path })
    const own = entries.filter(({ leaf }) => /^(gate|sessions)\./.test(leaf.event) && leaf.by === identity.spiffeId)
    const seen = own.map(({ leaf }) => [leaf.event, leaf.agent?.proof])
    for (const event of ["sessions.opened", "sessions.token-issued", "gate.action-begun", "gate.action-denied"]) {
      assert.ok(
        seen.some(([name, proof]) => name === event && proof === "dpop"),
        event,
      )
    }
  })

  test("its SVID is renewed there too, for the same key", async () => {
    const url = deployment.server.webUrl
    using transport = openWebTransport({ url, identity })
    const renewed = await renewIdentity(identity, transport)
    assert.notEqual(renewed.svid, identity.svid)
    await transport.json({ method: "GET", path: "/v1/sessions" })
  })

  test("a session that is over is over, whoever asks for its token", async () => {
    await using safeconduct = await connected()
    const session = await safeconduct.open({ purpose: "answer-questions" })
    await deployment.operator.json({ method: "DELETE", path: `/v1/sessions/${session.id}` })
    await assert.rejects(session.lease("kb", { operation: "read" }), { code: "session-ended" })
    using other = openWebTransport({ url: deployment.server.webUrl, identity })
    const path = `/v1/sessions/${session.id}/renewal`
    await assert.rejects(other.json({ method: "POST", path, session: session.id }), { code: "session-ended" })
    await session.end()
  })

  test("by another name than its issuer's it is not believed, and nothing is signed for it", async () => {
    const { port } = new URL(deployment.server.webUrl)
    using transport = openWebTransport({ url: `http://127.0.0.1:${port}`, identity })
    await assert.rejects(transport.json({ method: "GET", path: "/v1/sessions" }), { code: "not-configured" })
    assert.throws(() => openWebTransport({ url: "http://safeconduct.example", identity }), { code: "not-configured" })
  })

  describe("that answers as it likes", () => {
    type Seen = { path: string; dpop: ReturnType<typeof decodeJwt>; form: URLSearchParams }

    async function answering(answer: (seen: Seen, response: ServerResponse) => void) {
      const seen: Seen[] = []
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const listener: RequestListener = async (request: IncomingMessage, response) => {
        let text = ""
        for await (const part of request) text += part
        if (request.url!.startsWith("/.well-known/")) return void reply(response, 200, { issuer: url })
        const dpop = decodeJwt(String(request.headers["dpop"]))
        seen.push({ path: request.url!, dpop, form: new URLSearchParams(text) })
        answer(seen.at(-1)!, response)
      }
      server.on("request", (...both) => void listener(...both))
      const transport = openWebTransport({ url, identity })
      return {
        url,
        seen,
        transport,
        async [Symbol.asyncDispose]() {
          transport[Symbol.dispose]()
          server.closeAllConnections()
          await new Promise((resolve) => server.close(resolve))
        },
      }
    }
    const reply = (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) =>
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
    const token = (response: ServerResponse, value: string) =>
      reply(response, 200, { access_token: value, token_type: "DPoP", expires_in: 300 })

    test("gets each challenge answered with its nonce and a new assertion, and gives up after a few", async () => {
      await using t = await answering(({ dpop }, response) => {
        const nonce = `nonce-${t.seen.length}`
        if (t.seen.length < 3) return reply(response, 400, { error: "use_dpop_nonce" }, { "dpop-nonce": nonce })
        if (t.seen.length === 3) return token(response, "t")
        return reply(response, 200, { nonce: dpop["nonce"] })
      })
      assert.deepEqual(await t.transport.json({ method: "GET", path: "/v1/sessions?limit=1" }), { nonce: "nonce-2" })
      assert.deepEqual(
        t.seen.map(({ dpop }) => dpop["nonce"]),
        [undefined, "nonce-1", "nonce-2", "nonce-2"],
      )
      assert.deepEqual(
        t.seen.map(({ dpop }) => dpop["htu"]),
        [...Array(3).fill(`${t.url}/oauth2/token`), `${t.url}/v1/sessions`],
      )
      const assertions = t.seen.slice(0, 3).map(({ form }) => form.get("client_assertion")!)
      assert.equal(new Set(assertions.map((each) => decodeJwt(each).jti)).size, 3)
      assert.equal(decodeProtectedHeader(assertions[0]!).typ, "client-authentication+jwt")
      await using never = await answering((_, response) =>
        reply(response, 400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n" }),
      )
      const call = { method: "GET", path: "/v1/sessions", maxAttempts: 1 } as const
      await assert.rejects(never.transport.json(call), { code: "token-refused" })
      assert.equal(never.seen.length, 5)
    })

    test("gets a call repeated that could not be sent for want of a token, whatever it does", async () => {
      await using t = await answering(({ path }, response) => {
        if (path !== "/oauth2/token") return reply(response, 200, {})
        const later = { "retry-after": "0" }
        return t.seen.length === 1
          ? reply(response, 429, { error: "temporarily_unavailable" }, later)
          : token(response, "t")
      })
      await t.transport.json({ method: "POST", path: "/v1/actions", body: {} })
      assert.deepEqual(
        t.seen.map(({ path }) => path),
        ["/oauth2/token", "/oauth2/token", "/v1/actions"],
      )
    })

    test("gets a token that it no longer takes replaced once, and not more often", async () => {
      let count = 0
      await using t = await answering(({ path }, response) => {
        if (path === "/oauth2/token") return token(response, `t${++count}`)
        const challenge = { "www-authenticate": 'DPoP error="invalid_token"' }
        return reply(response, 401, {}, challenge)
      })
      await assert.rejects(t.transport.json({ method: "GET", path: "/v1/sessions" }), { status: 401 })
      assert.equal(count, 2)
    })

    test("is asked for one token, however many calls wait for it, and for one for each session", async () => {
      await using t = await answering(({ path, form }, response) =>
        path === "/oauth2/token" ? token(response, `of-${form.get("safeconduct_session")}`) : reply(response, 200, {}),
      )
      const call = (session?: string) =>
        t.transport.json({ method: "GET", path: "/v1/sessions", ...(session && { session }) })
      await Promise.all([call(), call(), call(), call("session_1"), call("session_1")])
      assert.equal(t.seen.filter(({ path }) => path === "/oauth2/token").length, 2)
      t.transport.keepToken("session_2", "t", Date.now() + 60_000)
      await call("session_2")
      assert.equal(t.seen.filter(({ path }) => path === "/oauth2/token").length, 2)
    })

    test("has its nonces remembered by connection, because each may lead to another server", async () => {
      const own = new WeakMap<object, string>()
      await using t = await answering(({ path, dpop }, response) => {
        const nonce = own.get(response.socket!) ?? randomUUID()
        own.set(response.socket!, nonce)
        const isToken = path === "/oauth2/token"
        if (dpop["nonce"] === nonce) return isToken ? token(response, "t") : reply(response, 200, {})
        const headers = { "dpop-nonce": nonce, "www-authenticate": 'DPoP error="use_dpop_nonce"' }
        return reply(response, isToken ? 400 : 401, { error: "use_dpop_nonce" }, headers)
      })
      const ten = () =>
        Promise.all(Array.from({ length: 10 }, () => t.transport.json({ method: "GET", path: "/v1/sessions" })))
      await ten()
      const known = t.seen.length
      await ten()
      await ten()
      assert.equal(t.seen.length - known, 20, "none was challenged again")
    })

    test("has the times of proofs by its own clock", async () => {
      const ahead = { date: new Date(Date.now() + 600_000).toUTCString(), "dpop-nonce": "n" }
      await using t = await answering(({ path }, response) => {
        if (t.seen.length === 1) return reply(response, 400, { error: "use_dpop_nonce" }, ahead)
        return path === "/oauth2/token" ? token(response, "t") : reply(response, 200, {}, ahead)
      })
      await t.transport.json({ method: "GET", path: "/v1/sessions" })
      assert.ok(t.seen[1]!.dpop.iat! * 1000 - Date.now() > 500_000)
    })
  })
})
