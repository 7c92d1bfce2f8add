import assert from "node:assert/strict"
import { EventEmitter, once } from "node:events"
import { connect as connectPlain } from "node:net"
import { after, describe, test } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { connect as connectTls } from "node:tls"
import { type Right, route, silentLog, systemClock } from "#kernel"
import type { ApiRoute } from "./application.ts"
import { createApplication } from "./application.ts"
import { dial, type Holder, openTestAgents } from "./fixture.ts"
import { byCertificate } from "./identify.ts"
import { createLimiter } from "./limiter.ts"
import { boundEachAddress, type Limits, listenPlain, listenTls, reserve } from "./listen.ts"
import { createPeers } from "./peer.ts"

const limiter = createLimiter(systemClock, { burst: 1_000, perSecond: 1_000 })
const anywhere = { host: "127.0.0.1", port: 0 }
const held = Promise.withResolvers<void>()

function get(path: string, right: Right, handle: ApiRoute["handle"]): ApiRoute {
  const shape = { method: "GET", path, listeners: ["agents", "web"], right, events: null, summary: "", handle }
  return route(shape as never) as unknown as ApiRoute
}

const routes = [
  get("/whoami", "identified", ({ caller }) => caller),
  get("/v1/agents/renewals", "identified", ({ caller }) => caller),
  get("/held", "public", () => held.promise.then(() => ({ done: true }))),
  get("/open", "public", () => ({ open: true })),
]

