import assert from "node:assert/strict"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { events, migrations, openAgents } from "#agents"
import { migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { silentLog, systemClock, watchEpoch } from "#kernel"
import { testDatabase, testKeyring } from "#testing"
import { guardedFetch, Unreachable } from "./fetch.ts"

/** A server under the name localhost, and the authority that its certificate is from. */
async function serveTls() {
  await using stack = new AsyncDisposableStack()
  const { database } = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-provider-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const [keyPath, origin] = [join(folder, "log.key"), "example.org/log/1"]
  await createLogKey(keyPath, origin)
  const common = { database, log: silentLog, trustDomain: "example.org", keyring: testKeyring(), clock: systemClock }
  const audit = stack.use(await openAudit({ ...common, signer: await openFileSigner(keyPath, origin), origin, events }))
  const epoch = stack.use(await watchEpoch(common))
  const agents = stack.use(await openAgents({ ...common, audit, epoch }))
  const { key, certificates } = await agents.serverIdentity({ dns: ["localhost"], ips: [] })
  const server = createServer({ key, cert: certificates }, (_, response) => response.end("{}"))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  stack.defer(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, "close")
  })
  const owned = stack.move()
  const ca = agents.roots()[0]!
  return { port: (server.address() as AddressInfo).port, ca, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test("pitfall 17: a provider shows a certificate for its name, by an authority that is trusted for it", async () => {
  await using server = await serveTls()
  const resolve = async () => [{ address: "127.0.0.1", family: 4 }]
  const ask = { method: "GET", headers: {}, body: undefined, redirect: "manual" as const }
  const get = (host: string, ca?: string) =>
    guardedFetch({ network: "loopback", ca, resolve })(`https://${host}:${server.port}/`, ask)
  assert.equal((await get("localhost", server.ca)).status, 200)
  await assert.rejects(get("localhost"), Unreachable)
  // Where a name leads says nothing of who answers there.
  for (const host of ["id.shop.example", "127.0.0.1"]) await assert.rejects(get(host, server.ca), Unreachable, host)
})
