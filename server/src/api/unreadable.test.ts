import assert from "node:assert/strict"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { after, describe, test } from "node:test"
import { route, silentLog, systemClock } from "#kernel"
import { type ApiRoute, createApplication } from "./application.ts"
import { openTestAgents } from "./fixture.ts"
import { createLimiter } from "./limiter.ts"
import { listenPlain, listenTls, reserve } from "./listen.ts"

const anywhere = { host: "127.0.0.1", port: 0 }
const held = Promise.withResolvers<void>()
const shape = { method: "GET", listeners: ["web"], right: "public", events: null, summary: "" }
const routes = [
  route({ ...shape, path: "/open", handle: () => ({ open: true }) } as never),
  route({
    ...shape,
    path: "/half",
    handle: () => {
      const body = new ReadableStream({
        async start(stream) {
          stream.enqueue(new TextEncoder().encode("half"))
          await held.promise
          stream.close()
        },
      })
      return new Response(body)
    },
  } as never),
] as unknown as ApiRoute[]
const limiter = createLimiter(systemClock, { burst: 1_000, perSecond: 1_000 })
const app = createApplication({ listener: "web", routes, limiter, log: silentLog })

/** Everything that comes back until the other side closes. */
async function spoken(port: number, ...texts: string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined)
  let got = ""
  socket.on("data", (part) => {
    got += part
  })
  for (const text of texts) {
    const before = got.length
    socket.write(text)
    // The next text follows the first bytes of an answer to this one.
    while (got.length === before && !socket.closed) await Promise.race([once(socket, "data"), once(socket, "close")])
  }
  if (!socket.closed) await once(socket, "close")
  return got
}

describe("what never becomes a request", { timeout: 30_000 }, async () => {
  const web = listenPlain({ app, at: await reserve(anywhere), log: silentLog, limits: { headersMs: 50, lookMs: 50 } })
  after(() => web[Symbol.asyncDispose]())

  const host = "host: localhost\r\n"
  const cases: [string, string, number, string][] = [
    ["no HTTP at all", "\x16\x03\x01garbage\r\n\r\n", 400, "invalid-request"],
    ["no Host", "GET /open HTTP/1.1\r\nconnection: close\r\n\r\n", 400, "invalid-request"],
    [
      "two lengths",
      `GET /open HTTP/1.1\r\n${host}content-length: 1\r\ncontent-length: 2\r\n\r\n`,
      400,
      "invalid-request",
    ],
    ["headers beyond all", `GET /open HTTP/1.1\r\n${host}x: ${"a".repeat(20_000)}\r\n\r\n`, 431, "headers-too-large"],
    ["an expectation", `GET /open HTTP/1.1\r\n${host}expect: wonders\r\n\r\n`, 417, "expectation-failed"],
    ["headers that do not end", `GET /open HTTP/1.1\r\n${host}`, 408, "request-too-slow"],
  ]
  for (const [what, text, status, code] of cases) {
    test(`${what}: ${status}, and told why`, async () => {
      const [head, body] = (await spoken(web.port, text)).split("\r\n\r\n") as [string, string]
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.match(head, /\r\ncontent-type: application\/problem\+json/)
      assert.match(head, /\r\nconnection: close/i)
      const problem = JSON.parse(body)
      assert.deepEqual([problem.status, problem.code], [status, code])
    })
  }

  test("after an answer is answered; in the middle of one it is cut, and nothing is mixed into it", async () => {
    const good = `GET /open HTTP/1.1\r\n${host}\r\n`
    assert.match(await spoken(web.port, good, "garbage\r\n\r\n"), /^HTTP\/1\.1 200 .*HTTP\/1\.1 400 /s)
    const half = await spoken(web.port, `GET /half HTTP/1.1\r\n${host}\r\n`, "garbage\r\n\r\n")
    held.resolve()
    assert.match(half, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(half, /HTTP\/1\.1 400|problem/)
  })
})

test("one address has its share of the agents' connections, and no more", async () => {
  await using parts = await openTestAgents()
  const identity = await parts.agents.serverIdentity({ dns: ["localhost"], ips: ["127.0.0.1"] })
  const at = await reserve(anywhere)
  const limits = { connectionsPerAddress: 3 }
  await using listener = listenTls({ app, at, identity, roots: parts.agents.roots(), log: silentLog, limits })
  const dial = async () => {
    const socket = connect(listener.port, "127.0.0.1").on("error", () => undefined)
    await once(socket, "connect")
    return socket
  }
  const isClosed = (socket: Socket) =>
    Promise.race([
      once(socket.resume(), "close").then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 200, false)),
    ])
  const three = [await dial(), await dial(), await dial()]
  assert.equal(await isClosed(await dial()), true)
  assert.deepEqual(await Promise.all(three.map(isClosed)), [false, false, false])
  three[0]!.destroy()
  // The server hears of it a moment later.
  let next = await dial()
  while (await isClosed(next)) next = await dial()
  for (const each of [...three, next]) each.destroy()
})
