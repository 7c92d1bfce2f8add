import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { after, before, test } from "node:test"
import { connect } from "@safeconduct/sdk"
import { type EmbeddedPostgres, removePostgres, silentLog, startPostgres } from "@safeconduct/server/programs"
import pg from "pg"
import { BIN, workplace } from "./testing/run.ts"

const place = workplace()
const { run } = place
let server: ChildProcess
let base: EmbeddedPostgres
let urls: { agentsUrl: string; webUrl: string; opsUrl: string; logKey: string; provider: string }

const documentFor = (port: number) => `
purposes:
  answer-questions: { description: Answer, actions: [ { type: safeconduct_action, actions: ["credential:read"], locations: [kb] } ] }
resources:
  kb: { engine: postgres, host: 127.0.0.1, port: ${port}, database: kb, tls: disable, operations: { read: { groupRole: kb_read } } }
agents:
  support-bot:
    owner: test@example.com
    description: Answers
    purposes: [answer-questions]
    ceiling: [ { type: safeconduct_action, actions: ["credential:read"], locations: [kb] } ]
`
const POLICY = `@id("support-bot-reads-kb")
permit (principal == agents::Agent::"support-bot", action == policy::Action::"credential",
  resource == credentials::Resource::"kb") when { context.operation == "read" };`

before(async () => {
  await mkdir(join(place.folder, "policies"))
  await writeFile(join(place.folder, "policies", "kb.cedar"), POLICY)
  base = await startPostgres({ folder: join(place.folder, "base"), log: silentLog })
  await writeFile(join(place.folder, "configuration.yaml"), documentFor(base.port))
  const addresses = ["agents", "web", "ops"].flatMap((name) => [`--${name}-address`, "127.0.0.1:0"])
  server = spawn(process.execPath, [BIN, "dev", "--json", ...addresses, "--provider-port", "0"], {
    cwd: place.folder,
    env: place.env,
    stdio: ["ignore", "pipe", "ignore"],
  })
  const [line] = (await once(createInterface({ input: server.stdout! }), "line")) as [string]
  urls = JSON.parse(line) as typeof urls
})
after(async () => {
  if (server.exitCode === null) {
    server.kill("SIGKILL")
    await once(server, "exit")
  }
  await base?.stop()
  // Run as root, the data lies outside of the folders.
  await removePostgres(base.folder)
  await removePostgres(join(place.env.SAFECONDUCT_HOME, "postgres"))
  place[Symbol.dispose]()
})

function dbaUrl(database: string): string {
  const url = new URL(base.superuserUrl)
  url.pathname = database
  return url.href
}

async function asOwner(database: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: dbaUrl(database) })
  await client.connect()
  await client.query(sql)
  await client.end()
}

