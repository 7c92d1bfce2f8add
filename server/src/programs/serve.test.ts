import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { existsSync, renameSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { createLogKey } from "#audit"
import { apply, parseDocument } from "#gate"
import { base64url, type Queryable, silentLog } from "#kernel"
import { diagnose } from "./diagnose.ts"
import { anyPorts, caller, document, type TestDeployment, testDeployment } from "./fixture.ts"
import { migrateAll } from "./migrate.ts"
import { recoverOperator } from "./recover.ts"
import { serve } from "./serve.ts"
import { requireVersion } from "./store.ts"

describe("serve", { timeout: 60_000 }, () => {
  let deployment: TestDeployment
  before(async () => {
    deployment = await testDeployment()
  })
  after(() => deployment[Symbol.asyncDispose]())

  const start = (flags = {}) => serve({ configuration: deployment.configuration(flags), log: silentLog })
  /** Backends go a moment after their connection. */
  const noConnectionIsLeft = async () => {
    for (const deadline = performance.now() + 3_000; (await connections()) > 0; ) {
      assert.ok(performance.now() < deadline, `${await connections()} connections are left`)
    }
  }
  const connections = async () => {
    const [row] = await deployment.store.owner.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity where datname = current_database()
         and application_name like 'safeconduct%' and pid <> pg_backend_pid()`,
    )
    return row!.count
  }

  test("without a database says what to set", async () => {
    await assert.rejects(start({ databaseUrl: "" }), { code: "invalid-request", message: /set DATABASE_URL/ })
  })

  test("refuses a database that is not migrated, and says what to run", async () => {
    await using bare = await testDeployment({ isMigrated: false })
    await assert.rejects(bare.serve(), {
      code: "not-ready",
      message: /lacks \d+ migrations; run "safeconduct migrate"/,
    })
    const found = (await diagnose({ ...flagsOf(bare) }, {})).find(({ what }) => what === "migrations")
    assert.deepEqual([found?.isWell, found?.fix], [false, 'Run "safeconduct migrate" as the owner.'])
  })

  test("and migrate refuse a PostgreSQL that is older than 15", async () => {
    const of = (version: string): Queryable => ({ query: async () => [{ version }] as never })
    for (const old of ["9.6.24", "14.11", "8.3"]) await assert.rejects(requireVersion(of(old)), { code: "not-ready" })
    for (const fine of ["15.0", "18.1 (Debian)", "19beta1"]) assert.equal(await requireVersion(of(fine)), fine)
    assert.deepEqual(await migrateAll(deployment.configuration()), [], "migrated before")
    await assert.rejects(migrateAll(deployment.configuration({ ownerUrl: "" })), { code: "invalid-request" })
  })

  test("refuses to run as the owner of the log", async () => {
    await assert.rejects(start({ databaseUrl: deployment.store.ownerUrl }), {
      code: "not-ready",
      message: /could rewrite the log/,
    })
  })

  test("refuses a database that it cannot reach", async () => {
    const url = new URL(deployment.store.serverUrl)
    url.port = "1"
    await assert.rejects(start({ databaseUrl: url.href }), { code: "store-unavailable" })
  })

  test("refuses keys that are missing or are not this deployment's, and says which", async () => {
    const elsewhere = (name: string) => join(deployment.folder, name)
    await assert.rejects(start({ keyEncryptionKeyFile: elsewhere("nowhere") }), {
      code: "key-unusable",
      message: /keys create/,
    })
    await assert.rejects(start({ logKeyFile: elsewhere("nowhere") }), {
      code: "key-unusable",
      message: /log key cannot be read/,
    })
    await (await start()).stop()
    writeFileSync(elsewhere("other.key"), base64url(randomBytes(32)))
    await assert.rejects(start({ keyEncryptionKeyFile: elsewhere("other.key") }), { code: "key-unusable" })
    await createLogKey(elsewhere("other.log"), "safeconduct.local/log/1")
    await assert.rejects(start({ logKeyFile: elsewhere("other.log") }), { code: "key-unusable" })
    await createLogKey(elsewhere("foreign.log"), "elsewhere.example/log/1")
    await assert.rejects(start({ logKeyFile: elsewhere("foreign.log") }), {
      code: "key-unusable",
      message: /elsewhere\.example/,
    })
    await assert.rejects(start({ trustDomain: "elsewhere.example", logKeyFile: elsewhere("foreign.log") }), {
      code: "key-unusable",
    })
  })

  test("that cannot start closes what it opened: no port, no connection is left", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => taken.once("listening", resolve))
    const { port } = taken.address() as { port: number }
    const agentsPort = await freePort()
    const flags = { agentsAddress: `127.0.0.1:${agentsPort}`, opsAddress: `127.0.0.1:${port}` }
    await assert.rejects(start(flags), { code: "not-ready", message: new RegExp(`127\\.0\\.0\\.1:${port} is taken`) })
    await assert.rejects(start({ agentsAddress: `127.0.0.1:${agentsPort}`, databaseUrl: deployment.store.ownerUrl }))
    await noConnectionIsLeft()
    taken.close()
    await (await start(flags)).stop()
    await noConnectionIsLeft()
  })

  test("names the ports that it was given everywhere: metadata, tokens, URLs", async () => {
    const server = await deployment.serve()
    await apply(server.rooms, "server", parseDocument(document))
    const { agentsUrl, webUrl, opsUrl } = server
    for (const url of [agentsUrl, webUrl, opsUrl]) assert.ok(Number(new URL(url).port) > 0, url)
    const metadata = (await (await fetch(`${webUrl}/.well-known/oauth-authorization-server`)).json()) as {
      [name: string]: string
    }
    assert.deepEqual([metadata.issuer, metadata.token_endpoint], [webUrl, `${webUrl}/oauth2/token`])
    assert.deepEqual(metadata.mtls_endpoint_aliases, {
      token_endpoint: `${agentsUrl}/oauth2/token`,
      pushed_authorization_request_endpoint: `${agentsUrl}/oauth2/par`,
      backchannel_authentication_endpoint: `${agentsUrl}/oauth2/bc-authorize`,
      introspection_endpoint: `${agentsUrl}/oauth2/introspect`,
      revocation_endpoint: `${agentsUrl}/oauth2/revoke`,
    })
    for (const [name, url] of Object.entries(metadata)) {
      if (/_(endpoint|uri)$/.test(name)) assert.ok(url.startsWith(`${webUrl}/`), `${name}: ${url}`)
    }
    assert.equal((await fetch(metadata.jwks_uri!)).status, 200)
    using bot = await caller(server, { kind: "agent", name: "bot" })
    const { json } = await bot.call("POST", "/v1/sessions", { body: `{"purpose":"answer"}` })
    const [, payload] = String(json?.["accessToken"]).split(".")
    assert.equal(JSON.parse(Buffer.from(payload!, "base64url").toString()).iss, webUrl)
    await server.stop()
  })

  test("takes an access token on its own connection only, and of the session that is asked about", async () => {
    const server = await deployment.serve()
    using bot = await caller(server, { kind: "agent", name: "bot" })
    using thief = await caller(server, { kind: "agent", name: "bot" })
    const opened = await bot.call("POST", "/v1/sessions", { body: `{"purpose":"answer"}` })
    const { session, accessToken } = opened.json as { session: { id: string }; accessToken: string }
    const action = { type: "tool", resource: "kb", operation: "ask" }
    const act = (who: typeof bot, id: string) =>
      who.call("POST", "/v1/actions", {
        body: JSON.stringify({ session: id, action }),
        headers: { authorization: `Bearer ${accessToken}` },
      })
    assert.deepEqual((await act(bot, session.id)).json?.["verdict"], "allow")
    assert.deepEqual((await act(thief, session.id)).json?.["code"], "token-invalid")
    const second = await bot.call("POST", "/v1/sessions", { body: `{"purpose":"answer"}` })
    assert.equal(
      (await act(bot, (second.json as { session: { id: string } }).session.id)).json?.["code"],
      "token-invalid",
    )
    await server.stop()
  })

  test("is ready when new work would succeed, and says what is missing", async () => {
    const server = await deployment.serve()
    const ready = async () => {
      const response = await fetch(`${server.opsUrl}/readyz`)
      const { checks } = (await response.json()) as { checks: { name: string; problem: string | null }[] }
      return [response.status, ...checks.filter(({ problem }) => problem !== null).map(({ name }) => name)]
    }
    await apply(server.rooms, "server", parseDocument(document))
    assert.deepEqual(await ready(), [200])
    assert.equal((await fetch(`${server.opsUrl}/livez`)).status, 200)
    const { owner } = deployment.store
    await owner.query("delete from policy.in_force")
    await owner.query("update kernel.epoch set epoch = epoch + 1")
    await server.rooms.epoch.refresh()
    assert.deepEqual(await ready(), [503, "policy"])
    await apply(server.rooms, "server", parseDocument(document))
    await owner.query("revoke update on kernel.epoch from safeconduct_server")
    assert.deepEqual(await ready(), [503, "database"])
    await owner.query("grant update on kernel.epoch to safeconduct_server")
    await owner.query("revoke update on audit.head from safeconduct_server")
    assert.deepEqual(await ready(), [503, "log"])
    await owner.query("grant update on audit.head to safeconduct_server")
    renameSync(join(deployment.folder, "keys", "log.key.signed"), join(deployment.folder, "keys", "gone"))
    writeFileSync(join(deployment.folder, "keys", "log.key.signed"), "")
    await server.rooms.audit.commit({ entries: () => [{ event: "policy.applied", by: "server" }] })
    assert.deepEqual(await ready(), [503, "log"], "nothing can be signed")
    renameSync(join(deployment.folder, "keys", "gone"), join(deployment.folder, "keys", "log.key.was"))
    await server.stop()
    renameSync(join(deployment.folder, "keys", "log.key.signed"), join(deployment.folder, "keys", "rubbish"))
    renameSync(join(deployment.folder, "keys", "log.key.was"), join(deployment.folder, "keys", "log.key.signed"))
  })

  test("twice on one database is one deployment: both know an agent, and both refuse it once it is suspended", async () => {
    const [one, two] = await Promise.all([deployment.serve(), deployment.serve()])
    assert.equal(one.logKey, two.logKey)
    using bot = await caller(one, { kind: "agent", name: "bot" })
    using olga = await caller(two, { kind: "operator", name: "olga", roles: ["admin"] })
    assert.equal((await bot.call("GET", "/v1/sessions")).status, 200)
    assert.equal((await olga.call("POST", "/v1/agents/bot/suspension", { body: "{}" })).status, 200)
    await one.rooms.epoch.refresh()
    assert.equal((await bot.call("GET", "/v1/sessions")).json?.["code"], "agent-suspended")
    assert.equal((await olga.call("DELETE", "/v1/agents/bot/suspension")).status, 200)
    await Promise.all([one.stop(), two.stop()])
    await noConnectionIsLeft()
  })

  test("says at the root of its web address what it is, without markup", async () => {
    const server = await deployment.serve()
    const response = await fetch(server.webUrl)
    assert.match(response.headers.get("content-type")!, /^text\/plain/)
    const text = await response.text()
    for (const path of text.match(/(?<=^ {2})\/\S+/gm)!) {
      // A page that needs somebody or something says so, and is there.
      const isPage = /^\/(me|oauth2|approvals)\b/.test(path)
      const { status } = await fetch(server.webUrl + path, { redirect: "manual" })
      if (!path.includes("{")) assert.ok(isPage ? status < 500 : status === 200, `${path}: ${status}`)
    }
    await server.stop()
  })

  test("lets the first operator in by a token that is made on its host, which needs its keys", async () => {
    const server = await deployment.serve()
    const { token } = await recoverOperator(deployment.configuration(), "rescue", silentLog)
    assert.match(token.reveal(), /^[\w-]+\.[\w-]+$/)
    const configuration = deployment.configuration({ keyEncryptionKeyFile: join(deployment.folder, "nowhere") })
    await assert.rejects(recoverOperator(configuration, "rescue", silentLog), { code: "key-unusable" })
    await server.stop()
  })

  test("is well, says the doctor, and what to do when it is not", async () => {
    const server = await deployment.serve()
    const opsAddress = new URL(server.opsUrl).host
    const well = await diagnose({ ...flagsOf(deployment), opsAddress }, {})
    // Nobody has handed over an account for kb.
    const unwell = well.filter(({ isWell, found }) => !isWell && found !== "kb: no account is set")
    assert.deepEqual(unwell, [])
    assert.doesNotMatch(JSON.stringify(well), new RegExp(new URL(deployment.store.serverUrl).password))
    await server.stop()
    const ill = await diagnose(
      {
        ...flagsOf(deployment),
        // Whatever else runs on this machine, it is not here.
        ...anyPorts,
        opsAddress,
        databaseUrl: "postgres://u:s3cret@127.0.0.1:1/x",
        keyEncryptionKeyFile: "nowhere",
        logKeyFile: "nowhere",
      },
      {},
    )
    assert.deepEqual(
      ill.map(({ what, isWell }) => [what, isWell]),
      [
        ["key-encryption key", false],
        ["log key", false],
        ["journal", true],
        ["database", false],
        ["a running server", false],
        ["addresses", true],
      ],
    )
    assert.ok(ill.every(({ isWell, fix, found }) => (isWell || fix !== null) && found !== ""))
    assert.doesNotMatch(JSON.stringify(ill), /s3cret/)
    const [misspelt] = await diagnose({}, { SAFECONDUCT_TYPO: "x" })
    assert.deepEqual([misspelt?.what, misspelt?.isWell], ["configuration", false])
    assert.equal(existsSync("nowhere"), false, "looking makes nothing")
  })
})

function flagsOf({ folder, store }: TestDeployment) {
  return { folder, databaseUrl: store.serverUrl, opsAddress: "127.0.0.1:1" }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => probe.once("listening", resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
