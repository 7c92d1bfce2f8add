import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import { connect, createServer, type TLSSocket } from "node:tls"
import { bot, enrolAgent, register, testDeployment } from "./fixture.ts"

test("both SVIDs carry a TLS 1.3 handshake, and the chain that the server sees is the one it identifies by", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  const holder = await enrolAgent(server, "a")
  const { key, certificates } = await server.agents.serverIdentity({ dns: ["localhost"], ips: ["127.0.0.1"] })
  // As the agents' listener: Node proves the key and authorizes nobody.
  const asking = { ca: [], requestCert: true, rejectUnauthorized: false }
  const listener = createServer({ key, cert: certificates, ...asking, minVersion: "TLSv1.3" })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const accepted = once(listener, "secureConnection") as Promise<[TLSSocket]>
  const client = connect({
    host: "127.0.0.1",
    port: (listener.address() as AddressInfo).port,
    ca: holder.bundle,
    cert: holder.svid,
    key: holder.privateKey.export({ type: "pkcs8", format: "pem" }),
  })
  try {
    await once(client, "secureConnect")
    const [socket] = await accepted
    assert.equal(client.authorized, true)
    const chain: Buffer[] = []
    let next = socket.getPeerX509Certificate()
    while (next !== undefined && !chain.some((der) => der.equals(next!.raw))) {
      chain.push(next.raw)
      next = next.issuerCertificate
    }
    assert.ok(chain.length >= 2)
    assert.equal((await server.agents.identify(chain)).instance, holder.instance)
    socket.destroy()
  } finally {
    client.destroy()
    listener.close()
  }
})