test("dev has a provider beside it, and the server is its client", async () => {
  const { provider, webUrl } = urls
  const metadata = (await (await fetch(`${provider}/.well-known/openid-configuration`)).json()) as { issuer: string }
  assert.equal(metadata.issuer, provider)
  const asked = new URL(`${provider}/auth`)
  asked.search = new URLSearchParams({
    client_id: "safeconduct",
    redirect_uri: `${webUrl}/sign-in/shop/callback`,
    response_type: "code",
    scope: "openid",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
  }).toString()
  assert.match((await fetch(asked, { redirect: "manual" })).headers.get("location") ?? "", /^\/sign-in\//)
})

test("dev logs its first operator in, and keeps the log's key for later", async () => {
  const { code, rows } = await run(["operators", "list", "--json"])
  assert.equal(code, 0)
  assert.deepEqual(
    rows.map(({ name, roles }) => ({ name, roles })),
    [{ name: "admin", roles: ["admin"] }],
  )
  assert.equal(await readFile(join(place.env.SAFECONDUCT_HOME, "log.vkey"), "utf8"), `${urls.logKey}\n`)
})

test("apply shows the difference first, changes nothing on --dry-run, and off a terminal wants --yes", async () => {
  const dry = await run(["apply", "configuration.yaml", "--dry-run"])
  assert.equal(dry.code, 0)
  assert.match(dry.stdout, /^\+ agent support-bot$/m)
  assert.equal((await run(["apply", "configuration.yaml"])).code, 2)
  assert.equal((await run(["agents", "list"])).stdout, "")

  const done = await run(["apply", "configuration.yaml", "--yes", "--json"])
  assert.equal(done.code, 0)
  assert.equal(done.rows[0]!["isApplied"], true)
  const again = await run(["apply", "configuration.yaml", "--json"])
  assert.deepEqual([again.code, again.rows[0]!["lines"]], [0, []])
})

test("a provider that knows us by a secret is without it until it is handed over", async () => {
  const shop = { issuer: urls.provider, clientId: "safeconduct", network: "loopback" }
  const providers = JSON.stringify({ shop: { ...shop, clientAuthentication: "client_secret_post" } })
  await writeFile(join(place.folder, "provider.yaml"), `${documentFor(base.port)}\nproviders: ${providers}\n`)
  assert.equal((await run(["apply", "provider.yaml", "--yes"])).code, 0)
  const shown = async () => (await run(["sessions", "providers", "list", "--json"])).rows[0]!
  const before = await shown()
  assert.deepEqual([before["name"], before["hasSecret"]], ["shop", false])
  assert.match(String(before["problem"]), /not handed over/)
  const configure = (name: string, flag: string) => ["sessions", "providers", "configure", name, "--secret", flag]
  assert.equal((await run(configure("shop", "the-secret"))).code, 2, "a secret is no argument")
  assert.equal((await run(configure("typo", "-"), { input: "s" })).code, 3)
  assert.equal((await run(configure("shop", "-"), { input: "the-secret\n" })).code, 0)
  const after = await shown()
  assert.deepEqual([after["hasSecret"], after["problem"]], [true, null])
  assert.equal((await run(["apply", "configuration.yaml", "--yes"])).code, 0)
})

test("a broken configuration is a usage error with its place, and the version in force stays", async () => {
  await writeFile(
    join(place.folder, "broken.yaml"),
    documentFor(base.port).replace("locations: [kb]", "locations: [nowhere]"),
  )
  const { code, stderr } = await run(["apply", "broken.yaml", "--yes"])
  assert.equal(code, 2)
  assert.match(stderr, /nowhere/)
  assert.equal((await run(["agents", "show", "support-bot"])).code, 0)
})

test("a database is prepared, checked and handed over, and the password that was given is worth nothing after", async () => {
  await asOwner("postgres", "create database kb")
  await asOwner("kb", "create table faq (answer text); insert into faq values ('9 to 5')")
  const dba = (verb: string, ...more: string[]) => {
    const args = ["credentials", "postgres", verb, "kb", "--file", "configuration.yaml", "--admin-url", "-", ...more]
    return run(args, { input: dbaUrl("kb") })
  }
  const unprepared = await dba("check", "--json")
  assert.deepEqual([unprepared.code, unprepared.rows.length > 0], [1, true])
  const prepared = await dba("prepare", "--apply")
  assert.equal(prepared.code, 0)
  assert.equal((await dba("check")).code, 0)

  const configure = ["credentials", "postgres", "configure", "kb", "--password", "-"]
  assert.equal((await run(configure, { input: "wrong" })).code, 2)
  assert.equal((await run(configure, { input: prepared.stdout })).code, 0)
  const client = new pg.Client({ connectionString: base.urlFor("safeconduct", prepared.stdout.trim(), "kb") })
  await assert.rejects(client.connect())
})

test("a join token made here enrols an agent, whose session is seen and ended here", async () => {
  const token = await run(["agents", "join-token", "support-bot"])
  assert.match(token.stdout, /^[\w-]{43}\.[\w-]{43}\n$/)
  const enrol = ["agents", "enrol", "--url", urls.agentsUrl, "--join-token", "-", "--folder", "bot", "--json"]
  const enrolled = await run(enrol, { input: token.stdout })
  assert.equal(enrolled.code, 0)
  assert.equal(enrolled.rows[0]!["spiffeId"], "spiffe://safeconduct.local/agent/support-bot")
  assert.equal((await run(enrol, { input: token.stdout })).code, 4, "a join token works once")

  await using safeconduct = await connect({ folder: join(place.folder, "bot"), onProblem: () => undefined })
  const session = await safeconduct.open({ purpose: "answer-questions" })
  const lease = await session.lease("kb", { operation: "read" })
  const live = new pg.Client(lease.settings)
  live.on("error", () => undefined)
  await live.connect()
  const open = await run(["sessions", "list", "--state", "open", "--json"])
  assert.deepEqual(
    open.rows.map(({ id }) => id),
    [session.id],
  )
  const trees = [await run(["sessions", "tree", session.id, "--json"]), await run(["sessions", "tree"])]
  assert.deepEqual([trees[0]!.rows.map(({ id }) => id), trees[1]!.code], [[session.id], 0])
  assert.match(trees[1]!.stdout, new RegExp(`^support-bot\tanswer-questions\topen\t-\t-\t${session.id}$`, "m"))
  const leases = await run(["credentials", "leases", "--session", session.id, "--json"])
  assert.deepEqual(
    leases.rows.map(({ id, state }) => ({ id, state })),
    [{ id: lease.id, state: "live" }],
  )
  assert.equal(leases.stdout.includes(lease.settings.password), false)
  assert.equal((await run(["sessions", "end", session.id])).code, 0)
  await assert.rejects(live.query("select 1"))
  assert.equal((await run(["sessions", "show", session.id, "--json"])).rows[0]!["state"], "ended")
})

test("a question is explained off the version in force, and the period so far replayed under another one", async () => {
  const asked = ["--agent", "support-bot", "--purpose", "answer-questions", "--resource", "kb", "--operation"]
  const explained = await run(["policy", "explain", ...asked, "read", "--json"])
  assert.deepEqual([explained.code, explained.rows[0]!["verdict"]], [0, "allow"])
  assert.match((await run(["policy", "explain", ...asked, "write"])).stdout, /^deny\. The agent's ceiling decides/)

  const simulate = ["policy", "simulate", "--from", "2020-01-01", "--json", "--config"]
  const same = await run([...simulate, "configuration.yaml"])
  assert.deepEqual([same.code, same.rows[0]!["changed"]], [0, []])
  assert.ok((same.rows[0]!["replayed"] as number) > 0)
  await mkdir(join(place.folder, "stricter", "policies"), { recursive: true })
  await writeFile(join(place.folder, "stricter", "configuration.yaml"), documentFor(base.port))
  await writeFile(join(place.folder, "stricter", "policies", "kb.cedar"), POLICY.replace('"read"', '"look"'))
  const stricter = await run([...simulate, "stricter/configuration.yaml"])
  const [change] = stricter.rows[0]!["changed"] as Record<string, unknown>[]
  assert.deepEqual(
    [change!["agent"], change!["was"], change!["wouldBe"], change!["by"]],
    ["support-bot", "allow", "deny", "policy"],
  )
  assert.equal((await run([...simulate, "configuration.yaml", "--to", "2020-01-01"])).code, 2)
  const none = await run([
    "policy",
    "simulate",
    "--config",
    "configuration.yaml",
    "--from",
    "2020-01-01",
    "--to",
    "2020-02-01",
    "--json",
  ])
  assert.equal(none.rows[0]!["replayed"], 0)
})

test("what people are asked is listed, counted and rehearsed, also where nobody was asked anything", async () => {
  for (const what of ["list", "grants", "reports"]) {
    const { code, stdout } = await run(["approvals", what, "--json"])
    assert.deepEqual([code, stdout], [0, ""], what)
  }
  const report = await run(["approvals", "report", "--since", "1d", "--json"])
  assert.equal(report.code, 0)
  const { actions, asked, proposals } = report.rows[0] as { actions: number; asked: object; proposals: object[] }
  assert.ok(actions > 0)
  assert.deepEqual([(asked as { requests: number }).requests, proposals], [0, []])
  assert.match((await run(["approvals", "report"])).stderr, /0 requests on 0 cards/)
  const simulate = await run(["approvals", "simulate", "--config", "configuration.yaml", "--json"])
  const { before, after, replayed } = simulate.rows[0] as { before: number; after: number; replayed: number }
  assert.deepEqual([simulate.code, before, after, replayed > 0], [0, 0, 0, true])
  for (const wrong of ["7", "0d", "a week"]) {
    assert.equal((await run(["approvals", "report", "--since", wrong])).code, 2, wrong)
  }
  for (const [verb, id] of [
    ["show", "approval_x"],
    ["revoke-grant", "grant_x"],
    ["lift", "report_x"],
  ] as const) {
    assert.equal((await run(["approvals", verb, id])).code, 3, verb)
  }
})

test("channels are listed, and take no secret before they are configured", async () => {
  const { code, stdout } = await run(["approvals", "channels", "list", "--json"])
  assert.deepEqual([code, stdout], [0, ""])
  await writeFile(join(place.folder, "token.txt"), "the-token")
  const set = ["approvals", "channels", "set-secret", "sms", "--secret-file", "token.txt", "--json"]
  const refused = await run(set)
  assert.deepEqual([refused.code, refused.stderr.includes("the-token")], [3, false])
  assert.equal((await run(["approvals", "forget", "alice"])).code, 3)
  const nobody = await run(["approvals", "forget", `user_${"0".repeat(26)}`, "--json"])
  assert.deepEqual([nobody.code, nobody.rows[0]!["contacts"]], [0, 0])
})

test("an agent's identity may not do an operator's work", async () => {
  const { code, stderr } = await run(["agents", "suspend", "support-bot", "--identity", "bot", "--json"])
  assert.equal(code, 4)
  assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, "wrong-role")
})

test("suspending, resuming and retiring an agent are seen in its state", async () => {
  const state = async () => (await run(["agents", "show", "support-bot", "--json"])).rows[0]!["state"]
  assert.equal((await run(["agents", "suspend", "support-bot", "--reason", "test"])).code, 0)
  assert.equal(await state(), "suspended")
  assert.equal((await run(["agents", "resume", "support-bot"])).code, 0)
  assert.equal(await state(), "active")
  assert.equal((await run(["agents", "retire", "support-bot"])).code, 2, "off a terminal it wants --yes")
  assert.equal(await state(), "active")
  assert.equal((await run(["agents", "retire", "support-bot", "--yes"])).code, 0)
  assert.equal(await state(), "retired")
})

test("what is not there is exit status 3", async () => {
  for (const args of [
    ["agents", "show", "nobody"],
    ["sessions", "show", "session_00000000000000000000000000"],
    ["sessions", "end", "session_00000000000000000000000000"],
    ["credentials", "show", "lease_00000000000000000000000000"],
    ["audit", "show", "entry_00000000000000000000000000"],
    ["audit", "list", "--log", "9"],
    ["audit", "verify", "--log", "9"],
    ["audit", "export", "log-9", "--log", "9"],
    ["agents", "revoke-instance", "support-bot", "instance_00000000000000000000000000"],
  ]) {
    assert.equal((await run(args)).code, 3, args.join(" "))
  }
})

test("what nothing can be meant by is a usage error, before anything is asked", async () => {
  for (const [args, said] of [
    [["audit", "list", "--limit", "0"], /whole number, 1 or more/],
    [["audit", "list", "--from", "-1"], /whole number, 0 or more/],
    [["audit", "verify", "--log", "first"], /whole number/],
    [["audit", "verify", "--older", "nowhere"], /nowhere cannot be read/],
    [["audit", "export", "configuration.yaml"], /is a file/],
    [["keys", "rotate", "ca-root"], /token, ca-intermediate/],
    [["keys", "list", "--url", "http://127.0.0.1:7443"], /URL of an agents listener/],
  ] as const) {
    const { code, stdout, stderr } = await run(args)
    assert.deepEqual([code, stdout], [2, ""], args.join(" "))
    assert.match(stderr, said)
  }
})

test("the running log, its export and a receipt verify; the last with nothing but the file and the key", async () => {
  const entries = await run(["audit", "list", "--event", "sessions.opened", "--json"])
  const [entry] = entries.rows as [{ id: string; index: number }]
  // The log that goes on has its number too.
  const numbered = await run(["audit", "list", "--event", "sessions.opened", "--log", "1", "--json"])
  assert.deepEqual(numbered.rows, entries.rows)
  assert.equal((await run(["audit", "verify"])).code, 0)
  assert.equal((await run(["audit", "receipt", entry.id, "--out", "receipt"])).code, 0)
  assert.equal((await run(["audit", "export", "log", "--json"])).code, 0)
  const elsewhere = { SAFECONDUCT_HOME: join(place.folder, "elsewhere") }
  for (const what of ["receipt", "log"]) {
    const { code, rows } = await run(["audit", "verify", what, "--key", urls.logKey, "--json"], { env: elsewhere })
    assert.deepEqual([code, rows[0]!["ok"]], [0, true])
    if (what === "receipt") assert.equal(rows[0]!["index"], entry.index)
  }
})

test("an operator that was let in logs in, and can do what the role allows and no more", async () => {
  assert.equal((await run(["operators", "join-token", "siem", "--role", "king"])).code, 2)
  const { stdout } = await run(["operators", "join-token", "siem", "--role", "auditor"])
  const home = { SAFECONDUCT_HOME: join(place.folder, "siem") }
  const login = await run(["login", "--url", urls.agentsUrl], {
    env: { ...home, SAFECONDUCT_JOIN_TOKEN: stdout.trim() },
  })
  assert.equal(login.code, 0)
  assert.equal((await run(["audit", "verify"], { env: home })).code, 0)
  const refused = await run(["agents", "join-token", "support-bot"], { env: home })
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /"manage-agents"; operators with the role admin or operator do/)
})

