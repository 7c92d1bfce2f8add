import assert from "node:assert/strict"
import { once } from "node:events"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { issueServer } from "../../sdk/src/testing/certificates.ts"
import { signIn } from "./sign-in.ts"

const { root } = issueServer("test.example")

type Told = { metadata?: (base: string) => unknown; bundle?: unknown }

/** A deployment's public side, saying what a test wants. */
async function openWeb({ metadata, bundle }: Told = {}) {
  const server = createServer((asked, answer) => {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const right = { issuer: base, mtls_endpoint_aliases: { token_endpoint: "https://127.0.0.1:1/oauth2/token" } }
    const own = { keys: [{ use: "x509-svid", x5c: [root.der.toString("base64")] }] }
    const value = asked.url?.startsWith("/v1/agents/bundle") ? (bundle ?? own) : (metadata?.(base) ?? right)
    answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = await mkdtemp(join(tmpdir(), "sign-in-"))
  return {
    url,
    folder,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await rm(folder, { recursive: true })
    },
  }
}

/** Signs in, and hands over what was printed for the browser. */
async function begin(web: { url: string; folder: string }, { mock }: TestContext) {
  const { promise: printed, resolve } = Promise.withResolvers<URL>()
  const said = mock.method(process.stderr, "write", (chunk: string) => {
    const url = /http:\S+operator\?\S+/.exec(String(chunk))?.[0]
    if (url !== undefined) resolve(new URL(url))
    return true
  })
  const outcome = signIn({ provider: "corp", webUrl: web.url, folder: web.folder })
  outcome.catch(() => undefined)
  const url = await Promise.race([printed, outcome.then(() => assert.fail("nothing was printed"))])
  said.mock.restore()
  const back = (more: Record<string, string>) => {
    const to = new URL(url.searchParams.get("redirect_uri")!)
    to.search = new URLSearchParams({ state: url.searchParams.get("state")!, iss: web.url, ...more }).toString()
    return to
  }
  return { url, outcome, back }
}

/** As a browser comes back, with another Host where told. */
async function visit(url: URL, { host = url.host, method = "GET" } = {}) {
  const sent = request(url, { headers: { host }, method, agent: false })
  sent.end()
  const [answer] = await once(sent, "response")
  return { status: answer.statusCode as number, body: await text(answer) }
}

test("only this request's answer, from its server and to this very address, is taken (pitfalls 1, 3)", async (t) => {
  await using web = await openWeb()
  const { url, outcome, back } = await begin(web, t)
  assert.match(url.searchParams.get("redirect_uri")!, /^http:\/\/127\.0\.0\.1:\d+\/signed-in$/)
  const code = "c".repeat(43)
  const wrong = [
    back({ code, state: "another" }),
    back({ code, iss: "https://evil.example" }),
    back({}),
    Object.assign(back({ code }), { pathname: "/" }),
  ]
  for (const place of wrong) assert.equal((await visit(place)).status, 404, place.href)
  assert.equal((await visit(back({ code }), { host: "evil.example" })).status, 404)
  assert.equal((await visit(back({ code }), { method: "POST" })).status, 404)
  const [denied] = await Promise.all([
    visit(back({ error: "access_denied", error_description: "The operator denied it.\u001b[2J" })),
    assert.rejects(outcome, (error: Error & { exit: number }) => {
      assert.match(error.message, /^You are not logged in: The operator denied it\.\?\[2J$/)
      return error.exit === 5
    }),
  ])
  assert.match(denied.body, /Nothing was given/)
  assert.deepEqual(await readdir(web.folder), [])
})

test("a code that leads to no certificate logs nobody in, and the browser says so", async (t) => {
  await using web = await openWeb()
  const { outcome, back } = await begin(web, t)
  const rejected = assert.rejects(outcome, { code: "unreachable" })
  const { body } = await visit(back({ code: "c".repeat(43) }))
  assert.match(body, /not logged in/)
  await rejected
  assert.deepEqual(await readdir(web.folder), [])
})

const told: [what: string, told: Told][] = [
  ["another's name", { metadata: () => ({ issuer: "https://evil.example" }) }],
  ["no agents' listener", { metadata: (issuer) => ({ issuer }) }],
  [
    "an agents' listener without TLS",
    { metadata: (issuer) => ({ issuer, mtls_endpoint_aliases: { token_endpoint: "http://127.0.0.1:1/" } }) },
  ],
  ["no root", { bundle: { keys: [] } }],
  ["roots that cannot be read", { bundle: { keys: [{ use: "x509-svid", x5c: ["AAAA"] }] } }],
  ["nothing that is ours", { bundle: [] }],
]
for (const [what, answers] of told) {
  test(`a server that tells ${what} is not believed, and no browser is sent there`, async () => {
    await using web = await openWeb(answers)
    const asked = { provider: "corp", webUrl: web.url, folder: web.folder }
    await assert.rejects(signIn(asked), { code: "server-not-trusted" })
  })
}

test("without TLS only this machine is asked", async () => {
  for (const webUrl of [
    "http://safeconduct.example",
    "ftp://127.0.0.1",
    "127.0.0.1",
    "http://127.0.0.1.evil.example",
  ]) {
    await assert.rejects(signIn({ provider: "corp", webUrl, folder: "none" }), { code: "not-configured" }, webUrl)
  }
})
