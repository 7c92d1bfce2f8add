import assert from "node:assert/strict"
import { test } from "node:test"
import { inspect } from "node:util"
import { newId, Refusal, refusalCode } from "#kernel"
import { intentionOf, testDeployment } from "./fixture.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

test("a lease is recorded before it exists, and live when it is handed out", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease, entry } = await server.intend()
  assert.equal((await server.credentials.lease(lease.id)).state, "intended")
  const dba = await at.lab.dba()
  const roles = async () => (await dba.query("select 1 from pg_roles where rolname = $1", [lease.roleName])).rowCount
  assert.equal(await roles(), 0)

  const issued = await server.credentials.issue(lease, { id: entry as `entry_${string}` })
  assert.equal(await roles(), 1)
  const { rows } = await (await at.connect(issued)).query("select answer from faq limit 1")
  assert.deepEqual(rows, [{ answer: "Nine to five." }])
  const [intended] = await at.entries("credentials.lease-intended")
  const [made] = await at.entries("credentials.lease-issued")
  assert.equal(made?.of, intended?.id)
  assert.equal((await server.credentials.lease(lease.id)).state, "live")
  await dba.end()
})

test("the account carries lease, session and purpose in its comment, and its name carries the deployment", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease()
  assert.equal(lease.roleName, `sc_${at.deployment}_${lease.id.slice(6)}`)
  const dba = await at.lab.dba()
  const { rows } = await dba.query(
    `select shobj_description(oid, 'pg_authid') as comment, rolsuper or rolcreaterole or rolbypassrls as is_mighty,
            rolconnlimit, rolvaliduntil from pg_roles where oid = $1`,
    [lease.roleOid],
  )
  assert.match(rows[0].comment, new RegExp(`${lease.id} ${lease.session} agent=support-bot purpose=answer-questions`))
  assert.deepEqual([rows[0].is_mighty, rows[0].rolconnlimit], [false, 5])
  assert.equal(rows[0].rolvaliduntil.getTime(), lease.expiresAt.getTime())
  await dba.end()
})

test("the same key returns the same credential, on another server too, until the lease ends", async () => {
  await using at = await testDeployment()
  const [one, two] = [await at.serve(), await at.serve()]
  const intention = intentionOf({ idempotencyKey: "k" })
  const first = await one.lease(intention)
  const again = await two.lease(intention)
  assert.equal(again.lease.id, first.lease.id)
  assert.deepEqual(again.credential.reveal(), first.credential.reveal())
  assert.equal((await at.entries("credentials.lease-intended")).length, 1)

  await one.credentials.revoke(first.lease.id, "released")
  await assert.rejects(two.lease(intention), refused("lease-ended"))
})

test("two requests with one key at once make one account", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const intention = intentionOf({ idempotencyKey: "k" })
  const [first, second] = await Promise.all([server.lease(intention), server.lease(intention)])
  assert.deepEqual(first.credential.reveal(), second.credential.reveal())
})

test("the key of a lease whose server fell silent while it was made is free again after ten seconds", async () => {
  await using at = await testDeployment({ limits: { leases: 100, leasesPerSession: 1 } })
  const [silent, server] = [await at.serve(), await at.serve()]
  const intention = intentionOf({ idempotencyKey: "k" })
  const { lease } = await silent.intend(intention)
  await at.store.owner.query("update credentials.leases set intended_at = now() - interval '10 seconds'")
  await assert.rejects(server.lease(intention), refused("overloaded"))
  await server.credentials.settled(lease.id)
  const again = await server.lease(intention)
  assert.notEqual(again.lease.id, lease.id)
  await at.connect(again)

  // The silent one was only slow: it hands nothing out, and leaves nothing behind.
  await assert.rejects(silent.credentials.issue(lease), refused("lease-ended"))
  const dba = await at.lab.dba()
  const standing = async () => (await dba.query("select from pg_roles where rolname = $1", [lease.roleName])).rowCount
  while ((await standing()) !== 0) await new Promise((resolve) => setTimeout(resolve, 10))
  await dba.end()
  const [revoked] = await at.entries("credentials.lease-revoked")
  assert.equal(revoked!.data?.["why"], "never-confirmed")
})

test("one key for two things is refused", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const intention = intentionOf({ idempotencyKey: "k" })
  await server.lease(intention)
  const other = { ...intention, caller: { ...intention.caller, instance: "instance_2" } }
  await assert.rejects(server.lease(other), refused("idempotency-conflict"))
})

test("a session and a resource hold no more leases than their limits", async () => {
  await using at = await testDeployment({ limits: { leases: 3, leasesPerSession: 2 } })
  const server = await at.serve()
  const session = newId("session")
  await server.lease({ session })
  const second = await server.lease({ session })
  await assert.rejects(server.lease({ session }), refused("lease-limit"))
  await server.lease()
  await assert.rejects(server.lease(), refused("lease-limit"))
  await server.credentials.revoke(second.lease.id, "released")
  await server.credentials.settled(second.lease.id)
  await server.lease({ session })
})

test("limits hold when two servers ask at once", async () => {
  await using at = await testDeployment({ limits: { leases: 100, leasesPerSession: 3 } })
  const servers = [await at.serve(), await at.serve()]
  const session = newId("session")
  const asked = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => servers[n % 2]!.intend({ session })))
  assert.equal(asked.filter(({ status }) => status === "fulfilled").length, 3)
})

