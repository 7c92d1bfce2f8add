import assert from "node:assert/strict"
import { test } from "node:test"
import { type Id, newId, refusalCode } from "#kernel"
import type { Behalf } from "./behalf.ts"
import type { PostgresOperation } from "./engines/postgres/part.ts"
import { by, faulty, type TestDeployment, type TestServer, testDeployment, until } from "./fixture.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

const alice: Behalf = {
  user: {
    id: newId("user") as Id<"user">,
    iss: "https://id.shop.example",
    sub: "alice",
    claims: { customer: ["4711"] },
  },
  application: "shop-web",
  chain: [{ session: newId("session") as Id<"session">, agent: "concierge", instance: newId("instance") }],
  parameters: { order: 7 },
}

/** As it is told of: which sessions, and whose. */
const links = alice.chain.map(({ session, agent }) => ({ session, agent }))

/** A server of a deployment whose resource has an operation `own` beside `read`, which binds its user. */
async function serveBound(at: TestDeployment): Promise<TestServer> {
  const server = await at.serve()
  const { groupRole } = at.lab.part.operations["read"] as PostgresOperation
  const part = { ...at.lab.part, operations: { read: { groupRole }, own: { groupRole, bindsUser: true } } }
  await server.audit.commit(server.credentials.replace({ kb: part }, by))
  await server.epoch.refresh()
  return server
}

async function lineOf(at: TestDeployment, role: string) {
  await using dba = await at.lab.dba()
  const { rows } = await dba.query("select * from safeconduct.leases where role_name = $1", [role])
  return rows[0] as Record<string, unknown> | undefined
}

test("every entry about a lease names its user, the application and the chain, and none who that is", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const issued = await server.lease({ behalf: alice })
  await server.credentials.renew(issued.lease.id, new Date(Date.now() + 120_000))
  await server.credentials.revoke(issued.lease.id, "released")
  await server.credentials.settled(issued.lease.id)
  for (const event of ["intended", "issued", "renewed", "revoked"]) {
    const [leaf] = await at.entries(`credentials.lease-${event}`)
    assert.deepEqual([leaf?.user, leaf?.application, leaf?.chain], [alice.user!.id, "shop-web", links], event)
    assert.doesNotMatch(JSON.stringify(leaf), /4711|id\.shop\.example/)
  }
})

test("an agent's own lease names no user", async () => {
  await using at = await testDeployment()
  await (await at.serve()).lease()
  const [leaf] = await at.entries("credentials.lease-issued")
  assert.deepEqual([leaf?.user, leaf?.application, leaf?.chain], [undefined, undefined, undefined])
})

test("who the user is at their provider is kept as long as something may stand at the resource", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease({ behalf: alice })
  const { iss, sub, claims } = alice.user!
  assert.deepEqual([lease.person, lease.parameters], [{ iss, sub, claims }, alice.parameters])
  await server.credentials.revoke(lease.id, "released")
  const ended = await server.credentials.settled(lease.id)
  assert.deepEqual([ended.user, ended.person, ended.parameters], [alice.user!.id, null, {}])
})

test("the resource is told whose the lease is, and the account's comment says so without what is personal", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease({ behalf: alice })
  const line = await lineOf(at, lease.roleName)
  assert.deepEqual(
    ["lease", "user_id", "issuer", "subject", "claims", "parameters", "application", "chain"].map(
      (name) => line?.[name],
    ),
    [lease.id, lease.user, alice.user!.iss, "alice", { customer: ["4711"] }, { order: 7 }, "shop-web", links],
  )
  await using dba = await at.lab.dba()
  const { rows } = await dba.query("select shobj_description($1, 'pg_authid') as comment", [lease.roleOid])
  assert.match(rows[0].comment, new RegExp(`user=${lease.user} application=shop-web chain=${alice.chain[0]!.session}$`))
  assert.doesNotMatch(rows[0].comment, /alice|4711/)
})

