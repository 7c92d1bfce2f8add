import assert from "node:assert/strict"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { get } from "node:https"
import { after, before, describe, test } from "node:test"
import { type Safeconduct, SafeconductError, type Session } from "@safeconduct/sdk"
import { addKey } from "@safeconduct/server/programs"
import { verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { decodeProtectedHeader } from "jose"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

const purposes = { answer: { lifetimeSeconds: 600, leaseSeconds: 300 } }
const patience = { withinMs: 30_000 }
const read = { operation: "read" }

type Key = { kid: string; use: string; state: string }

describe("keys are rotated while agents of two servers work", { timeout: 240_000 }, () => {
  let ground: Ground
  let servers: [Server, Server]
  let loads: Load[]
  before(async () => {
    ground = await openGround({ purposes, agents: ["worker"] })
    servers = [ground.first, await (await ground.standby()).serve()]
    loads = await Promise.all([0, 1, 0, 1].map(async (n) => work(await ground.enrolled("worker", servers[n]!))))
  })
  after(async () => {
    await Promise.all((loads ?? []).map((load) => load.stop()))
    await ground?.[Symbol.asyncDispose]()
  })

  const keysOf = async (use: string) =>
    (await ground.operator.json<{ keys: Key[] }>({ method: "GET", path: "/v1/keys" })).keys.filter(
      (key) => key.use === use,
    )
  const active = async (use: string) =>
    (await keysOf(use)).filter(({ state }) => state === "active").map(({ kid }) => kid)
  const rotate = (use: string) =>
    ground.operator.json<{ kid: string }>({
      method: "POST",
      path: `/v1/keys/${use}/rotation`,
      timeoutMs: 60_000,
      maxAttempts: 1,
    })
  /** Every agent has gone through its whole round at least twice more, and none was refused anything. */
  const nothingIsRefused = async (t: { diagnostic(text: string): void }, what: string) => {
    const before = loads.map(({ rounds }) => rounds())
    await until(
      "two more rounds of every agent",
      () => loads.every(({ rounds }, n) => rounds() >= before[n]! + 2),
      patience,
    )
    assert.deepEqual(
      loads.flatMap(({ refusals }) => refusals),
      [],
      what,
    )
    t.diagnostic(`${what}: ${loads.reduce((sum, { rounds }) => sum + rounds(), 0)} rounds so far, nothing refused`)
  }
  /** Time passes for the token keys: what is a rotation's age from now on. */
  const age = async (minutes: number, kid: string) => {
    const sql =
      "update kernel.keys set active_from = now() - make_interval(mins => $1) - case when kid = $2 then '0' else interval '1 day' end where use = 'token'"
    await ground.ours.query(sql, [minutes, kid])
    await ground.ours.query("update kernel.epoch set keys = keys + 1, epoch = epoch + 1")
  }

  test("the token key: published first, then signing; the old one verifies until nothing lives that it signed", async (t) => {
    const agent = await ground.enrolled("worker", servers[1])
    const long = await agent.open({ purpose: "answer" })
    const oldToken = await long.token()
    const [oldKid] = await active("token")
    const { kid } = await rotate("token")
    const published = async ({ webUrl }: Server) => {
      const answer = await fetch(`${webUrl}/.well-known/jwks.json`)
      return ((await answer.json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid)
    }
    for (const server of servers) {
      await until(
        "both keys published",
        async () => (await published(server)).includes(kid) && (await published(server)).includes(oldKid!),
      )
    }
    const soon = await agent.open({ purpose: "answer" })
    assert.equal(decodeProtectedHeader(await soon.token()).kid, oldKid)
    await nothingIsRefused(t, "a token key is published")

    await age(5, kid)
    const later = await until("a token by the new key", async () => {
      const session = await agent.open({ purpose: "answer" })
      return decodeProtectedHeader(await session.token()).kid === kid && session
    })
    await later.lease("kb", read)
    assert.equal(await withToken(agent, oldToken), 200)
    await nothingIsRefused(t, "the new token key signs")

    await age(10, kid)
    // Retired within a minute by whichever server looks first: one that starts does so at once.
    const starting = await (await ground.standby()).serve()
    await until("the old key gone", async () => !(await published(servers[0])).includes(oldKid!), { withinMs: 90_000 })
    await starting.child.kill("SIGTERM")
    assert.deepEqual(await active("token"), [kid])
    await long.lease("kb", read)
    await nothingIsRefused(t, "the old token key is retired")
    assert.equal((await ground.entries({ event: "sessions.token-key-retired" }))[0]!.leaf.data!["kid"], oldKid)
  })

  test("the CA's intermediate: new SVIDs are by the new one, those by the old one are accepted", async (t) => {
    const old = await ground.enrolled("worker", servers[0])
    const [before] = await active("ca-intermediate")
    const { kid } = await rotate("ca-intermediate")
    assert.notEqual(kid, before)
    assert.deepEqual(await active("ca-intermediate"), [kid])
    for (const server of servers) {
      const fresh = await ground.enrolled("worker", server)
      await (await fresh.open({ purpose: "answer" })).end()
    }
    await (await (await old.open({ purpose: "answer" })).lease("kb", read)).revoke()
    await nothingIsRefused(t, "the intermediate was rotated")
  })

  test("the log key: an overlap in which either key verifies, announced in the log, then the new one alone", async (t) => {
    const [first] = await ground.entries({})
    const receipt = (id: string) =>
      ground.operator.send({ method: "GET", path: `/v1/audit/receipts/${id}` }).then(({ bytes }) => bytes.toString())
    const oldReceipt = await receipt(first!.id)
    await assert.rejects(rotate("log"), { code: "no-next-key" })
    const added = await addKey(ground.configuration, "log")
    await until("the key read", async () => (await keysOf("log")).some(({ state }) => state === "next"))
    const { kid } = await until("every server to have it", () => rotate("log").catch(unlessNotYet))
    assert.equal(kid, added.kid)
    const { vkeys } = await keyAnswer()
    assert.equal(vkeys.length, 2)
    const [oldKey, newKey] = vkeys as [string, string]
    assert.equal(oldKey, ground.logKey)
    await nothingIsRefused(t, "two log keys sign")

    const signatures = async ({ webUrl }: Server) =>
      (await (await fetch(`${webUrl}/log/checkpoint`)).text()).split("\n").filter((line) => line.startsWith("—")).length
    await until("both signatures", async () => (await signatures(servers[1])) === 2)
    for (const key of [oldKey, newKey]) {
      const reader = await still(servers[1])
      assert.deepEqual((await verifyLog(reader, key)).problems, [], key)
    }
    const [told] = await ground.entries({ event: "audit.log-key-added" })
    assert.equal(told!.leaf.data!["vkey"], newKey)
    assert.equal((await verifyReceipt(await receipt(told!.id), Buffer.from(told!.text), oldKey)).ok, true)

    await ground.operator.json({ method: "POST", path: "/v1/keys/log/retirement" })
    await assert.rejects(ground.operator.json({ method: "POST", path: "/v1/keys/log/retirement" }), {
      code: "no-next-key",
    })
    await nothingIsRefused(t, "the new log key signs alone")
    await until("one signature", async () => (await signatures(servers[0])) === 1)
    const alone = await still(servers[0])
    assert.deepEqual((await verifyLog(alone, newKey)).problems, [])
    assert.equal((await verifyLog(alone, oldKey)).problems[0]?.code, "checkpoint-refused")
    assert.equal((await verifyReceipt(oldReceipt, Buffer.from(first!.text), oldKey)).ok, true)
    assert.deepEqual((await verifyLog(alone, [oldKey, newKey])).problems, [])
  })

  test("the key-encryption key: every value is sealed anew, and the old key can go", async (t) => {
    const agent = await ground.enrolled("worker", servers[0])
    const session = await agent.open({ purpose: "answer" })
    const leases = await Promise.all([1, 2, 3].map(() => session.lease("kb", read)))
    const { keyEncryptionKeyFile: file } = ground.configuration
    const [oldKid] = await active("key-encryption")
    const oldText = readFileSync(file, "utf8")
    await assert.rejects(rotate("key-encryption"), { code: "no-next-key" })

    // A host whose file was forgotten holds the rotation up, and nothing else.
    const elsewhere = `${file}.elsewhere`
    copyFileSync(file, elsewhere)
    const forgotten = await (await ground.standby(undefined, { SAFECONDUCT_KEK_FILE: elsewhere })).serve()
    const added = await addKey(ground.configuration, "key-encryption")
    await until("the key read", async () => (await keysOf("key-encryption")).some(({ state }) => state === "next"))
    await assert.rejects(rotate("key-encryption"), { code: "key-not-everywhere" })
    assert.deepEqual(await active("key-encryption"), [oldKid])
    copyFileSync(file, elsewhere)
    const { kid } = await until("every server to have it", () => rotate("key-encryption").catch(unlessNotYet), patience)
    assert.equal(kid, added.kid)
    const sealed = async (table: string) =>
      (
        await ground.ours.query<{ key: string }>(
          `select distinct split_part(sealed, '.', 2) as key from ${table} where sealed is not null`,
        )
      ).rows.map(({ key }) => key)
    for (const table of ["kernel.keys", "credentials.roots", "credentials.leases"]) {
      assert.deepEqual(await sealed(table), [kid], table)
    }
    await nothingIsRefused(t, "everything is sealed by another key")
    const [finished] = await ground.entries({ event: "gate.resealing-finished" })
    t.diagnostic(`${String(finished!.leaf.data!["values"])} values were sealed anew under load`)
    assert.equal((await ground.entries({ event: "gate.resealing-begun" })).length, 1)

    // The old key goes, and servers start without it; with the old file none does.
    writeFileSync(file, `${readFileSync(file, "utf8").trim().split("\n").at(-1)}\n`)
    await forgotten.child.kill("SIGTERM")
    const fresh = await (await ground.standby()).serve()
    await (await connected(leases[0]!.settings)).end()
    await ground
      .enrolled("worker", fresh)
      .then(async (worker) => (await worker.open({ purpose: "answer" })).lease("kb", read))
    await nothingIsRefused(t, "the old key is gone")
    writeFileSync(elsewhere, oldText)
    const stale = await ground.standby(undefined, { SAFECONDUCT_KEK_FILE: elsewhere })
    await assert.rejects(stale.serve(), /sealed by the key .* Put that key back/)
    await fresh.child.kill("SIGTERM")
  })

  test("nobody but an admin rotates, and only what there is", async () => {
    const agent = await ground.enrolled("worker")
    for (const use of ["token", "ca-intermediate", "log", "key-encryption"]) {
      const path = `/v1/keys/${use}/rotation`
      await assert.rejects(agent.transport.json({ method: "POST", path }), { code: "wrong-role" }, use)
    }
    await assert.rejects(agent.transport.json({ method: "POST", path: "/v1/keys/log/retirement" }), {
      code: "wrong-role",
    })
    await assert.rejects(rotate("ca-root"), { code: "not-found" })
    assert.deepEqual((await verifyLog(await still(servers[0]), (await keyAnswer()).vkeys)).problems, [])
  })

  const keyAnswer = () => ground.operator.json<{ vkeys: string[] }>({ method: "GET", path: "/v1/audit/key" })
  /** The log of that server under one checkpoint, however it grows. */
  async function still(server: Server) {
    const reader = ground.logReader(server)
    const checkpoint = await reader.read("checkpoint")
    return { read: async (path: string) => (path === "checkpoint" ? checkpoint : await reader.read(path)) }
  }
})

type Load = { rounds(): number; refusals: string[]; stop(): Promise<void> }

/** An agent that opens, leases, connects, renews and ends, again and again. What fails is kept. */
function work(agent: Safeconduct): Load {
  let rounds = 0
  let isStopped = false
  const refusals: string[] = []
  const round = async () => {
    const session: Session = await agent.open({ purpose: "answer" })
    const lease = await session.lease("kb", read)
    const connection = await connected(lease.settings)
    await connection.query("select from faq")
    await agent.transport.json({ method: "POST", path: `/v1/credentials/leases/${lease.id}/renewal` })
    await agent.transport.json({ method: "POST", path: `/v1/sessions/${session.id}/renewal` })
    await session.token()
    await session.end()
    await connection.lost
  }
  const ended = (async () => {
    while (!isStopped) {
      await round().catch((error: Error) =>
        refusals.push(String(error instanceof SafeconductError ? `${error.code}: ${error.message}` : error.stack)),
      )
      rounds += 1
    }
  })()
  return {
    rounds: () => rounds,
    refusals,
    async stop() {
      isStopped = true
      await ended
    },
  }
}

/** The status of an answer to a request with that token, over a connection with the agent's certificate. */
async function withToken({ identity }: Safeconduct, token: string): Promise<number> {
  const key = identity.privateKey.export({ type: "pkcs8", format: "pem" })
  const headers = { authorization: `Bearer ${token}` }
  const options = { key, cert: identity.svid, ca: identity.bundle, headers, agent: false as const }
  return await new Promise((resolve, reject) => {
    const sent = get(new URL("/v1/sessions", identity.url), options, (answer) => {
      answer.resume()
      resolve(answer.statusCode!)
    })
    sent.once("error", reject)
  })
}

/** A server reads its key files every second. */
function unlessNotYet(error: unknown): null {
  if (error instanceof SafeconductError && error.code === "key-not-everywhere") return null
  throw error
}
