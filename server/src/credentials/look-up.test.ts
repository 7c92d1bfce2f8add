import assert from "node:assert/strict"
import { test } from "node:test"
import { newId, refusalCode } from "#kernel"
import { ResourceError } from "./engine.ts"
import type { PostgresOperation } from "./engines/postgres/part.ts"
import { faulty, intentionOf, type TestDeployment, testDeployment, until } from "./fixture.ts"
import type { LookedUp } from "./index.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

function asked({
  session = newId("session"),
  query = "select answer from public.faq where id = $1",
  values = ["7"],
} = {}) {
  const { idempotencyKey: _, leaseSeconds: __, ...intention } = intentionOf({ session })
  return { ...intention, name: "hours", query, values } satisfies LookedUp
}

/** Accounts of this deployment that stand at the resource. */
async function accounts(at: TestDeployment): Promise<number> {
  await using dba = await at.lab.dba()
  const { rows } = await dba.query("select from pg_roles where starts_with(rolname, $1)", [`sc_${at.deployment}_`])
  return rows.length
}

test("what is looked up is, by an account that nobody is handed and of which nothing is left", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const question = asked()
  assert.deepEqual(await server.credentials.lookUp(question), ["Nine to five."])
  const [row] = await server.credentials.leases({ session: question.session })
  assert.deepEqual([row!.lookup, row!.liveAt, row!.sealed], ["hours", null, null])
  const lease = await server.credentials.settled(row!.id)
  assert.deepEqual([lease.state, lease.ending, lease.liveAt, lease.sealed], ["revoked", "looked-up", null, null])
  assert.equal(await accounts(at), 0)
})

test("its entries say that it was a look-up and by whom, never what for or what was found", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const question = asked()
  await server.credentials.lookUp(question)
  const [lease] = await server.credentials.leases({ session: question.session })
  await server.credentials.settled(lease!.id)
  for (const event of ["credentials.lease-intended", "credentials.lease-revoked"]) {
    const [leaf, ...others] = await at.entries(event)
    assert.deepEqual(
      [leaf!.by, leaf!.session, leaf!.data!["lookup"], others],
      ["server", question.session, "hours", []],
    )
    assert.equal(leaf!.action, undefined)
    assert.doesNotMatch(JSON.stringify(leaf), /Nine|faq/)
  }
  assert.deepEqual(await at.entries("credentials.lease-issued"), [])
})

test("no request's key gets what a look-up is made with, not even its own", async () => {
  await using at = await testDeployment()
  const asking = Promise.withResolvers<void>()
  const answering = Promise.withResolvers<void>()
  const server = await at.serve({
    engines: faulty((engine) => ({
      async lookUp(...question) {
        asking.resolve()
        await answering.promise
        return await engine.lookUp(...question)
      },
    })),
  })
  const question = asked()
  const found = server.credentials.lookUp(question)
  found.catch(() => undefined)
  await asking.promise
  const [lease] = await server.credentials.leases({ session: question.session })
  assert.match(lease!.idempotencyKey, /^look-up \S{26}$/)
  await server.credentials.revoke(lease!.id, "returned")
  const replay = intentionOf({ session: question.session, idempotencyKey: lease!.idempotencyKey })
  const { credential } = await server.lease(replay).catch(() => ({ credential: null }))
  assert.notEqual(credential?.reveal()["user"], lease!.roleName)
  answering.resolve()
  // It was taken away before anything was asked with it.
  await assert.rejects(found, refused("resource-unavailable"))
})

test("limits of the resource hold, and an operation that is not there or is a user's gives nothing", async () => {
  await using at = await testDeployment({ limits: { leasesPerSession: 1 } })
  const server = await at.serve()
  const session = newId("session")
  await server.lease({ session })
  await assert.rejects(server.credentials.lookUp(asked({ session })), refused("lease-limit"))
  const write = { ...asked().action, operation: "write" }
  await assert.rejects(server.credentials.lookUp({ ...asked(), action: write }), refused("resource-unknown"))
  const { groupRole } = at.lab.part.operations["read"] as PostgresOperation
  const part = { ...at.lab.part, operations: { read: { groupRole, bindsUser: true } } }
  await server.audit.commit(server.credentials.replace({ kb: part }, "server"))
  await server.epoch.refresh()
  await assert.rejects(server.credentials.lookUp(asked()), refused("user-required"))
  assert.equal((await at.entries("credentials.lease-intended")).length, 1)
})

test("whatever goes wrong, nothing is found and nothing stays", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  for (const query of [
    "select nothing",
    "select id, answer from public.faq",
    "select 'Nine'::int",
    "select 1; select 2",
  ]) {
    await assert.rejects(server.credentials.lookUp(asked({ query, values: [] })), (error) => {
      assert.doesNotMatch(String((error as Error).cause), /Nine/)
      return refusalCode(error) === "resource-unavailable"
    })
  }
  const began = performance.now()
  const slow = asked({ query: "select pg_catalog.pg_sleep(600)::text", values: [] })
  await assert.rejects(server.credentials.lookUp(slow), refused("resource-unavailable"))
  assert.ok(performance.now() - began < 60_000)
  for (const { id } of await server.credentials.leases({})) await server.credentials.settled(id)
  assert.equal(await accounts(at), 0)
  // A question that goes wrong does not stand in the way of leases.
  await server.lease()
})

test("a resource that cannot make the account finds nothing, and says that it failed", async () => {
  await using at = await testDeployment()
  const server = await at.serve({
    engines: faulty(() => ({
      async issue() {
        throw new ResourceError("nobody answers", null, true)
      },
    })),
  })
  const question = asked()
  await assert.rejects(server.credentials.lookUp(question), refused("resource-unavailable"))
  const [lease] = await server.credentials.leases({ session: question.session })
  await server.credentials.settled(lease!.id)
  const [[begun], [failed]] = [
    await at.entries("credentials.lease-intended"),
    await at.entries("credentials.lease-failed"),
  ]
  assert.deepEqual(
    [failed!.data!["lookup"], failed!.of !== undefined, begun!.event],
    ["hours", true, "credentials.lease-intended"],
  )
})

test("what a server that died was looking up with is taken away by another", async () => {
  await using at = await testDeployment()
  const asking = Promise.withResolvers<void>()
  const died = Promise.withResolvers<never>()
  const dying = await at.serve({
    engines: faulty(() => ({
      async lookUp() {
        asking.resolve()
        return await died.promise
      },
      // It is dead: nothing is taken away by it.
      revoke: async () => await died.promise,
    })),
  })
  const question = asked()
  await Promise.all([
    assert.rejects(dying.credentials.lookUp(question), refused("resource-unavailable")),
    asking.promise,
  ])
  assert.equal(await accounts(at), 1)
  await at.store.owner.query("update credentials.leases set intended_at = now() - interval '61 seconds'")
  const other = await at.serve()
  const [lease] = await other.credentials.leases({ session: question.session })
  await until(async () => (await accounts(at)) === 0)
  assert.equal((await other.credentials.settled(lease!.id)).ending, "never-confirmed")
  died.reject(new Error("killed"))
})
