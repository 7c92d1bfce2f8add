import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { test } from "node:test"
import { createSecureContext, TLSSocket } from "node:tls"
import pg from "pg"
import { settingsOf } from "./settings.ts"
import { issue, type TestCertificate } from "./testing/certificates.ts"
import type { PostgresCredential } from "./wire.ts"

const root = issue({ name: "root", ca: true })
const stranger = issue({ name: "root", ca: true })
const trusted = issue({ name: "db", dns: ["localhost"], issuer: root })

/** AuthenticationOk and ReadyForQuery (PostgreSQL protocol 3.0): whoever says this has let the client in. */
const WELCOME = Buffer.from("520000000800000000" + "5a0000000549", "hex")

/** As much of PostgreSQL as a login takes, with the certificate, or without TLS. Counts what reached it. */
async function pretend(shown: TestCertificate | null) {
  const seen = { startups: 0, plain: 0 }
  const greet = (socket: Socket) => {
    // A client that trusts nobody goes away.
    socket.on("error", () => undefined)
    socket.once("data", (request) => {
      if (request.length !== 8) return void seen.plain++
      socket.write(shown ? "S" : "N")
      if (shown === null) return void socket.once("data", () => seen.plain++)
      const secureContext = createSecureContext({ key: shown.keyPem, cert: shown.pem })
      const encrypted = new TLSSocket(socket, { isServer: true, secureContext })
      encrypted.on("error", () => undefined)
      encrypted.once("data", () => {
        seen.startups++
        encrypted.write(WELCOME)
      })
    })
  }
  const server = createServer(greet).listen(0, "localhost")
  await once(server, "listening")
  return { seen, port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() }
}

/** Logs in with what an agent is handed. */
async function login(at: { port: number }, tls: PostgresCredential["tls"], ca?: string): Promise<void> {
  const credential = { engine: "postgres", host: "localhost", database: "kb", user: "sc_d_1", password: "p" } as const
  const client = new pg.Client(settingsOf({ ...credential, port: at.port, tls, ...(ca && { ca }) }))
  client.on("error", () => undefined)
  try {
    await client.connect()
  } finally {
    await client.end()
  }
}

test("verify-full comes in where the certificate is the resource's", async () => {
  using at = await pretend(trusted)
  await login(at, "verify-full", root.pem)
  assert.deepEqual(at.seen, { startups: 1, plain: 0 })
})

const refused: [title: string, shown: TestCertificate, says: RegExp][] = [
  ["of another authority", issue({ name: "db", dns: ["localhost"], issuer: stranger }), /certificate|verify/],
  ["for another name", issue({ name: "db", dns: ["other.example"], issuer: root }), /does not match/],
  [
    "that is over",
    issue({ name: "db", dns: ["localhost"], issuer: root, notAfter: new Date(Date.now() - 1_000) }),
    /expired/,
  ],
]
for (const [title, shown, says] of refused) {
  test(`verify-full says nothing to a certificate ${title}; require does not look`, async () => {
    using at = await pretend(shown)
    await assert.rejects(login(at, "verify-full", root.pem), says)
    assert.deepEqual(at.seen, { startups: 0, plain: 0 })
    await login(at, "require", root.pem)
    assert.deepEqual(at.seen, { startups: 1, plain: 0 })
  })
}

test("neither mode goes on in plain text with a server that has no TLS", async () => {
  using at = await pretend(null)
  for (const tls of ["verify-full", "require"] as const) await assert.rejects(login(at, tls, root.pem), /SSL/)
  assert.deepEqual(at.seen, { startups: 0, plain: 0 })
})