test("leases, resources and keys are listed without their secrets", async () => {
  const resources = await run(["credentials", "resources", "--json"])
  assert.deepEqual(
    resources.rows.map(({ name, engine, username }) => ({ name, engine, username })),
    [{ name: "kb", engine: "postgres", username: "safeconduct" }],
  )
  assert.equal((await run(["credentials", "leases", "--json"])).code, 0)
  const { rows } = await run(["keys", "list", "--json"])
  assert.ok(rows.length >= 3)
  assert.deepEqual(Object.keys(rows[0]!), ["kid", "use", "state", "activeFrom", "retiredAt"])
})

test("prepare prints statements that a DBA can read, and runs nothing", async () => {
  const args = ["credentials", "postgres", "prepare", "kb", "--file", "configuration.yaml"]
  const { code, stdout } = await run(args)
  assert.equal(code, 0)
  assert.match(stdout, /grant pg_signal_backend, pg_read_all_stats to "safeconduct";/)
  assert.match(stdout, /^-- Whose each lease is, .*\ndo /m)
  assert.match(stdout, /^create schema if not exists safeconduct authorization safeconduct_leases;$/m)
  assert.equal((await run([...args.slice(0, 3), "nowhere", ...args.slice(4)])).code, 3)
  assert.equal((await run([...args, "--apply", "--admin-url", "postgres://dba:secret@db/kb"])).code, 2)
})

