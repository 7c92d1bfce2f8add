import assert from "node:assert/strict"
import { test } from "node:test"
import { type Id, newId, refusalCode } from "#kernel"
import type { Approved } from "./approved.ts"
import type { PostgresOperation } from "./engines/postgres/part.ts"
import { by, intentionOf, type TestDeployment, type TestServer, testDeployment } from "./fixture.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code
const newApproved = (): Approved => ({
  id: newId("approval") as Id<"approval">,
  digest: "the action's digest",
  arguments: { employee: "alice", euros: 5200 },
})

/** A server of a deployment whose resource has an operation `raise` beside `read`, which requires an approval. */
async function serveRaises(at: TestDeployment): Promise<TestServer> {
  const server = await at.serve()
  const { groupRole } = at.lab.part.operations["read"] as PostgresOperation
  const operations = { read: { groupRole }, raise: { groupRole, approval: "required" as const } }
  await server.audit.commit(server.credentials.replace({ kb: { ...at.lab.part, operations } }, by))
  await server.epoch.refresh()
  return server
}

async function lineOf(at: TestDeployment, approval: string) {
  await using dba = await at.lab.dba()
  const { rows } = await dba.query("select * from safeconduct.approvals where approval = $1", [approval])
  return rows[0] as Record<string, unknown> | undefined
}

const raise = () => ({ ...intentionOf().action, operation: "raise" })

test("a credential that requires an approval is not even intended without one", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  await assert.rejects(server.lease({ action: raise() }), refused("approval-required"))
  const looking = { ...intentionOf({ action: raise() }), name: "salary", query: "select 1", values: [] }
  await assert.rejects(server.credentials.lookUp(looking), refused("approval-required"))
  assert.deepEqual(await server.credentials.leases({}), [])
  assert.deepEqual(await at.entries("credentials.lease-intended"), [])
})

test("an argument that the resource has no text for is refused before anything is made", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  const approval = { ...newApproved(), arguments: { deep: [{ note: "a\u0000b" }] } }
  await assert.rejects(server.lease({ action: raise(), approval }), refused("invalid-request"))
  // The six characters, and not what they stand for.
  await server.lease({ action: raise(), approval: { ...approval, arguments: { note: "a\\u0000b" } } })
})

test("every entry about a lease names the approval, and nothing that was approved; the resource has all of it", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  const approval = newApproved()
  const issued = await server.lease({ action: raise(), approval })
  const line = await lineOf(at, approval.id)
  assert.deepEqual([line?.["role_name"], line?.["digest"]], [issued.lease.roleName, approval.digest])
  assert.deepEqual([line?.["operation"], line?.["arguments"], line?.["used_at"]], ["raise", approval.arguments, null])
  assert.deepEqual(issued.lease.approval, approval)
  await server.credentials.revoke(issued.lease.id, "released")
  const ended = await server.credentials.settled(issued.lease.id)
  assert.deepEqual(ended.approval, { ...approval, arguments: {} })
  for (const event of ["intended", "issued", "revoked"]) {
    const [leaf] = await at.entries(`credentials.lease-${event}`)
    assert.equal(leaf?.data?.["approval"], approval.id, event)
    assert.doesNotMatch(JSON.stringify(leaf), /alice|5200/)
  }
})

test("the same key is the same lease only for the same approval", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  const session = newId("session")
  const asked = { session, action: raise(), idempotencyKey: "raise-1", approval: newApproved() }
  const first = await server.lease(asked)
  assert.equal((await server.lease(asked)).lease.id, first.lease.id)
  const other = { ...asked, approval: newApproved() }
  await assert.rejects(server.lease(other), refused("idempotency-conflict"))
})

test("what was done at the resource is not made possible again by another lease", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  const approval = newApproved()
  const issued = await server.lease({ action: raise(), approval })
  const agent = await at.connect(issued)
  await agent.query(`select safeconduct.use_approval('raise', '{"employee": "alice", "euros": 5200}')`)
  await assert.rejects(server.lease({ action: raise(), approval }), refused("approval-used"))
})

test("a resource that cannot hold an approval is given none to hold", async () => {
  await using at = await testDeployment()
  const server = await serveRaises(at)
  await using dba = await at.lab.dba()
  await dba.query("alter function safeconduct.use_approval immutable")
  await assert.rejects(server.lease({ action: raise(), approval: newApproved() }), refused("resource-unprepared"))
  await server.lease()
})