/** A TLS listener over real agents. */
async function listening(limits: Partial<Limits> = {}) {
  const stack = new AsyncDisposableStack()
  const test = stack.use(await openTestAgents())
  const { agents, epoch, clock } = test
  const peers = createPeers({ agents, epoch, clock })
  agents.onStopped((names) => peers.closeAll(names))
  const app = createApplication({
    listener: "agents",
    routes,
    identification: byCertificate({ peers }),
    limiter,
    log: silentLog,
  })
  const names = { dns: ["localhost"], ips: ["127.0.0.1"] }
  const identity = await agents.serverIdentity(names)
  const at = stack.use(await reserve(anywhere))
  const early = dial(at.port, agents.roots())
  await delay(20)
  const listener = stack.use(listenTls({ app, at, identity, roots: agents.roots(), log: silentLog, limits }))
  const connect = (holder?: Holder, more = {}) =>
    dial(at.port, agents.roots(), { ...(holder && { cert: holder.cert, key: holder.key }), ...more })
  return { ...test, at, listener, names, connect, early, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const server = await listening()

/** Bytes that come back until the other side closes. */
async function spoken(port: number, text: string): Promise<string> {
  const socket = connectPlain(port, "127.0.0.1")
  let got = ""
  socket.on("data", (part) => {
    got += part
  })
  socket.on("error", () => undefined)
  socket.write(text)
  await once(socket, "close")
  return got
}

describe("the agents' listener", { timeout: 30_000 }, () => {
  after(() => server[Symbol.asyncDispose]())

  test("knows a client by its leaf and intermediate, again and again on one connection", async () => {
    const holder = await server.enrol({ kind: "agent", name: "bot" })
    const { ask, socket } = await server.connect(holder)
    for (let round = 0; round < 3; round++) {
      const { status, json } = await ask("GET", "/whoami")
      assert.deepEqual([status, json?.["name"]], [200, "bot"])
      await server.audit.commit(server.agents.replace(server.agents.current(), "server"))
      await server.audit.commit({
        work: (tx) => tx.query("update kernel.epoch set epoch = epoch + 1"),
        entries: () => [],
      })
      await server.epoch.refresh()
    }
    assert.equal(socket.authorized, true)
    socket.destroy()
  })

  test("answers who connected before it was open", async () => {
    const { ask, socket } = await server.early
    assert.equal((await ask("GET", "/open")).status, 200)
    socket.destroy()
  })

  test("serves who has no certificate what is public, and nothing else", async () => {
    const { ask, socket } = await server.connect()
    assert.equal((await ask("GET", "/open")).status, 200)
    assert.deepEqual((await ask("GET", "/whoami")).json?.["code"], "no-identity")
    socket.destroy()
  })

  test("does not resume a session, before and after its certificate was renewed", async () => {
    const holder = await server.enrol({ kind: "agent", name: "bot" })
    for (const isRenewed of [false, true]) {
      if (isRenewed) server.listener.setIdentity(await server.agents.serverIdentity(server.names))
      let ticket: Buffer | undefined
      const first = await server.connect(holder)
      first.socket.on("session", (session) => {
        ticket = session
      })
      assert.equal((await first.ask("GET", "/whoami")).status, 200)
      await delay(20)
      first.socket.destroy()
      const second = await server.connect(holder, { session: ticket })
      assert.equal(second.socket.isSessionReused(), false)
      assert.equal((await second.ask("GET", "/whoami")).status, 200)
      second.socket.destroy()
    }
  })

  test("shows its renewed certificate from the next handshake on, and still asks for one", async () => {
    const before = await server.connect()
    const renewed = await server.agents.serverIdentity(server.names)
    server.listener.setIdentity(renewed)
    const after = await server.connect(await server.enrol({ kind: "agent", name: "bot" }))
    const [old, now] = [before, after].map(({ socket }) => socket.getPeerX509Certificate()?.serialNumber)
    assert.notEqual(old, now)
    assert.equal((await before.ask("GET", "/open")).status, 200, "a connection that is open goes on")
    assert.equal((await after.ask("GET", "/whoami")).status, 200)
    for (const { socket } of [before, after]) socket.destroy()
  })

  test("speaks TLS 1.3 only", async () => {
    const socket = connectTls({
      port: server.at.port,
      host: "127.0.0.1",
      maxVersion: "TLSv1.2",
      rejectUnauthorized: false,
    })
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException]
    assert.match(`${error.code}`, /PROTOCOL_VERSION|ECONNRESET/)
  })

  test("closes the connections of a suspended agent, and refuses it at the next", async () => {
    const holder = await server.enrol({ kind: "agent", name: "bot" })
    const olga = await server.enrol({ kind: "operator", name: "olga", roles: ["admin"] })
    const [bot, other, operator] = await Promise.all([
      server.connect(holder),
      server.connect(holder),
      server.connect(olga),
    ])
    for (const each of [bot, operator]) assert.equal((await each.ask("GET", "/whoami")).status, 200)
    const closed = once(bot.socket, "close")
    await server.audit.commit(server.agents.suspend("bot", "test", "server"))
    await server.epoch.refresh()
    await closed
    assert.equal((await other.ask("GET", "/whoami")).json?.["code"], "agent-suspended", "one that had not spoken yet")
    assert.equal((await operator.ask("GET", "/whoami")).status, 200)
    await server.audit.commit(server.agents.resume("bot", "test", "server"))
    await server.epoch.refresh()
    assert.equal((await other.ask("GET", "/whoami")).status, 200)
    for (const { socket } of [other, operator]) socket.destroy()
  })

  test("refuses an operator whose rights ended on a connection that is kept", async () => {
    const roles = ["auditor"] as const
    const { ask, socket } = await server.connect(await server.enrol({ kind: "operator", name: "leaving", roles }))
    await server.enrol({ kind: "operator", name: "staying", roles: ["admin"] })
    assert.equal((await ask("GET", "/whoami")).status, 200)
    await server.agents.retireOperator("leaving", "left", "server")
    assert.equal((await ask("GET", "/whoami")).json?.["code"], "agent-retired")
    socket.destroy()
  })

  test("refuses an SVID that expired while its connection was kept, but for its renewal", async () => {
    await using brief = await listening()
    const holder = await brief.enrol({ kind: "agent", name: "bot" })
    const { ask, socket } = await brief.connect(holder, { rejectUnauthorized: false })
    assert.equal((await ask("GET", "/whoami")).status, 200)
    brief.clock.aheadMs = 3_601_000
    assert.equal((await ask("GET", "/whoami")).json?.["code"], "svid-expired")
    assert.equal((await ask("GET", "/v1/agents/renewals")).status, 200)
    assert.equal((await ask("GET", "/whoami")).json?.["code"], "svid-expired", "renewing is all that it is good for")
    socket.destroy()
  })

  test("drops who begins a handshake or a request and does not go on", async () => {
    const limits = { handshakeMs: 50, headersMs: 60, requestMs: 80, lookMs: 10 }
    await using slow = await listening(limits)
    const began = performance.now()
    const handshake = connectPlain(slow.at.port, "127.0.0.1").on("error", () => undefined)
    const { socket } = await slow.connect()
    socket.on("error", () => undefined).resume()
    socket.write("GET /open HTTP/1.1\r\nhost: local")
    const body = await slow.connect()
    body.socket.on("error", () => undefined).resume()
    body.socket.write("POST /open HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n")
    await Promise.all([handshake, socket, body.socket].map((each) => once(each, "close")))
    assert.ok(performance.now() - began < 3_000)
  })
})

describe("a plain listener", { timeout: 30_000 }, () => {
  const app = createApplication({ listener: "web", routes, limiter, log: silentLog })
  const open = async (limits: Partial<Limits> = {}) => {
    const at = await reserve(anywhere)
    return listenPlain({ app, at, log: silentLog, limits })
  }

  test("answers what is no request with 4xx and nothing of its own", async () => {
    await using web = await open()
    const close = "connection: close\r\n\r\n"
    const odd: [string, RegExp][] = [
      ["\x16\x03\x01garbage\r\n\r\n", /^HTTP\/1\.1 400 /],
      [`GET /open HTTP/1.1\r\n${close}`, /^HTTP\/1\.1 400 /],
      [`GET /open HTTP/1.1\r\nhost: a b\r\n${close}`, /^HTTP\/1\.1 400 .*"code":"invalid-request"/s],
      [`GET /open HTTP/1.1\r\nhost: user@evil\r\n${close}`, /^HTTP\/1\.1 400 /],
      [`GET //evil/open HTTP/1.1\r\nhost: localhost\r\n${close}`, /^HTTP\/1\.1 404 /],
      [`GET http://evil/open HTTP/1.1\r\nhost: localhost\r\n${close}`, /^HTTP\/1\.1 (200|400) /],
      [`GET /open HTTP/1.1\r\nhost: localhost\r\nx: ${"a".repeat(20_000)}\r\n${close}`, /^HTTP\/1\.1 431 /],
      [`GET /open HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\n${close}`, /^HTTP\/1\.1 417 /],
      [`TRACE /open HTTP/1.1\r\nhost: localhost\r\ncookie: secret\r\n${close}`, /^HTTP\/1\.1 405 /],
      [
        `POST /open HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n${close}`,
        /^HTTP\/1\.1 400 /,
      ],
      [
        `GET /open HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n`,
        /^HTTP\/1\.1 200 /,
      ],
    ]
    for (const [text, expected] of odd) {
      const answer = await spoken(web.port, text)
      assert.match(answer, expected, text.slice(0, 60))
      assert.doesNotMatch(answer, /secret|node:|\.ts|\.mjs|Error:/)
    }
    assert.equal((await fetch(`http://127.0.0.1:${web.port}/open`)).status, 200)
  })

  test("lets a request under way end when it closes, and takes no more", async () => {
    const web = await open()
    const idle = await fetch(`http://127.0.0.1:${web.port}/open`)
    await idle.text()
    const answer = fetch(`http://127.0.0.1:${web.port}/held`)
    await delay(30)
    const closing = web[Symbol.asyncDispose]()
    await assert.rejects(fetch(`http://127.0.0.1:${web.port}/open`))
    held.resolve()
    assert.deepEqual(await (await answer).json(), { done: true })
    const began = performance.now()
    await closing
    assert.ok(performance.now() - began < 1_500)
  })

  test("at an address that is taken says so, and which", async () => {
    await using web = await open()
    await assert.rejects(reserve({ host: "127.0.0.1", port: web.port }), {
      code: "not-ready",
      message: `The address 127.0.0.1:${web.port} is taken by another program. Free it, or set another.`,
    })
    await assert.rejects(reserve({ host: "192.0.2.1", port: 0 }), { code: "not-ready" })
  })

  test("answers who connected while its port was only reserved, and nobody is left waiting when it never opens", async () => {
    const at = await reserve(anywhere)
    const early = fetch(`http://127.0.0.1:${at.port}/open`)
    await delay(30)
    const web = listenPlain({ app, at, log: silentLog })
    assert.deepEqual(await (await early).json(), { open: true })
    await web[Symbol.asyncDispose]()
    await at[Symbol.asyncDispose]()
    const never = await reserve(anywhere)
    const waiting = spoken(never.port, "GET / HTTP/1.1\r\n\r\n")
    await delay(30)
    await never[Symbol.asyncDispose]()
    await assert.rejects(waiting, { code: "ECONNRESET" })
  })
})

test("an address has its share of the connections and no more, of IPv6 a /64", () => {
  const server = new EventEmitter()
  boundEachAddress(server as never, 2)
  const connect = (remoteAddress: string) => {
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress,
      isDestroyed: false,
      destroy() {
        socket.isDestroyed = true
      },
    })
    server.emit("connection", socket)
    return socket
  }
  const [first, second, third] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"].map(connect)
  assert.deepEqual(
    [first, second, third].map((each) => each!.isDestroyed),
    [false, false, true],
  )
  assert.equal(connect("2001:db8:0:1::1").isDestroyed, false)
  assert.equal(connect("192.0.2.1").isDestroyed, false)
  for (const each of [first, third]) each!.emit("close")
  assert.equal(connect("2001:db8::4").isDestroyed, false)
  assert.equal(connect("2001:db8::5").isDestroyed, true)
})
