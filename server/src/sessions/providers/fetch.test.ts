import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { test } from "node:test"
import { gzipSync } from "node:zlib"
import fc from "fast-check"
import { type FetchParts, guardedFetch, Unreachable } from "./fetch.ts"

/** A server on this machine that counts who connects. */
async function serve(listener: RequestListener) {
  let count = 0
  const server = createServer(listener)
  server.on("connection", () => {
    count += 1
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    count: () => count,
    onConnection: (seen: (socket: Socket) => void) => server.on("connection", seen),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
const get = (url: string, parts: Partial<FetchParts> = {}) =>
  guardedFetch({ network: "loopback", ...parts })(url, {
    method: "GET",
    headers: { accept: "application/json" },
    body: undefined,
    redirect: "manual",
  })

test("an answer comes as it was sent, without headers that nobody reads", async () => {
  await using server = await serve((_, response) => {
    response.writeHead(201, { "content-type": "application/json", "set-cookie": "a=b", location: "http://elsewhere" })
    response.end('{"a":1}')
  })
  const answer = await get(server.url)
  assert.deepEqual([answer.status, await answer.json()], [201, { a: 1 }])
  assert.deepEqual([...answer.headers.keys()], ["content-type"])
})

test("a form is posted whole", async () => {
  let seen = ""
  await using server = await serve(async (request, response) => {
    seen = `${request.method} ${request.headers["content-length"]} ${(await request.toArray()).join("")}`
    response.end()
  })
  const body = new URLSearchParams({ a: "ä", b: "&" })
  await guardedFetch({ network: "loopback" })(server.url, { method: "POST", headers: {}, body, redirect: "manual" })
  assert.equal(seen, "POST 14 a=%C3%A4&b=%26")
})

test("bytes are posted as they are", async () => {
  let seen = ""
  await using server = await serve(async (request, response) => {
    seen = `${request.headers["content-length"]} ${Buffer.concat(await request.toArray()).toString("hex")}`
    response.end()
  })
  const body = Uint8Array.of(0, 255, 195, 40)
  await guardedFetch({ network: "loopback" })(server.url, { method: "POST", headers: {}, body, redirect: "manual" })
  assert.equal(seen, "4 00ffc328")
})

test("pitfall 17: no redirect is followed, wherever it leads", async () => {
  let [status, location] = [302, ""]
  await using target = await serve((_, response) => response.end("secret"))
  await using server = await serve((_, response) => {
    response.writeHead(status, { location })
    response.end()
  })
  const places = fc.oneof(fc.webUrl(), fc.constantFrom(target.url, "//127.0.0.1/", "/x", "file:///etc/passwd", ""))
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 300, max: 399 }), places, async (code, place) => {
      ;[status, location] = [code, place]
      const before = server.count()
      await assert.rejects(get(server.url), Unreachable)
      assert.equal(server.count(), before + 1)
    }),
    { numRuns: 60 },
  )
  assert.equal(target.count(), 0)
})

test("pitfall 17: a name that leads to a special address is not connected to", async () => {
  await using server = await serve((_, response) => response.end("secret"))
  const lead = (...addresses: string[]) => ({
    resolve: async () => addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
  })
  const url = `https://id.shop.example:${server.port}/`
  const led = [
    ["127.0.0.1"],
    ["::1"],
    ["169.254.169.254"],
    ["10.0.0.1"],
    ["8.8.8.8", "127.0.0.1"],
    ["::ffff:7f00:1"],
    [],
  ]
  for (const addresses of led) {
    await assert.rejects(get(url, { network: "public", ...lead(...addresses) }), Unreachable, addresses.join())
  }
  for (const host of ["127.0.0.1", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0", "127.1"]) {
    await assert.rejects(get(`https://${host}:${server.port}/`, { network: "public" }), Unreachable, host)
  }
  assert.equal(server.count(), 0)
})

test("pitfall 17: the address that was judged is the one that is connected to, whatever the name leads to later", async () => {
  await using server = await serve((_, response) => response.end("{}"))
  let asked = 0
  const resolve = async () => {
    asked += 1
    // What a rebinding name does: right once, elsewhere ever after.
    return [{ address: asked === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }]
  }
  // A name that nobody else resolves: whoever looks it up again finds nothing.
  const answer = await get(`http://id.shop.example:${server.port}/`, { resolve })
  assert.deepEqual([answer.status, asked, server.count()], [200, 1, 1])
})

test("pitfall 17: plain http, other schemes and URLs with a password are not asked", async () => {
  const resolve = async () => assert.fail("nothing is resolved")
  for (const url of [
    "http://id.shop.example/",
    "ftp://id.shop.example/",
    "file:///etc/passwd",
    "https://a:b@c/",
    "x",
  ]) {
    await assert.rejects(get(url, { network: "public", resolve }), Unreachable, url)
  }
})

test("pitfall 17: an answer that is too long, or does not end, is given up, and nothing of it is in the error", async () => {
  await using endless = await serve((_, response) => {
    const timer = setInterval(() => response.write("top secret ".repeat(1_000)), 1)
    response.on("close", () => clearInterval(timer))
  })
  const long = await get(endless.url, { maxBytes: 50_000 }).catch((error: unknown) => error)
  assert.ok(long instanceof Unreachable)
  assert.match(long.message, /more than 50000 bytes/)
  assert.doesNotMatch(JSON.stringify([long.message, long.cause, long.stack]), /secret/)
  await using silent = await serve(() => undefined)
  await assert.rejects(get(silent.url, { timeoutMs: 100 }), /within 100 ms/)
  await using slow = await serve((_, response) => void response.write("{"))
  await assert.rejects(get(slow.url, { timeoutMs: 100 }), Unreachable)
  const never = () => new Promise<never>(() => undefined)
  await assert.rejects(get(`http://localhost:${slow.port}/`, { timeoutMs: 100, resolve: never }), /within 100 ms/)
})

test("pitfall 17: an answer that changes to another protocol is given up at once", async () => {
  await using server = await serve(() => undefined)
  const change = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
  server.onConnection((socket) => socket.write(change))
  await assert.rejects(get(server.url), /another protocol/)
})

test("an answer of JSON that two parsers may read differently is not believed", async () => {
  for (const body of ['{"sub":"alice","sub":"bob"}', '{"customer_id":90071992547409931}', '{"sub":"\\ud800"}']) {
    await using server = await serve((_, response) => {
      response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(body)
    })
    await assert.rejects(get(server.url), Unreachable, body)
  }
})

test("pitfall 17: a compressed answer is not unpacked", async () => {
  await using server = await serve((_, response) => {
    response.writeHead(200, { "content-encoding": "gzip" })
    response.end(gzipSync(Buffer.alloc(1_000_000)))
  })
  await assert.rejects(get(server.url), /compressed/)
})

test("https without a certificate that is trusted for the name is no answer", async () => {
  await using server = await serve((_, response) => response.end("{}"))
  await assert.rejects(get(`https://localhost:${server.port}/`), Unreachable)
})
