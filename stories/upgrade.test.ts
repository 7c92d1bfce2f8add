import assert from "node:assert/strict"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { enrol, type Transport } from "@safeconduct/sdk"
import { allMigrations, migrateAll, serve, silentLog } from "@safeconduct/server/programs"
import { verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from "jose"
import { GENERATION } from "../server/src/kernel/index.ts"
import { openLedger } from "./fixtures/ledger.ts"
import { connected } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"
import { type HeldLease, type Left, loadMilestone } from "./fixtures/upgrade.ts"

type Listed = { leases: { id: string; session: string; state: string }[] }

describe("over the database of milestone 2, which was left with live leases", { timeout: 120_000 }, () => {
  let left: Left
  let server: Server
  let operator: Transport
  let bot: Transport
  before(async () => {
    left = await loadMilestone("milestone-2")
  })
  after(() => left?.[Symbol.asyncDispose]())

  const known = () =>
    allMigrations.flatMap(({ room, folder }) =>
      readdirSync(folder)
        .filter((file) => file.endsWith(".sql"))
        .sort()
        .map((file) => `${room}/${file}`),
    )
  const hasAccount = async ({ credential: { user } }: HeldLease) =>
    (await left.owner.query("select from pg_roles where rolname = $1", [user])).rowCount === 1
  const ready = async () => {
    const answer = await fetch(`${server.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }

  test("serve waits for migrate, which applies what that milestone had not, and nothing anew", async () => {
    const { migrations } = left.milestone
    const pending = known().filter((file) => !migrations.includes(file))
    assert.ok(migrations.length > 0 && migrations.every((file) => known().includes(file)))
    if (pending.length > 0) {
      assert.ok(GENERATION > 2, "a migration after a release raises the generation")
      const early = serve({ configuration: left.configuration, log: silentLog })
      await assert.rejects(early, { code: "not-ready", message: /run "safeconduct migrate" first/ })
    }
    assert.deepEqual(await migrateAll(left.configuration), pending)
    assert.deepEqual(await migrateAll(left.configuration), [])
  })

  test("a server starts, and is ready", async () => {
    await left.signMandatesAgain()
    server = await (await left.standby()).serve()
    operator = await left.as(left.milestone.handedOut.operator, server)
    bot = await left.as(left.milestone.handedOut.agents.bot, server)
    assert.equal(server.operatorJoinToken, undefined, "the operator of then is still one")
    assert.deepEqual(await ready().then(({ status }) => status), 200)
  })

  test("every receipt that was handed out verifies, and the log goes on from where it was", async () => {
    const { receipts, checkpoint, logVerifier } = left.milestone.handedOut
    assert.equal(server.logKey, logVerifier)
    const { rows } = await left.ours.query<{ leaf: Buffer }>("select leaf from audit.entries order by index")
    for (const [nth, receipt] of receipts.entries()) {
      const report = await verifyReceipt(receipt, rows[nth * 8]!.leaf, logVerifier)
      assert.deepEqual([report.ok, report.problems], [true, []])
      const other = await verifyReceipt(receipt, rows[nth * 8 + 1]!.leaf, logVerifier)
      assert.equal(other.ok, false, "and proves nothing of another entry")
    }
    const reader = openLedger(operator).logReader(server)
    const report = await verifyLog(reader, logVerifier, { older: checkpoint })
    assert.deepEqual(report.problems, [])
    assert.ok(report.size! > Number(checkpoint.split("\n")[1]), "entries were added")
  })

  test("what was signed then verifies with the keys that are published now", async () => {
    const { token, agents, sessions } = left.milestone.handedOut
    const answer = await fetch(`${server.webUrl}/.well-known/jwks.json`)
    const published = createLocalJWKSet((await answer.json()) as JSONWebKeySet)
    const { issuer } = left.milestone.configuration
    const currentDate = new Date(decodeJwt(token).iat! * 1000)
    const { payload } = await jwtVerify(token, published, { typ: "at+jwt", issuer, currentDate })
    assert.deepEqual([payload.sub, payload["safeconduct_session"]], [agents.bot.spiffeId, sessions.open])
    const mandates = left.milestone.tables["sessions.sessions"] as { mandate: string; opened_at: string }[]
    for (const { mandate, opened_at } of mandates) {
      const then = { typ: "mandate+jwt", issuer, currentDate: new Date(opened_at) }
      await jwtVerify(mandate, published, then)
    }
  })

  test("the live leases are known: a replay gets the same credential, which works, and is renewed", async () => {
    const { leases } = left.milestone.handedOut
    const { leases: listed } = await operator.json<Listed>({ method: "GET", path: "/v1/credentials/leases?state=live" })
    assert.deepEqual(listed.map(({ id }) => id).sort(), leases.map(({ lease }) => lease).sort())
    for (const { session, lease, idempotencyKey, credential } of leases) {
      const action = { type: "credential", resource: "kb", operation: "read" }
      const body = { session, action }
      const again = await bot.json<{ lease: { id: string; expiresAt: string }; credential: object }>({
        method: "POST",
        path: "/v1/actions",
        body,
        idempotencyKey,
      })
      assert.deepEqual([again.lease.id, again.credential], [lease, credential])
      const client = await connected({ ...credential, ...left.resource })
      assert.equal((await client.query("select count(*)::int as n from faq")).rows[0].n, 100)
      await client.end()
      await bot.json({ method: "POST", path: `/v1/sessions/${session}/renewal` })
      const path = `/v1/credentials/leases/${lease}/renewal`
      const renewed = await bot.json<{ expiresAt: string }>({ method: "POST", path })
      assert.ok(Date.parse(renewed.expiresAt) > Date.now())
    }
  })

  test("they end with their sessions: one is ended, the other's time passes", async () => {
    const { leases, sessions } = left.milestone.handedOut
    const [first, , last] = leases as [HeldLease, HeldLease, HeldLease]
    const open = await connected({ ...first.credential, ...left.resource })
    await bot.json({ method: "DELETE", path: `/v1/sessions/${sessions.open}` })
    await open.lost
    assert.deepEqual(await Promise.all(leases.map(hasAccount)), [false, false, true])
    const busy = await connected({ ...last.credential, ...left.resource })
    await left.ours.query("update sessions.sessions set expires_at = now() where id = $1", [sessions.second])
    await until("the account gone", async () => !(await hasAccount(last)), { withinMs: 30_000 })
    await busy.lost
    const ledger = openLedger(operator)
    for (const session of [sessions.open, sessions.second]) await ledger.recorded(session, "credentials.lease-revoked")
  })

  test("what was over is over: the ended session, the suspended agent, the SVIDs of then", async () => {
    const { sessions, agents } = left.milestone.handedOut
    const path = `/v1/sessions/${sessions.over}/renewal`
    await assert.rejects(bot.json({ method: "POST", path }), { code: "session-ended" })
    const then = left.asThen(agents.bot, server)
    await assert.rejects(then.json({ method: "GET", path: "/v1/sessions" }), { code: "svid-expired" })
    const rogue = await left.as(agents.rogue, server)
    await assert.rejects(rogue.json({ method: "GET", path: "/v1/sessions" }), { code: "agent-suspended" })
    await operator.json({ method: "DELETE", path: "/v1/agents/rogue/suspension", body: { reason: "It was mended." } })
    const stopped = `/v1/sessions/${sessions.stopped}/renewal`
    await assert.rejects(rogue.json({ method: "POST", path: stopped }), { code: "session-ended" })
  })

  test("a join token of then lets an instance in, which works", async () => {
    const { joinToken } = left.milestone.handedOut
    const folder = join(left.configuration.folder, "joined")
    const identity = await enrol({ url: server.agentsUrl, joinToken, folder })
    assert.equal(identity.spiffeId, left.milestone.handedOut.agents.bot.spiffeId)
    assert.notEqual(identity.instance, left.milestone.handedOut.agents.bot.instance)
    await assert.rejects(enrol({ url: server.agentsUrl, joinToken, folder }), { code: "join-token-invalid" })
  })

  test("one release ahead it serves on; two ahead it is not ready, and another does not start", async () => {
    const migrated = (generation: number) =>
      left.ours.query(
        "insert into kernel.migrations (room, number, file, digest, generation) values ('kernel', $1, 'later', '', $1)",
        [generation],
      )
    await migrated(GENERATION + 1)
    assert.equal((await ready()).status, 200)
    await (await left.standby()).serve()
    await migrated(GENERATION + 2)
    const { status, text } = await ready()
    assert.equal(status, 503)
    assert.match(text, /a newer version of Safeconduct/)
    const another = serve({ configuration: left.configuration, log: silentLog })
    await assert.rejects(another, { code: "not-ready", message: /a newer version/ })
  })
})
