import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import type { Lease, Safeconduct } from "@safeconduct/sdk"
import pg from "pg"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { type Connection, connected, isLoginRefused } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

const gone = /terminating connection|Connection terminated|not queryable|Client has encountered/
const read = { operation: "read" }

describe("after a session's end", { timeout: 120_000 }, () => {
  let ground: Ground
  let agent: Safeconduct
  before(async () => {
    ground = await openGround({ resources: { kb15: 15, kb18: 18 } })
    agent = await ground.enrolled("bot")
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const oidOf = async (resource: string, { settings }: Lease): Promise<string> => {
    const text = "select oid::text from pg_roles where rolname = $1"
    return (await ground.owners[resource]!.query<{ oid: string }>(text, [settings.user])).rows[0]!.oid
  }
  const backends = async (resource: string, oids: string[]) => {
    const text = "select pid from pg_stat_activity where usesysid = any ($1::oid[])"
    return (await ground.owners[resource]!.query(text, [oids])).rows
  }
  const states = async (session: string) => {
    const path = `/v1/credentials/leases?session=${session}`
    return (await ground.operator.json<{ leases: { state: string }[] }>({ method: "GET", path })).leases
  }
  const allRevoked = (session: string) =>
    until("every lease revoked", async () => (await states(session)).every(({ state }) => state === "revoked"), {
      everyMs: 50,
    })

  for (const [resource, version] of [
    ["kb15", 15],
    ["kb18", 18],
  ] as const) {
    test(`PostgreSQL ${version}: the account that leases are made with is no superuser`, async () => {
      const { rows } = await ground.owners[resource]!.query(
        "select rolsuper, rolcreaterole, rolbypassrls from pg_roles where rolname = 'safeconduct'",
      )
      assert.deepEqual(rows, [{ rolsuper: false, rolcreaterole: true, rolbypassrls: false }])
      const { major } = (
        await ground.owners[resource]!.query("select current_setting('server_version_num')::int / 10000 as major")
      ).rows[0]
      assert.equal(major, version)
    })

    test(`PostgreSQL ${version}: login, live connection, open cursor and SET ROLE all fail, and the log says why`, async (t) => {
      const session = await agent.open({ purpose: "answer" })
      const lease = await session.lease(resource, read)
      const settings = { ...lease.settings }
      const [plain, cursor, acting, busy] = (await Promise.all(
        Array.from({ length: 4 }, () => connected(settings)),
      )) as [Connection, Connection, Connection, Connection]
      await plain.query("select 1")
      await cursor.query("begin; declare faqs cursor for select * from faq")
      assert.equal((await cursor.query("fetch 10 from faqs")).rowCount, 10)
      // From 16 on the membership is given without SET.
      if (version === 15) await acting.query("set role kb_read")
      else await assert.rejects(acting.query("set role kb_read"), { code: "42501" })
      const underWay = assert.rejects(busy.query("select pg_sleep(600)"), gone)
      const oid = await oidOf(resource, lease)

      const began = performance.now()
      const ending = session.end()
      const lost = await Promise.all([plain, cursor, acting, busy].map((each) => each.lost))
      t.diagnostic(
        `PostgreSQL ${version}: end to last of 4 connections cut ${(Math.max(...lost) - began).toFixed(0)} ms`,
      )
      await ending
      t.diagnostic(`PostgreSQL ${version}: end answered after ${(performance.now() - began).toFixed(0)} ms`)
      await underWay
      await assert.rejects(plain.query("select 1"), gone)
      await assert.rejects(cursor.query("fetch 1 from faqs"), gone)
      await assert.rejects(acting.query("select * from faq"), gone)
      await assert.rejects(connected(settings), isLoginRefused)
      assert.ok(Math.max(...lost) - began < 1_000)
      const roles = await ground.owners[resource]!.query("select from pg_roles where oid = $1::oid", [oid])
      assert.equal(roles.rowCount, 0)

      const { leaf } = await ground.recorded(session.id, "credentials.lease-revoked")
      const { why, role, evidence } = leaf.data as { why: string; role: string; evidence: Record<string, number> }
      assert.deepEqual([why, role], ["session-ended", settings.user])
      const { connectionsClosed, disabledAtMs, cutAtMs, droppedAtMs, readBackAtMs } = evidence
      assert.equal(connectionsClosed, 4)
      assert.ok(disabledAtMs! <= cutAtMs! && cutAtMs! <= droppedAtMs! && droppedAtMs! + 249 <= readBackAtMs!)
      const events = (await ground.entries({ session: session.id })).map((entry) => entry.leaf.event)
      assert.deepEqual(events, [
        "sessions.opened",
        "sessions.token-issued",
        "gate.action-begun",
        "credentials.lease-intended",
        "credentials.lease-issued",
        "sessions.ended",
        "credentials.lease-revoked",
      ])
    })

    test(`PostgreSQL ${version}: nothing that a lease left behind keeps its account`, async () => {
      const owner = ground.owners[resource]!
      // A database that nobody prepared this far.
      await owner.query("grant execute on function lo_create(oid) to public; grant create on schema public to public")
      const session = await agent.open({ purpose: "answer" })
      const lease = await session.lease(resource, read)
      const oid = await oidOf(resource, lease)
      const inside = await connected(lease.settings)
      const elsewhere = await connected({ ...lease.settings, password: lease.settings.password, database: "postgres" })
      for (const connection of [inside, elsewhere]) {
        await connection.query("select lo_create(0)")
        await connection.query("alter default privileges grant select on tables to public")
        await connection.query("create temp table scratch (n int)")
      }
      await inside.query("create table mine (n int)")
      await session.end()
      await allRevoked(session.id)
      for (const catalog of ["pg_shdepend where refobjid", "pg_authid where oid", "pg_stat_activity where usesysid"]) {
        assert.equal((await owner.query(`select from ${catalog} = $1::oid`, [oid])).rowCount, 0, catalog)
      }
      assert.equal((await owner.query("select to_regclass('mine') as mine")).rows[0].mine, null)
      const { leaf } = await ground.recorded(session.id, "credentials.lease-revoked")
      const { cleaned } = leaf.data!.evidence as { cleaned: string[] }
      assert.deepEqual(cleaned.toSorted(), [resource, "postgres"].toSorted())
    })

    test(`PostgreSQL ${version}: after 100 rounds of a reconnect storm no connection is left once it says revoked`, async (t) => {
      let [rounds, tries] = [0, 0]
      const storm = async (lease: Lease, over: AbortSignal) => {
        const settings = { ...lease.settings, password: lease.settings.password }
        while (!over.aborted) {
          const client = new pg.Client(settings)
          client.on("error", () => undefined)
          tries++
          try {
            await client.connect()
            await client.query("select pg_sleep(10)")
          } catch {
            await client.end().catch(() => undefined)
          }
        }
      }
      // Five leases of a session at a time: its cap.
      const round = async () => {
        const session = await agent.open({ purpose: "answer" })
        const leases = await Promise.all(Array.from({ length: 5 }, () => session.lease(resource, read)))
        const oids = await Promise.all(leases.map((lease) => oidOf(resource, lease)))
        const over = new AbortController()
        const storms = leases.map((lease) => storm(lease, over.signal))
        await until("the storm to reach the database", async () => (await backends(resource, oids)).length >= 3)
        await session.end()
        await allRevoked(session.id)
        const left = await backends(resource, oids)
        over.abort()
        await Promise.all(storms)
        assert.deepEqual(left, [])
        rounds += leases.length
      }
      const inTurn = async () => {
        for (let each = 0; each < 4; each++) await round()
      }
      await Promise.all(Array.from({ length: 5 }, inTurn))
      t.diagnostic(`PostgreSQL ${version}: ${tries} logins tried in ${rounds} rounds`)
      assert.equal(rounds, 100)
      const { rows } = await ground.owners[resource]!.query("select rolname from pg_roles where rolname like 'sc\\_%'")
      assert.deepEqual(rows, [])
    })
  }
})
