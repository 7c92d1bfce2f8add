import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { events, migrations, openAgents } from "#agents"
import { migrations as auditMigrations, createLogKey, openAudit, openFileSigner } from "#audit"
import { silentLog, systemClock, watchEpoch } from "#kernel"
import { testDatabase, testKeyring } from "#testing"
import { messageOf } from "./channel.conformance.ts"
import { emailChannel } from "./email.ts"
import { openMailServer } from "./mail.fixture.ts"

test("email: a letter goes out by TLS, to a server whose certificate is trusted for its name", async () => {
  await using stack = new AsyncDisposableStack()
  const { database } = stack.use(await testDatabase({ rooms: [auditMigrations, migrations] }))
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-mail-"))
  stack.defer(() => rm(folder, { recursive: true }))
  const [keyPath, origin] = [join(folder, "log.key"), "example.org/log/1"]
  await createLogKey(keyPath, origin)
  const common = { database, log: silentLog, trustDomain: "example.org", keyring: testKeyring(), clock: systemClock }
  const audit = stack.use(await openAudit({ ...common, signer: await openFileSigner(keyPath, origin), origin, events }))
  const epoch = stack.use(await watchEpoch(common))
  const agents = stack.use(await openAgents({ ...common, audit, epoch }))
  const ca = agents.roots()[0]!
  const { key, certificates } = await agents.serverIdentity({ dns: ["localhost"], ips: [] })
  const tls = { key, cert: certificates }
  for (const way of ["implicit", "starttls"] as const) {
    const mail = stack.use(await openMailServer(way === "implicit" ? { tls, implicit: true } : { tls }))
    const send = async (host: string, authority?: string) => {
      const parts = { host, port: mail.port, tls: way, from: "safeconduct@example.org", username: null }
      const channel = emailChannel({ ...parts, ca: authority, password: async () => null })
      const to = { kind: "email", address: "alice@example.org" } as const
      return (await channel.deliver(messageOf(), to, AbortSignal.timeout(30_000))).outcome
    }
    assert.equal(await send("localhost"), "undelivered", `${way}: an authority that nobody named`)
    assert.equal(await send("127.0.0.1", ca), "undelivered", `${way}: another name`)
    assert.equal(mail.caught.all.length, 0)
    assert.equal(await send("localhost", ca), "delivered", way)
    assert.equal(mail.caught.all.length, 1)
  }
})
