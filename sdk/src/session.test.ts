import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { createHash, X509Certificate } from "node:crypto"
import { once } from "node:events"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { inspect } from "node:util"
import pg from "pg"
import { connect, type Safeconduct } from "./connect.ts"
import { DeniedError, SafeconductError } from "./errors.ts"
import { loadIdentity } from "./identity.ts"
import { renewIdentity } from "./renewal.ts"
import type { Session } from "./session.ts"
import { type Deployment, deploy } from "./testing/deployment.ts"

let deployment: Deployment
let folder: string
let safeconduct: Safeconduct
const problems: SafeconductError[] = []

before(async () => {
  deployment = await deploy()
  folder = join(deployment.folder, "bot")
  safeconduct = await start({ folder, url: deployment.server.agentsUrl, joinToken: await deployment.joinToken() })
})
after(async () => {
  await safeconduct?.[Symbol.asyncDispose]()
  await deployment?.[Symbol.asyncDispose]()
})

const start = (options: { folder: string; url?: string; joinToken?: string }) =>
  connect({ ...options, onProblem: (problem) => problems.push(problem) })
const open = (purpose = "answer-questions") => safeconduct.open({ purpose })
const read = { operation: "read" }
const refuses = (code: string) => (error: unknown) => error instanceof SafeconductError && error.code === code

async function connected(settings: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(settings)
  client.on("error", () => undefined)
  await client.connect()
  return client
}

const stateOf = async (session: string) => {
  const path = `/v1/sessions/${session}`
  return (await deployment.operator.json<{ state: string }>({ method: "GET", path })).state
}
const accountsLike = (user: string) => deployment.asOwner("select from pg_roles where rolname = $1", [user])

test("the first start enrols; the next one needs neither URL nor token", async () => {
  assert.equal(safeconduct.spiffeId, "spiffe://safeconduct.local/agent/support-bot")
  await using again = await start({ folder })
  assert.equal(again.instance, safeconduct.instance)
})

test("without identity and token there is no start, and the sentence says what to do", async () => {
  await assert.rejects(start({ folder: join(deployment.folder, "nobody") }), refuses("identity-missing"))
})

test("a join token is good for one instance", async () => {
  const joinToken = await deployment.joinToken()
  const url = deployment.server.agentsUrl
  await using first = await start({ folder: join(deployment.folder, "first"), url, joinToken })
  assert.notEqual(first.instance, safeconduct.instance)
  await assert.rejects(
    start({ folder: join(deployment.folder, "second"), url, joinToken }),
    refuses("join-token-invalid"),
  )
})

test("a lease opens the database, and at the closing brace neither a login nor a live connection works", async () => {
  let live: pg.Client
  let settings: pg.ClientConfig
  let id: string
  {
    await using session = await open()
    await using db = await session.lease("kb", read)
    id = session.id
    settings = { ...db.settings }
    live = await connected(db.settings)
    assert.deepEqual((await live.query("select answer from faq")).rows, [{ answer: "9 to 5" }])
    assert.equal(inspect({ db, session }, { depth: 9 }).includes(db.settings.password), false)
    assert.equal(JSON.stringify({ db, session }).includes(db.settings.password), false)
  }
  await assert.rejects(live.query("select 1"))
  await assert.rejects(connected(settings))
  assert.deepEqual(await accountsLike(settings.user!), [])
  assert.equal(await stateOf(id), "ended")
})