test("what is not a resource, not an operation or past the hard end is refused and leaves no row", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  await assert.rejects(server.intend({ operation: "write" }), refused("resource-unknown"))
  const elsewhere = { ...intentionOf().action, resource: "hr" }
  await assert.rejects(server.intend({ action: elsewhere }), refused("resource-unknown"))
  await assert.rejects(server.intend({ hardEndAt: new Date(Date.now() - 1_000) }), refused("lease-ended"))
  assert.deepEqual(await server.credentials.leases({}), [])
})

test("a lease never outlives its hard end", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const hardEndAt = new Date(Date.now() + 30_000)
  const { lease } = await server.lease({ hardEndAt, leaseSeconds: 60 })
  assert.equal(lease.expiresAt.getTime(), hardEndAt.getTime())
})

test("a lease that was revoked between intent and issue is never handed out", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.intend()
  await server.credentials.revokeSession(lease.session, "session-ended")
  await server.credentials.settled(lease.id)
  await assert.rejects(server.credentials.issue(lease), refused("lease-ended"))
  const dba = await at.lab.dba()
  for (let rows = 1; rows > 0; ) {
    rows = (await dba.query("select 1 from pg_roles where rolname = $1", [lease.roleName])).rowCount ?? 0
  }
  await dba.end()
})

test("a lease whose time passed while it was made is never handed out, and is taken away at once", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.intend()
  await at.store.owner.query("update credentials.leases set expires_at = clock_timestamp() where id = $1", [lease.id])
  await assert.rejects(server.credentials.issue(lease), refused("lease-ended"))
  const { state, ending } = await server.credentials.settled(lease.id)
  assert.deepEqual([state, ending], ["revoked", "not-issued"])
  assert.deepEqual(await at.entries("credentials.lease-issued"), [])
})

test("a lease that was confirmed, and whose server did not hear of it, did not fail: it is revoked", async () => {
  await using at = await testDeployment()
  const first = await at.serve()
  let isLost = true
  const commit: typeof first.audit.commit = async (change) => {
    const committed = await first.audit.commit(change)
    if (!isLost) return committed
    isLost = false
    throw new Refusal("store-unavailable", "The answer was lost.")
  }
  const server = await at.serve({ audit: Object.create(first.audit, { commit: { value: commit } }) })
  const { lease, entry } = await first.intend()
  const issuing = server.credentials.issue(lease, { id: entry as `entry_${string}` })
  await assert.rejects(issuing, refused("store-unavailable"))
  const { state, ending } = await server.credentials.settled(lease.id)
  assert.deepEqual([state, ending], ["revoked", "not-issued"])
  assert.deepEqual(await at.entries("credentials.lease-failed"), [])
  const [issued, revoked] = [
    ...(await at.entries("credentials.lease-issued")),
    ...(await at.entries("credentials.lease-revoked")),
  ]
  assert.deepEqual([issued?.of, revoked?.of], [entry, undefined])
})

test("a resource without a root refuses before anything is recorded", async () => {
  await using at = await testDeployment({ isConfigured: false })
  const server = await at.serve()
  await server.audit.commit(server.credentials.replace({ kb: at.lab.part }, "server"))
  await server.epoch.refresh()
  await assert.rejects(server.intend(), refused("resource-not-configured"))
  assert.deepEqual(await server.credentials.leases({}), [])
})

test("an operation whose group role is gone leaves nothing, and says that the resource is at fault", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const dba = await at.lab.dba()
  const group = at.lab.spec.groups[0]!.role
  await dba.query(`drop owned by ${group}`)
  await dba.query(`drop role ${group}`)
  const { lease, entry } = await server.intend()
  await assert.rejects(
    server.credentials.issue(lease, { id: entry as `entry_${string}` }),
    refused("resource-unavailable"),
  )
  assert.equal((await server.credentials.settled(lease.id)).state, "revoked")
  assert.equal((await at.entries("credentials.lease-failed"))[0]?.of, entry)
  await dba.end()
})

test("a request whose account could not be made is answered with another when it is repeated", async () => {
  // On 16 and newer other roles make it, and the account's own right is not asked.
  await using at = await testDeployment({ version: 15 })
  const server = await at.serve()
  const dba = await at.lab.dba()
  const group = at.lab.spec.groups[0]!.role
  const intention = intentionOf({ idempotencyKey: "again" })
  await dba.query(`alter role ${at.lab.spec.account} nocreaterole`)
  await assert.rejects(server.lease(intention), refused("resource-unavailable"))
  await dba.query(`alter role ${at.lab.spec.account} createrole`)
  const { lease, credential } = await server.lease(intention)
  assert.equal(lease.state, "live")
  assert.ok(credential.reveal()["password"])
  const members = await dba.query("select from pg_auth_members where roleid = $1::regrole and member = $2::regrole", [
    group,
    lease.roleName,
  ])
  assert.equal(members.rowCount, 1)
  await dba.end()
})

test("no way of printing a lease or what was issued shows the password", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const issued = await server.lease()
  const { password } = issued.credential.reveal()
  const rows = await at.store.owner.query("select * from credentials.leases, credentials.roots")
  const leaves = await at.store.owner.query<{ leaf: Buffer }>("select leaf from audit.entries")
  const printed = [
    inspect(issued, { depth: 9 }),
    JSON.stringify(issued),
    JSON.stringify(rows),
    `${leaves.map(({ leaf }) => leaf)}`,
  ]
  for (const text of printed) assert.equal(text.includes(`${password}`), false)
})
