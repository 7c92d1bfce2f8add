import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { createLogKey } from "#audit"
import { base64url, canonical, digest, newId, openJournal, silentLog, systemClock } from "#kernel"
import type { SettingName } from "./configuration.ts"
import { diagnose } from "./diagnose.ts"
import { anyPorts, type TestDeployment, testDeployment } from "./fixture.ts"
import { logOrigin } from "./log-key.ts"

/** A doctor's look finds the one thing that a test spoiled, says what it is, and what to do. */
describe("the doctor", { timeout: 120_000 }, () => {
  let deployment: TestDeployment
  before(async () => {
    deployment = await testDeployment()
    const server = await deployment.serve()
    await server.stop()
  })
  after(() => deployment?.[Symbol.asyncDispose]())

  const look = async (flags: Partial<Record<SettingName, string>> = {}, environment = {}) => {
    const { folder, store } = deployment
    const found = await diagnose({ folder, databaseUrl: store.serverUrl, ...anyPorts, ...flags }, environment)
    return found.filter(({ isWell, what }) => !isWell && what !== "a running server")
  }
  const sees = async (what: string, found: RegExp, fix: RegExp, flags: Partial<Record<SettingName, string>> = {}) => {
    const ill = await look(flags)
    assert.deepEqual(
      ill.map((each) => each.what),
      [what],
      JSON.stringify(ill),
    )
    assert.match(ill[0]!.found, found)
    assert.match(ill[0]!.fix!, fix)
  }
  const asOwner = (text: string, values?: unknown[]) => deployment.store.owner.query(text, values)

  test("finds nothing where all is well", async () => {
    assert.deepEqual(await look(), [])
  })

  test("sees a misspelt setting", async () => {
    const [ill] = await look({}, { SAFECONDUCT_LOG_LEVLE: "info" })
    assert.match(ill!.found, /SAFECONDUCT_LOG_LEVLE is no setting/)
  })

  test("sees a database that nobody answers for", () =>
    sees("database", /cannot be reached/, /PostgreSQL runs/, { databaseUrl: "postgres://u:p@127.0.0.1:1/x" }))

  test("sees the owner's role where the server's should be", () =>
    sees("role", /owns the log/, /server's role/, { databaseUrl: deployment.store.ownerUrl }))

  test("sees a database that was not migrated", async () => {
    await using bare = await testDeployment({ isMigrated: false })
    await sees("migrations", /missing/, /safeconduct migrate/, { databaseUrl: bare.store.serverUrl })
  })

  test("sees a database that may lose what it calls committed", async () => {
    // Without what a throwaway cluster says of itself.
    const databaseUrl = `${deployment.store.serverUrl}?options=-c%20safeconduct.commits_may_be_lost%3Doff`
    await sees("durability", /fsync.* must be on/, /postgresql\.conf/, { databaseUrl })
    await assert.rejects(deployment.serve({ databaseUrl }), { code: "not-ready", message: /may lose what it calls/ })
  })

  test("sees a database that takes no writes", async () => {
    const database = new URL(deployment.store.serverUrl).pathname.slice(1)
    await asOwner(`alter database ${database} set default_transaction_read_only to on`)
    try {
      await sees("room", /takes no writes/, /room|writes/)
    } finally {
      await asOwner(
        `begin; set transaction read write; alter database ${database} reset default_transaction_read_only; commit`,
      )
    }
  })

  test("sees another key-encryption key", async () => {
    const other = join(deployment.folder, "other.key")
    writeFileSync(other, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 })
    await sees("sealed keys", /./, /SAFECONDUCT_KEK_FILE/, { keyEncryptionKeyFile: other })
  })

  test("sees key files that others can read", async () => {
    const { logKeyFile } = deployment.configuration()
    chmodSync(logKeyFile, 0o644)
    try {
      await sees("log key", /chmod 600/, /0600/)
    } finally {
      chmodSync(logKeyFile, 0o600)
    }
  })

  test("sees a key that was made for the log when the log's own was lost", async () => {
    const logKeyFile = join(deployment.folder, "made-again.key")
    await createLogKey(logKeyFile, logOrigin(deployment.configuration(), 1))
    await sees("log", /none of the log keys in force/, /--without-the-old-key/, { logKeyFile })
  })

  test("sees the log key of another trust domain", async () => {
    const ill = await look({ trustDomain: "other.example" })
    assert.deepEqual([ill.length, ill[0]!.what], [1, "log"])
    assert.match(ill[0]!.fix!, /SAFECONDUCT_LOG_KEY_FILE.*safeconduct audit rotate/)
  })

  test("sees a log that is shorter than what was signed", async () => {
    const [head] = await deployment.store.owner.query<{ size: number; root: Buffer }>(
      "select size, root from audit.head",
    )
    await asOwner("update audit.head set size = size - 1")
    try {
      await sees("log", /were signed: it was cut or restored/, /safeconduct audit rotate/)
    } finally {
      await asOwner("update audit.head set size = $1", [head!.size])
    }
  })

  test("sees a stored policy that is broken", async () => {
    await asOwner("insert into policy.versions (digest, document, applied_by) values ('x', '{}', 'nobody')")
    await asOwner("insert into policy.in_force (digest, applied_by) values ('x', 'nobody')")
    try {
      await sees("policy", /nothing is allowed/, /safeconduct apply/)
    } finally {
      await asOwner("delete from policy.in_force")
    }
  })

  test("sees a resource without an account, and a provider that does not answer", async () => {
    const resources = {
      kb: {
        engine: "postgres",
        host: "127.0.0.1",
        port: 1,
        database: "kb",
        tls: "disable",
        operations: { read: { groupRole: "kb_read" } },
      },
    }
    const shop = { issuer: "http://127.0.0.1:1", network: "loopback", clientId: "safeconduct" }
    const document = { purposes: {}, agents: {}, policies: [], resources, providers: { shop } }
    const name = base64url(digest(document))
    const text = canonical(document)
    await asOwner("insert into policy.versions (digest, document, applied_by) values ($1, $2, 'nobody')", [name, text])
    await asOwner("insert into policy.in_force (digest, applied_by) values ($1, 'nobody')", [name])
    try {
      const ill = await look()
      assert.deepEqual(
        ill.map(({ what, found }) => [what, found]),
        [
          ["resources", "kb: no account is set"],
          ["providers", "shop: its metadata cannot be used: no answer"],
        ],
      )
    } finally {
      await asOwner("delete from policy.in_force")
    }
  })

  test("sees what is owed to the log, what is no journal, and a folder that is no folder", async () => {
    const folder = deployment.configuration().journalFolder
    const journal = await openJournal({ folder, clock: systemClock, log: silentLog })
    const draft = { event: "gate.session-end-journalled", by: "server", session: newId("session") }
    const line = await journal.write({ draft, command: null })
    await sees("journal", /1 things that were taken away are not in the log yet/, /entered when a server runs/)
    await journal.settle(line)
    writeFileSync(join(folder, "odd.jsonl"), "{")
    await sees("journal", /odd\.jsonl/, /folder/)
    rmSync(join(folder, "odd.jsonl"))
    const notOne = join(deployment.folder, "not-a-folder")
    writeFileSync(notOne, "")
    await sees("journal", /ENOTDIR|not a directory/, /mode 0700/, { journalFolder: notOne })
    const open = join(deployment.folder, "open")
    mkdirSync(open)
    chmodSync(open, 0o777)
    await sees("journal", /can be written by others/, /mode 0700/, { journalFolder: open })
  })

  test("sees a port that is taken", async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as { port: number }
    await sees("addresses", /is taken by another program/, /another address/, { agentsAddress: `127.0.0.1:${port}` })
    other.close()
  })

  test("sees a server that calls itself something else, and what that server says of itself", async () => {
    const server = await deployment.serve()
    const at = { opsAddress: new URL(server.opsUrl).host, webAddress: new URL(server.webUrl).host }
    await sees("names", /calls itself/, /SAFECONDUCT_ISSUER/, { ...at, issuer: "https://other.example" })
    await sees("names", /sends agents to/, /SAFECONDUCT_AGENTS_URL/, { ...at, agentsUrl: "https://other.example" })
    const found = await diagnose({ folder: deployment.folder, databaseUrl: deployment.store.serverUrl, ...at }, {})
    assert.match(found.find(({ what }) => what === "a running server")!.found, /policy: no policy is in force/)
    await server.stop()
  })

  test("prints no secret and changes nothing", async () => {
    const before = readFileSync(deployment.configuration().logKeyFile)
    const found = JSON.stringify(
      await diagnose({ folder: deployment.folder, databaseUrl: deployment.store.serverUrl }, {}),
    )
    assert.doesNotMatch(found, new RegExp(new URL(deployment.store.serverUrl).password))
    assert.deepEqual(readFileSync(deployment.configuration().logKeyFile), before)
  })
})
