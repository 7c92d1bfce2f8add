import assert from "node:assert/strict"
import { test } from "node:test"
import { randomText } from "#kernel"
import { faulty, testDeployment, until } from "./fixture.ts"

test("an account of ours without a lease is recorded and removed; another deployment's is left alone", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  await using dba = await at.lab.dba()
  const account = at.lab.spec.account
  const [ours, theirs] = [`sc_${at.deployment}_${randomText(26)}`, `sc_${randomText(8)}_${randomText(26)}`]
  for (const role of [ours, theirs])
    await dba.query(`create role ${role} login; grant ${role} to ${account} with admin option`)
  await server.credentials.reconcile()
  const { rows } = await dba.query("select rolname from pg_roles where rolname = any ($1)", [[ours, theirs]])
  assert.deepEqual(rows, [{ rolname: theirs }])
  const [found] = await at.entries("credentials.orphan-found")
  const [removed] = await at.entries("credentials.orphan-removed")
  assert.deepEqual([(found!.data as { role: string }).role, removed!.of], [ours, found!.id])
})

test("an account that came back after its lease ended is an orphan, and its entries say whose it was", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const user = { id: "user_alice", iss: "https://id.example", sub: "alice", claims: {} } as const
  const { lease } = await server.lease({ behalf: { user, application: null, chain: [] } })
  await server.credentials.revoke(lease.id, "released")
  await server.credentials.settled(lease.id)
  await using dba = await at.lab.dba()
  await dba.query(
    `create role ${lease.roleName} login; grant ${lease.roleName} to ${at.lab.spec.account} with admin option`,
  )
  await server.credentials.reconcile()
  assert.equal((await dba.query("select 1 from pg_roles where rolname = $1", [lease.roleName])).rowCount, 0)
  for (const event of ["credentials.orphan-found", "credentials.orphan-removed"]) {
    const [leaf] = await at.entries(event)
    assert.deepEqual([leaf?.session, leaf?.purpose, leaf?.user], [lease.session, lease.purpose, "user_alice"], event)
  }
})

test("orphans are removed although the log was altered and takes nothing; their removal is owed", async () => {
  await using at = await testDeployment()
  const owed: unknown[] = []
  const server = await at.serve({ journal: async (owing) => void owed.push(owing) })
  await at.store.owner.query("update audit.head set root = sha256('other')")
  await assert.rejects(server.audit.commit({ entries: () => [] }), { code: "log-forked" })
  await using dba = await at.lab.dba()
  const roles = [1, 2].map(() => `sc_${at.deployment}_${randomText(26)}`)
  for (const role of roles) {
    await dba.query(`create role ${role} login; grant ${role} to ${at.lab.spec.account} with admin option`)
  }
  await server.credentials.reconcile()
  assert.equal((await dba.query("select from pg_roles where rolname = any ($1)", [roles])).rowCount, 0)
  assert.deepEqual(
    owed.map((each) => (each as { draft: { event: string } }).draft.event),
    ["credentials.orphan-journalled", "credentials.orphan-journalled"],
  )
})

test("open leases are not orphans", async () => {
  await using at = await testDeployment()
  const [one, two] = [await at.serve(), await at.serve()]
  const issued = await Promise.all([one.lease(), two.lease(), one.lease()])
  await Promise.all([one.credentials.reconcile(), two.credentials.reconcile()])
  for (const each of issued) await (await at.connect(each)).query("select 1 from faq")
  assert.deepEqual(await at.entries("credentials.orphan-found"), [])
})

test("a live lease whose account somebody dropped is ended", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease()
  await using dba = await at.lab.dba()
  await dba.query(`drop role ${lease.roleName}`)
  await server.credentials.reconcile()
  const ended = await server.credentials.settled(lease.id)
  assert.deepEqual([ended.state, ended.ending], ["revoked", "account-missing"])
  assert.equal((await at.entries("credentials.account-missing")).length, 1)
})

test("a session learns when its credential was last used", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const issued = await server.lease()
  assert.equal(await server.credentials.lastActive(issued.lease.session), null)
  const client = await at.connect(issued)
  await client.query("select 1 from faq")
  const { rows } = await client.query("select clock_timestamp() as at")
  await server.credentials.reconcile()
  const seen = await server.credentials.lastActive(issued.lease.session)
  assert.ok(seen !== null && Math.abs(seen.getTime() - rows[0].at.getTime()) < 1_000)
})

test("a connection that comes after the drop is closed and recorded", async () => {
  await using at = await testDeployment()
  let isLate = false
  const engines = faulty((engine) => ({
    async readBack(accounts) {
      const traces = await engine.readBack(accounts)
      return isLate ? traces.map((trace) => ({ ...trace, connections: 1 })) : traces
    },
  }))
  const server = await at.serve({ engines })
  const { lease } = await server.lease()
  await server.credentials.revoke(lease.id, "released")
  await server.credentials.settled(lease.id)
  isLate = true
  await until(async () => (await at.entries("credentials.late-connection-killed")).length > 0)
  const [entry] = await at.entries("credentials.late-connection-killed")
  assert.equal((entry!.data as { lease: string }).lease, lease.id)
})

test("comparisons that are asked for at once find an orphan once", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  await using dba = await at.lab.dba()
  const role = `sc_${at.deployment}_${randomText(26)}`
  await dba.query(`create role ${role} login; grant ${role} to ${at.lab.spec.account} with admin option`)
  await Promise.all(Array.from({ length: 5 }, () => server.credentials.reconcile()))
  const [found, removed] = [
    await at.entries("credentials.orphan-found"),
    await at.entries("credentials.orphan-removed"),
  ]
  assert.deepEqual([found.length, removed.length, removed[0]!.of], [1, 1, found[0]!.id])
})