test("check warns of tables that show everybody's rows, where a lease is for one user", async () => {
  const bound = documentFor(base.port).replace("groupRole: kb_read", "groupRole: kb_read, bindsUser: true")
  await writeFile(join(place.folder, "bound.yaml"), bound)
  const args = ["credentials", "postgres", "check", "kb", "--file", "bound.yaml", "--admin-url", "-", "--json"]
  const { code, rows } = await run(args, { input: dbaUrl("kb") })
  assert.deepEqual([code, rows.length, rows[0]!["level"]], [0, 1, "warning"])
  assert.match(
    `${rows[0]!["what"]}`,
    /^Row-level security is off on public\.faq: a lease of kb_read for one user reaches/,
  )
})

test("key files are made once, readable by their owner alone, and never replaced", async () => {
  const args = ["keys", "create", "--folder", "fresh", "--json"]
  const first = await run(args)
  assert.equal(first.code, 0)
  const { keyEncryptionKeyFile, logKeyFile } = first.rows[0] as Record<string, string>
  for (const file of [keyEncryptionKeyFile!, logKeyFile!]) {
    assert.equal((await stat(join(place.folder, file))).mode & 0o777, 0o600, file)
  }
  const read = () =>
    Promise.all([keyEncryptionKeyFile!, logKeyFile!].map((file) => readFile(join(place.folder, file), "utf8")))
  const before = await read()
  assert.equal((await run(args)).code, 0)
  assert.deepEqual(await read(), before)
})

