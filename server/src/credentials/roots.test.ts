import assert from "node:assert/strict"
import { test } from "node:test"
import { type Refusal, refusalCode, Secret } from "#kernel"
import { ResourceError } from "./engine.ts"
import { by, faulty, testDeployment } from "./fixture.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

/** A deployment whose resource is in force and has no root yet. */
async function unconfigured(version: 15 | 18 = 18) {
  const at = await testDeployment({ version, isConfigured: false })
  const server = await at.serve()
  await server.audit.commit(server.credentials.replace({ kb: at.lab.part }, by))
  await server.epoch.refresh()
  return { at, server, [Symbol.asyncDispose]: () => at[Symbol.asyncDispose]() }
}

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: once configured, nobody else knows the password`, async () => {
    await using each = await unconfigured(version)
    const { at, server } = each
    const { username, warnings } = await server.credentials.configure("kb", at.lab.root, by)
    assert.deepEqual([username, warnings], [at.lab.root.username, []])
    await using engine = at.lab.engine()
    await assert.rejects(engine.check(at.lab.part), { code: "28P01" })
    await (await at.connect(await server.lease())).query("select 1 from faq")
    const [rotating] = await at.entries("credentials.root-rotating")
    assert.equal((await at.entries("credentials.root-configured"))[0]?.of, rotating?.id)
  })
}

test("a superuser is refused, and its password stays", async () => {
  await using each = await unconfigured()
  const { at, server } = each
  const url = new URL(at.lab.superuserUrl)
  const superuser = { username: url.username, password: new Secret(decodeURIComponent(url.password)) }
  await assert.rejects(server.credentials.configure("kb", superuser, by), (error: Refusal) => {
    assert.match(error.message, /superuser/)
    return refused("root-rejected")(error)
  })
  await using dba = await at.lab.dba()
  await dba.query("select 1")
})

test("a wrong password and an unknown resource are refused", async () => {
  await using each = await unconfigured()
  const { at, server } = each
  const wrong = { username: at.lab.root.username, password: new Secret("wrong") }
  await assert.rejects(server.credentials.configure("kb", wrong, by), refused("root-rejected"))
  await assert.rejects(server.credentials.configure("hr", at.lab.root, by), refused("resource-unknown"))
  assert.deepEqual(await at.entries("credentials.root-rotating"), [])
})

test("an account that cannot close connections is refused, and told what to change", async () => {
  await using each = await unconfigured()
  const { at, server } = each
  await using dba = await at.lab.dba()
  await dba.query(`revoke pg_signal_backend from ${at.lab.root.username}`)
  await assert.rejects(server.credentials.configure("kb", at.lab.root, by), (error: Refusal) => {
    const [finding] = error.detail!["findings"] as { fix: string }[]
    assert.equal(finding?.fix, `grant pg_signal_backend to "${at.lab.root.username}"`)
    return refused("resource-unprepared")(error)
  })
})

for (const point of ["before", "after"] as const) {
  test(`a crash ${point} the password changed leaves a root that the next server repairs`, async () => {
    await using each = await unconfigured()
    const { at } = each
    const engines = faulty((engine) => ({
      async rotateRoot(next) {
        if (point === "after") await engine.rotateRoot(next)
        throw new ResourceError("the server was killed here", null, true)
      },
    }))
    const crashing = await at.serve({ engines })
    await assert.rejects(crashing.credentials.configure("kb", at.lab.root, by), refused("resource-unavailable"))
    await crashing[Symbol.asyncDispose]()
    const server = await at.serve()
    await (await at.connect(await server.lease())).query("select 1 from faq")
    await using engine = at.lab.engine()
    await assert.rejects(engine.check(at.lab.part), { code: "28P01" })
  })
}

test("a server goes on issuing and revoking after another one changed the root", async () => {
  await using at = await testDeployment()
  const [one, two] = [await at.serve(), await at.serve()]
  const issued = await one.lease()
  await using dba = await at.lab.dba()
  await dba.query(`alter role ${at.lab.root.username} password 'new'`)
  await dba.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [at.lab.root.username])
  await two.credentials.configure("kb", { ...at.lab.root, password: new Secret("new") }, by)
  await one.credentials.revoke(issued.lease.id, "released")
  assert.equal((await one.credentials.settled(issued.lease.id)).state, "revoked")
})