test("an exception ends the session too, and is the one that is seen", async () => {
  let session: Session | undefined
  const run = async () => {
    await using opened = await open()
    session = opened
    await using _db = await opened.lease("kb", read)
    throw new Error("the task's own")
  }
  await assert.rejects(run(), /the task's own/)
  assert.equal(session!.signal.aborted, true)
  assert.equal(await stateOf(session!.id), "ended")
})

test("ending a session ends its leases, and ending twice does nothing", async () => {
  const session = await open()
  const lease = await session.lease("kb", read)
  await session.end()
  await session.end()
  await lease.revoke()
  assert.equal(lease.signal.aborted, true)
  assert.deepEqual(await accountsLike(lease.settings.user), [])
})

test("what the mandate does not include is a DeniedError that says why", async () => {
  await using session = await open()
  await assert.rejects(session.lease("kb", { operation: "write" }), (error: unknown) => {
    assert.ok(error instanceof DeniedError)
    assert.ok(error.reasons.length > 0 && error.reasons.every((reason) => reason.endsWith(".")))
    return true
  })
})

test("a purpose that the agent may not serve opens nothing", async () => {
  await assert.rejects(open("private"), (error) => error instanceof DeniedError && error.code === "purpose-not-allowed")
  await assert.rejects(open("unheard-of"), refuses("purpose-unknown"))
})

test("a denied action is an answer with reasons, and stands in the log", async () => {
  await using session = await open()
  const decision = await session.act({ type: "sql", resource: "kb", operation: "drop" })
  assert.equal(decision.verdict, "deny")
  assert.ok(decision.reasons.length > 0)
  assert.match(decision.entry, /^entry_/)
})

test("a connection outlives three lease lifetimes while its session is open", async () => {
  await using session = await open("short")
  await using db = await session.lease("kb", read)
  const first = { lease: db.expiresAt, session: session.expiresAt }
  const client = await connected(db.settings)
  const until = Date.now() + 3_300
  while (Date.now() < until) assert.equal((await client.query("select pg_sleep(0.2), 1 as one")).rows[0].one, 1)
  assert.ok(db.expiresAt > first.lease && session.expiresAt > first.session)
  await client.end()
})

test("nothing is renewed past the hard end: the session is over there, its connection cut", async () => {
  const session = await open("brief")
  const db = await session.lease("kb", read)
  const client = await connected(db.settings)
  const cut = new Promise((resolve) => client.once("end", resolve))
  assert.ok(session.expiresAt <= session.hardEndAt)
  const over = [once(session.signal, "abort"), once(db.signal, "abort")]
  await cut
  assert.ok(Math.abs(Date.now() - session.hardEndAt.getTime()) < 1_500)
  await Promise.all(over)
  assert.deepEqual(await accountsLike(db.settings.user), [])
  await session.end()
})

test("the token is bound to the SVID, and another SVID gets another token", async () => {
  await using session = await open()
  const bound = (token: string) => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()).cnf["x5t#S256"]
  const thumbprint = (svid: string) => createHash("sha256").update(new X509Certificate(svid).raw).digest("base64url")
  const token = await session.token()
  assert.equal(await session.token(), token)
  assert.equal(bound(token), thumbprint(safeconduct.transport.peer.credentials!.svid))

  const renewed = await renewIdentity((await loadIdentity(folder))!, safeconduct.transport)
  const next = await session.token()
  assert.notEqual(next, token)
  assert.equal(bound(next), thumbprint(renewed.svid))
})

test("an SVID is renewed with its own key, kept in the folder, and used from then on", async () => {
  const held = (await loadIdentity(folder))!
  const renewed = await renewIdentity(held, safeconduct.transport)
  assert.equal(renewed.spiffeId, held.spiffeId)
  assert.notEqual(renewed.svid, held.svid)
  assert.equal((await loadIdentity(folder))!.svid, renewed.svid)
  await using session = await open()
  assert.match(session.id, /^session_/)
})

test("a session that an operator ended says so to the one who works in it", async () => {
  await using session = await open("short")
  const over = once(session.signal, "abort")
  await deployment.operator.json({ method: "DELETE", path: `/v1/sessions/${session.id}` })
  await over
  await assert.rejects(
    session.lease("kb", read),
    (error) => error instanceof SafeconductError && /^session-/.test(error.code),
  )
  assert.ok(problems.some(({ code }) => /^session-/.test(code)))
})

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} ends the session and its leases before the process dies of it`, async () => {
    const program = `
      import { connect } from ${JSON.stringify(new URL("./connect.ts", import.meta.url).href)}
      const session = await (await connect()).open({ purpose: "answer-questions" })
      const db = await session.lease("kb", { operation: "read" })
      setInterval(() => {}, 1000)
      console.log(session.id, db.settings.user)`
    const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, SAFECONDUCT_IDENTITY: folder },
    })
    const [line] = (await once(child.stdout, "data")) as [Buffer]
    const [id, user] = line.toString().trim().split(" ") as [string, string]
    assert.equal((await accountsLike(user)).length, 1)
    child.kill(signal)
    assert.deepEqual(await once(child, "exit"), [null, signal])
    assert.equal(await stateOf(id), "ended")
    assert.deepEqual(await accountsLike(user), [])
  })
}