test("an operation that binds its user is refused to a session without one, before anything is recorded", async () => {
  await using at = await testDeployment()
  const server = await serveBound(at)
  await assert.rejects(server.intend({ operation: "own" }), refused("user-required"))
  assert.deepEqual(await server.credentials.leases({}), [])
  const { lease } = await server.intend({ operation: "own", behalf: alice })
  assert.equal((await server.credentials.issue(lease)).lease.state, "live")
})

test("an operation that binds its user is refused where somebody changed what says who that is; others go on", async () => {
  await using at = await testDeployment()
  const server = await serveBound(at)
  await using dba = await at.lab.dba()
  await dba.query("create or replace function safeconduct.subject() returns text language sql return 'bob'")
  const { lease } = await server.intend({ operation: "own", behalf: alice })
  await assert.rejects(server.credentials.issue(lease), refused("resource-unprepared"))
  assert.equal((await server.credentials.settled(lease.id)).state, "revoked")
  assert.equal((await dba.query("select from pg_roles where rolname = $1", [lease.roleName])).rowCount, 0)
  await server.lease({ behalf: alice })
})

test("where nothing was installed, other operations are given, and taken away, as ever", async () => {
  await using at = await testDeployment()
  await using dba = await at.lab.dba()
  await dba.query("drop schema safeconduct cascade")
  const server = await serveBound(at)
  const { lease } = await server.lease({ behalf: alice })
  await server.credentials.reconcile()
  await server.credentials.revoke(lease.id, "released")
  assert.equal((await server.credentials.settled(lease.id)).state, "revoked")
  const bound = await server.intend({ operation: "own", behalf: alice })
  await assert.rejects(server.credentials.issue(bound.lease), refused("resource-unprepared"))
})

test("an account whose server died before it was confirmed is nobody's once the sweep has taken it away", async () => {
  await using at = await testDeployment()
  const died = Promise.withResolvers<never>()
  const dying = await at.serve({
    engines: faulty((engine) => ({
      async issue(order) {
        await engine.issue(order)
        return await died.promise
      },
    })),
  })
  const { lease } = await dying.intend({ behalf: alice })
  dying.credentials.issue(lease).catch(() => undefined)
  await until(async () => (await lineOf(at, lease.roleName)) !== undefined)
  await at.store.owner.query("update credentials.leases set intended_at = now() - interval '61 seconds'")
  const other = await at.serve()
  await other.credentials.settled(lease.id)
  assert.notEqual((await lineOf(at, lease.roleName))?.["ended_at"], null)
  died.reject(new Error("killed"))
})

test("a line whose role somebody else dropped is ended by the next comparison, and removed after 90 days", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease({ behalf: alice })
  await using dba = await at.lab.dba()
  // As a restored backup has them: lines of roles that are not there, and of long ago.
  const insert = (role: string, ended: string) =>
    dba.query(
      `insert into safeconduct.leases select $1, 1, lease, session, purpose, agent, user_id, issuer, subject, claims,
         parameters, application, chain, issued_at, ${ended} from safeconduct.leases where role_name = $2`,
      [role, lease.roleName],
    )
  const [gone, old, recent] = ["a", "b", "c"].map((letter) => `sc_00000000_${letter.repeat(26)}`)
  await insert(gone!, "null")
  await insert(old!, "now() - interval '91 days'")
  await insert(recent!, "now() - interval '89 days'")
  await server.credentials.reconcile()
  assert.notEqual((await lineOf(at, gone!))?.["ended_at"], null)
  assert.equal(await lineOf(at, old!), undefined)
  assert.notEqual(await lineOf(at, recent!), undefined)
  assert.equal((await lineOf(at, lease.roleName))?.["ended_at"], null)
})

test("a revocation does not wait for the mapping: what it could not write the next comparison does", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease({ behalf: alice })
  await using dba = await at.lab.dba()
  await dba.query(`revoke execute on function safeconduct.unbind(name) from ${at.lab.spec.account}`)
  await server.credentials.revoke(lease.id, "released")
  assert.equal((await server.credentials.settled(lease.id)).state, "revoked")
  assert.equal((await lineOf(at, lease.roleName))?.["ended_at"], null)
  await server.credentials.reconcile()
  assert.notEqual((await lineOf(at, lease.roleName))?.["ended_at"], null)
})
