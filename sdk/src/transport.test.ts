import assert from "node:assert/strict"
import type { RequestListener } from "node:http"
import { test } from "node:test"
import { SafeconductError } from "./errors.ts"
import { issue, issueServer, type TestCertificate } from "./testing/certificates.ts"
import { listen, reply } from "./testing/server.ts"
import { openTransport } from "./transport.ts"

const TD = "test.example"
const { root, server } = issueServer(TD)

const refuses = (code: string) => (error: unknown) => error instanceof SafeconductError && error.code === code

async function open(onRequest: RequestListener, leaf: TestCertificate = server, chain = [root], bundle = root.pem) {
  const seen: string[] = []
  const listening = await listen(leaf, chain, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    onRequest(request, response)
  })
  const transport = openTransport({ url: listening.url, trustDomain: TD, bundle })
  return {
    transport,
    seen,
    listening,
    async [Symbol.asyncDispose]() {
      transport[Symbol.dispose]()
      await listening[Symbol.asyncDispose]()
    },
  }
}

test("a server of our root and name is believed, whatever its host name, and its connection is kept", async () => {
  await using t = await open(reply({ ok: true }))
  assert.deepEqual(await t.transport.json({ method: "GET", path: "/a" }), { ok: true })
  assert.deepEqual(await t.transport.json({ method: "POST", path: "/b", body: {} }), { ok: true })
  assert.equal(t.listening.handshakes(), 1)
})

const untrusted: [string, () => [TestCertificate, TestCertificate[]]][] = [
  [
    "another root",
    () => {
      const other = issueServer(TD)
      return [other.server, [other.root]]
    },
  ],
  ["another SPIFFE ID below our root", () => [below([`spiffe://${TD}/agent/support-bot`]), [root]]],
  ["the server of another trust domain below our root", () => [below(["spiffe://other.example/server"]), [root]]],
  ["two URI names", () => [below([`spiffe://${TD}/server`, `spiffe://${TD}/agent/x`]), [root]]],
  [
    "no SPIFFE ID but the right host name",
    () => [issue({ name: "localhost", dns: ["localhost"], issuer: root }), [root]],
  ],
  ["an expired certificate", () => [below([`spiffe://${TD}/server`], new Date(Date.now() - 1_000)), [root]]],
]

function below(uris: string[], notAfter?: Date): TestCertificate {
  return issue({ name: "server", uris, issuer: root, ...(notAfter && { notBefore: new Date(0), notAfter }) })
}

for (const [what, make] of untrusted) {
  test(`a server with ${what} is refused before a request is written`, async () => {
    await using t = await open(reply({}), ...make())
    await assert.rejects(t.transport.json({ method: "POST", path: "/secret", body: {} }), refuses("server-not-trusted"))
    assert.deepEqual(t.seen, [])
  })
}

test("a server below TLS 1.3 is refused", async () => {
  const { createServer } = await import("node:https")
  const old = createServer({ key: server.keyPem, cert: server.pem + root.pem, maxVersion: "TLSv1.2" }, reply({}))
  await new Promise<void>((resolve) => old.listen(0, "127.0.0.1", resolve))
  const { port } = old.address() as { port: number }
  using transport = openTransport({ url: `https://127.0.0.1:${port}`, trustDomain: TD, bundle: root.pem })
  await assert.rejects(transport.json({ method: "GET", path: "/", maxAttempts: 1 }), refuses("unreachable"))
  await new Promise((resolve) => old.close(resolve))
})

test("plain http is refused", () => {
  assert.throws(
    () => openTransport({ url: "http://127.0.0.1:1", trustDomain: TD, bundle: root.pem }),
    refuses("not-configured"),
  )
})

const overloaded = { code: "overloaded", detail: "Try again.", retryable: true }

test("a retryable refusal is tried again, also of a POST: the server says that nothing was decided", async () => {
  let left = 2
  await using t = await open((request, response) =>
    left-- > 0 ? reply(overloaded, 503)(request, response) : reply({ ok: true })(request, response),
  )
  assert.deepEqual(await t.transport.json({ method: "POST", path: "/v1/sessions", body: {} }), { ok: true })
  assert.equal(t.seen.length, 3)
})

test("a refusal that is final is not tried again", async () => {
  await using t = await open(reply({ code: "wrong-role", detail: "No.", retryable: false }, 403))
  await assert.rejects(t.transport.json({ method: "GET", path: "/x" }), refuses("wrong-role"))
  assert.equal(t.seen.length, 1)
})

test("a POST whose connection broke is not repeated without a key, and is with one", async () => {
  await using t = await open((request) => request.socket.destroy())
  await assert.rejects(t.transport.json({ method: "POST", path: "/x", body: {} }), refuses("unreachable"))
  assert.equal(t.seen.length, 1)
  const keyed = { method: "POST", path: "/x", body: {}, idempotencyKey: "k", maxAttempts: 3 } as const
  await assert.rejects(t.transport.json(keyed), refuses("unreachable"))
  assert.equal(t.seen.length, 4)
})

test("a server that does not answer is a timeout", async () => {
  await using t = await open(() => undefined)
  await assert.rejects(
    t.transport.json({ method: "GET", path: "/", timeoutMs: 50, maxAttempts: 1 }),
    refuses("timeout"),
  )
})

test("an answer that is not JSON is not taken for one", async () => {
  await using t = await open((_request, response) => response.end("<html>"))
  await assert.rejects(t.transport.json({ method: "GET", path: "/" }), refuses("unexpected-answer"))
})

test("after a change of credentials the next request shows the new ones", async () => {
  const shown: (string | undefined)[] = []
  await using t = await open((request, response) => {
    shown.push(
      (
        request.socket as unknown as { getPeerX509Certificate(): { subject: string } | undefined }
      ).getPeerX509Certificate()?.subject,
    )
    reply({})(request, response)
  })
  for (const name of ["first", "second"]) {
    const agent = issue({ name, uris: [`spiffe://${TD}/agent/x`], issuer: root })
    t.transport.setPeer({ ...t.transport.peer, credentials: { key: agent.keyPem, svid: agent.pem } })
    await t.transport.json({ method: "GET", path: "/" })
  }
  assert.deepEqual(shown, ["CN=first", "CN=second"])
})

test("a closed transport sends nothing", async () => {
  await using t = await open(reply({}))
  t.transport[Symbol.dispose]()
  await assert.rejects(t.transport.json({ method: "GET", path: "/" }), refuses("closed"))
})