test("doctor names what is wrong, and says what to do", async () => {
  const opsAddress = new URL(urls.opsUrl).host
  const well = await run(["doctor", "--json"], { env: { SAFECONDUCT_OPS_ADDRESS: opsAddress } })
  assert.deepEqual([well.code, well.rows.filter(({ isWell }) => !isWell)], [0, []])
  const ill = await run(["doctor", "--json"], { env: { SAFECONDUCT_HOME: join(place.folder, "nobody") } })
  assert.equal(ill.code, 1)
  assert.ok(ill.rows.every(({ isWell, fix }) => isWell || typeof fix === "string"))
})

test("a server's host is well without anybody logged in, and its folder is the one that is set", async () => {
  const env = {
    SAFECONDUCT_HOME: join(place.folder, "nobody"),
    SAFECONDUCT_FOLDER: join(place.folder, ".safeconduct"),
    SAFECONDUCT_OPS_ADDRESS: new URL(urls.opsUrl).host,
    DATABASE_URL: "postgres://server:password@127.0.0.1:1/own",
  }
  const { rows } = await run(["doctor", "--json"], { env })
  assert.deepEqual(
    rows.filter(({ isWell }) => !isWell).map(({ what }) => what),
    ["database"],
  )
  assert.match(String(rows.find(({ what }) => what === "journal")!["found"]), /nothing is owed/)
})

test("SIGTERM stops dev in order, and then there is nobody to ask", async () => {
  const ended = once(server, "exit")
  server.kill("SIGTERM")
  assert.deepEqual(await ended, [0, null])
  assert.equal((await run(["agents", "list"])).code, 75, "a server that is down is a reason to come back later")
})
