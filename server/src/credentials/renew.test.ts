import assert from "node:assert/strict"
import { test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { refusalCode } from "#kernel"
import { testDeployment } from "./fixture.ts"

test("a lease that is renewed for three lifetimes keeps its connection, also when another server renews it", async () => {
  await using at = await testDeployment()
  const servers = [await at.serve(), await at.serve()]
  const issued = await servers[0]!.lease({ leaseSeconds: 1 })
  const client = await at.connect(issued)
  const { rows } = await client.query("select pg_backend_pid() as pid")
  for (let n = 0; n < 6; n++) {
    await sleep(500)
    await servers[n % 2]!.credentials.renew(issued.lease.id, new Date(Date.now() + 1_000))
  }
  assert.deepEqual((await client.query("select pg_backend_pid() as pid")).rows, rows)
  const { rows: roles } = await client.query("select rolvaliduntil from pg_roles where rolname = current_user")
  assert.ok(roles[0].rolvaliduntil > issued.lease.expiresAt)
  await client.ended
  assert.equal((await servers[1]!.credentials.settled(issued.lease.id)).state, "expired")
})

test("a renewal never passes the hard end, nor shortens", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const hardEndAt = new Date(Date.now() + 90_000)
  const { lease } = await server.lease({ hardEndAt, leaseSeconds: 60 })
  const longer = await server.credentials.renew(lease.id, new Date(Date.now() + 3_600_000))
  assert.equal(longer.expiresAt.getTime(), hardEndAt.getTime())
  const same = await server.credentials.renew(lease.id, new Date(Date.now() + 1_000))
  assert.equal(same.expiresAt.getTime(), hardEndAt.getTime())
})

test("what has ended is not renewed", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease()
  await server.credentials.revoke(lease.id, "released")
  const renewal = server.credentials.renew(lease.id, new Date(Date.now() + 60_000))
  await assert.rejects(renewal, (error) => refusalCode(error) === "lease-ended")
  assert.deepEqual(await at.entries("credentials.lease-renewed"), [])
})
