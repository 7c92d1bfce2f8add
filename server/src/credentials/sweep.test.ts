import assert from "node:assert/strict"
import { test } from "node:test"
import { newId, type Owing } from "#kernel"
import { plugged, testDeployment, until } from "./fixture.ts"

/** Milliseconds from the lease's end to the end of its connection. */
async function lateness(ended: Promise<void>, expiresAt: Date): Promise<number> {
  await ended
  return Date.now() - expiresAt.getTime()
}

test("a lease whose agent fell silent is cut at most 250 ms after its end", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const issued = await server.lease({ hardEndAt: new Date(Date.now() + 2_000) })
  const client = await at.connect(issued)
  const lateMs = await lateness(client.ended, issued.lease.expiresAt)
  assert.ok(lateMs >= 0 && lateMs <= 250, `cut ${lateMs} ms after the end`)
  assert.equal((await server.credentials.settled(issued.lease.id)).state, "expired")
  assert.equal((await at.entries("credentials.lease-expired")).length, 1)
})

test("a lease is cut at its end although its server was restarted meanwhile", async () => {
  await using at = await testDeployment()
  const before = await at.serve()
  const issued = await before.lease({ leaseSeconds: 2 })
  const client = await at.connect(issued)
  await before[Symbol.asyncDispose]()
  await client.query("select 1")
  const after = await at.serve()
  const lateMs = await lateness(client.ended, issued.lease.expiresAt)
  assert.ok(lateMs >= 0 && lateMs <= 250, `cut ${lateMs} ms after the end`)
  assert.equal((await after.credentials.settled(issued.lease.id)).state, "expired")
})

test("a lease whose server never comes back is cut by another", async () => {
  await using at = await testDeployment()
  const other = await at.serve()
  const gone = await at.serve()
  const issued = await gone.lease({ leaseSeconds: 1 })
  const client = await at.connect(issued)
  await gone[Symbol.asyncDispose]()
  const lateMs = await lateness(client.ended, issued.lease.expiresAt)
  assert.ok(lateMs >= 0 && lateMs <= 250, `cut ${lateMs} ms after the end`)
  assert.equal((await other.credentials.settled(issued.lease.id)).state, "expired")
})

test("without our database leases end on time and on command, and the log hears of it later", async () => {
  await using at = await testDeployment()
  const database = plugged(at.store.database)
  const owed: Owing["draft"][] = []
  const server = await at.serve({ database, journal: async ({ draft }) => void owed.push(draft) })
  const session = newId("session")
  const expiring = await server.lease({ leaseSeconds: 1 })
  const commanded = await server.lease({ session })
  const [one, two] = [await at.connect(expiring), await at.connect(commanded)]

  database.isPulled = true
  const started = performance.now()
  const [cut] = await server.credentials.revokeSession(session, "session-ended")
  assert.equal(cut?.isCut, true)
  assert.deepEqual(
    owed.map(({ event, by, session: of, data }) => [event, by, of, (data as { why: string }).why]),
    [["credentials.cut-journalled", "server", session, "session-ended"]],
    "written down before the answer",
  )
  await two.ended
  assert.ok(performance.now() - started < 250)
  const lateMs = await lateness(one.ended, expiring.lease.expiresAt)
  assert.ok(lateMs >= 0 && lateMs <= 250, `cut ${lateMs} ms after the end`)
  await until(() => owed.length === 2)
  assert.equal((owed[1]!["data"] as { lease: string }).lease, expiring.lease.id)

  database.isPulled = false
  assert.equal((await server.credentials.settled(expiring.lease.id)).state, "expired")
  assert.equal((await server.credentials.settled(commanded.lease.id)).state, "revoked")
  assert.equal((await at.entries("credentials.lease-revoked")).length, 1)
})

test("an account whose intent was never confirmed is removed", async () => {
  await using at = await testDeployment()
  const crashed = await at.serve()
  const { lease } = await crashed.intend()
  // As after a crash between the engine and the confirmation.
  await using dba = await at.lab.dba()
  await dba.query(`create role ${lease.roleName} login`)
  await dba.query(`grant ${lease.roleName} to ${at.lab.spec.account} with admin option`)
  await crashed[Symbol.asyncDispose]()
  await using server = await at.serve()
  assert.equal((await server.credentials.lease(lease.id)).state, "intended")
  await at.store.owner.query("update credentials.leases set intended_at = now() - interval '61 seconds'")
  const ended = await server.credentials.settled(lease.id)
  assert.deepEqual([ended.state, ended.ending], ["revoked", "never-confirmed"])
  assert.equal((await dba.query("select 1 from pg_roles where rolname = $1", [lease.roleName])).rowCount, 0)
})

test("a revocation whose server fell silent is finished by another", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease()
  await at.store.owner.query(
    "update credentials.leases set state = 'revoking', ending = 'released', claimed_until = now() - interval '1 second'",
  )
  const ended = await server.credentials.settled(lease.id)
  assert.deepEqual([ended.state, ended.ending], ["revoked", "released"])
})

test("two servers end twenty leases once each", async () => {
  await using at = await testDeployment()
  const servers = [await at.serve(), await at.serve()]
  const issued = await Promise.all(Array.from({ length: 20 }, (_, n) => servers[n % 2]!.lease({ leaseSeconds: 1 })))
  await Promise.all(issued.map(({ lease }) => servers[0]!.credentials.settled(lease.id)))
  const entries = await at.entries("credentials.lease-expired")
  assert.equal(entries.length, 20)
  assert.equal(new Set(entries.map(({ data }) => (data as { lease: string }).lease)).size, 20)
})

test("a lease that cannot be taken away becomes stuck and an alarm, without login, and ends once it can", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  await using dba = await at.lab.dba()
  await dba.query("grant create on schema public to public")
  const issued = await server.lease()
  const client = await at.connect(issued)
  await client.query("create table mine (n int)")
  // Somebody else built on it: not ours to drop.
  await dba.query("create view theirs as select * from mine")
  const cut = await server.credentials.revoke(issued.lease.id, "released")
  assert.equal(cut.isCut, false)
  await client.ended
  await assert.rejects(at.connect(issued), { code: "28000" })
  await until(async () => (await server.credentials.lease(issued.lease.id)).state === "stuck")
  assert.equal((await at.entries("credentials.lease-stuck")).length, 1)
  await dba.query("drop view theirs")
  assert.equal((await server.credentials.settled(issued.lease.id)).state, "revoked")
})
