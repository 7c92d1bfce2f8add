import assert from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { openTransport, peerOf, type Safeconduct } from "@safeconduct/sdk"
import { newSigningRequest } from "../server/src/agents/csr.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

type Agents = { agents: { name: string; instances: { id: string; revokedAt: string | null }[] }[] }

const read = { operation: "read" }

describe("one instance of an agent, revoked", { timeout: 120_000 }, () => {
  let ground: Ground
  let one: Server
  let two: Server
  before(async () => {
    ground = await openGround({ agents: ["bot", "other"] })
    one = ground.first
    two = await (await ground.standby()).serve()
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const revoke = (name: string, instance: string) =>
    ground.operator.json({
      method: "DELETE",
      path: `/v1/agents/${name}/instances/${instance}`,
      body: { reason: "Its machine was lost." },
    })
  const at = (server: Server, { identity }: Safeconduct) =>
    openTransport({ ...peerOf(identity), url: server.agentsUrl })
  const sessions = { method: "GET", path: "/v1/sessions", maxAttempts: 1 } as const

  test("loses its sessions, leases and connections, on both servers; its twin keeps all of it", async () => {
    const [lost, twin] = [await ground.enrolled("bot"), await ground.enrolled("bot", two)]
    using lostAtTwo = at(two, lost)
    const [session, kept] = [await lost.open({ purpose: "answer" }), await twin.open({ purpose: "answer" })]
    const [lease, keptLease] = [await session.lease("kb", read), await kept.lease("kb", read)]
    const [connection, keptConnection] = [await connected(lease.settings), await connected(keptLease.settings)]
    await lostAtTwo.json(sessions)

    await revoke("bot", lost.instance)
    await connection.lost
    await assert.rejects(connected(lease.settings), { code: /^28/ })
    await assert.rejects(lost.transport.json(sessions), { code: "identity-unknown" })
    await until("refused at the other server", () =>
      lostAtTwo.json(sessions).then(
        () => false,
        ({ code }) => code === "identity-unknown",
      ),
    )
    const ended = await ground.recorded(session.id, "sessions.ended")
    assert.equal(ended.leaf.data!["reason"], "suspended")
    await ground.recorded(session.id, "credentials.lease-revoked")

    assert.equal((await keptConnection.query("select 1 as alive")).rows[0].alive, 1)
    await (await kept.lease("kb", read)).revoke()
    await keptConnection.end()
    await kept.end()
  })

  test("cannot come back: not by renewal, not by the token that made it, not by its key under another", async () => {
    const { trustDomain, bundle } = ground.operator.peer
    using nobody = openTransport({ url: one.agentsUrl, trustDomain, bundle })
    const path = "/v1/agents/bot/join-tokens"
    const newToken = async () => (await ground.operator.json<{ token: string }>({ method: "POST", path })).token
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const csr = newSigningRequest(privateKey)
    const enrol = (token: string) =>
      nobody.json<{ instance: string; svid: string }>({
        method: "POST",
        path: "/v1/agents/enrolments",
        body: { token, csr },
      })
    const token = await newToken()
    const { instance } = await enrol(token)
    const again = await enrol(token)
    assert.equal(again.instance, instance)
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    using lost = openTransport({ ...nobody.peer, credentials: { key, svid: again.svid } })
    await lost.json(sessions)

    await revoke("bot", instance)
    const renewal = lost.json({ method: "POST", path: "/v1/agents/renewals", body: { csr } })
    await assert.rejects(renewal, { code: "identity-unknown" })
    await assert.rejects(enrol(token), { code: "join-token-invalid" })
    await assert.rejects(enrol(await newToken()), { code: "key-already-enrolled" })
  })

  test("is revoked once, by who may, and of its own agent only", async () => {
    const bot = await ground.enrolled("bot")
    const session = await bot.open({ purpose: "answer" })
    const connection = await connected((await session.lease("kb", read)).settings)
    await assert.rejects(revoke("other", bot.instance), { code: "not-found" })
    await assert.rejects(revoke("bot", "instance_00000000000000000000000000"), { code: "not-found" })
    const own = { method: "DELETE", path: `/v1/agents/bot/instances/${bot.instance}` } as const
    await assert.rejects(bot.transport.json(own), { code: "wrong-role" })
    await bot.transport.json(sessions)
    assert.equal((await connection.query("select 1 as alive")).rows[0].alive, 1)
    const count = async () => (await ground.entries({ event: "agents.instance-revoked" })).length
    const before = await count()
    await revoke("bot", bot.instance)
    await revoke("bot", bot.instance)
    assert.equal(await count(), before + 1)
    const { agents } = await ground.operator.json<Agents>({ method: "GET", path: "/v1/agents" })
    const shown = agents.find(({ name }) => name === "bot")!.instances.find(({ id }) => id === bot.instance)!
    assert.ok(shown.revokedAt !== null)
  })

  test("whose sessions a crash left open loses them when a server starts", async () => {
    const lost = await ground.enrolled("bot")
    const session = await lost.open({ purpose: "answer" })
    const lease = await session.lease("kb", read)
    // As it stands after the revocation was committed and nothing else; no server hears of it.
    await ground.ours.query("update agents.instances set revoked_at = now() where id = $1", [lost.instance])
    await (await ground.standby()).serve()
    await ground.recorded(session.id, "sessions.ended")
    await until("the account gone", async () => {
      const found = await ground.owners["kb"]!.query("select from pg_roles where rolname = $1", [lease.settings.user])
      return found.rowCount === 0
    })
  })
})
