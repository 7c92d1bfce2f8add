import assert from "node:assert/strict"
import { test } from "node:test"
import { type Refusal, refusalCode } from "#kernel"
import { by, testDeployment } from "./fixture.ts"

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

test("an engine that is not there and a bad name are refused with their place", async () => {
  await using at = await testDeployment({ isConfigured: false })
  const { credentials } = await at.serve()
  assert.throws(
    () => credentials.parse({ kb: { engine: "oracle" } }),
    (error: Refusal) => error.detail?.["path"] === "resources.kb.engine",
  )
  assert.throws(() => credentials.parse({ "KB 1": { engine: "postgres" } }), refused("policy-invalid"))
  assert.deepEqual(credentials.parse(undefined), {})
})

test("replaced resources are in force on every server with the next epoch, and recorded", async () => {
  await using at = await testDeployment()
  const [one, two] = [await at.serve(), await at.serve()]
  await one.audit.commit(one.credentials.replace({ kb: at.lab.part, faq: at.lab.part }, by))
  await two.epoch.refresh()
  assert.deepEqual(Object.keys(two.credentials.current()), ["faq", "kb"])
  assert.deepEqual((await at.entries("credentials.resources-replaced")).at(-1)?.data, {
    names: ["kb", "faq"],
    removed: [],
    moved: [],
  })
})

test("a resource with open leases is neither removed nor moved; its limits may change", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const { lease } = await server.lease()
  const replace = (resources: object) => server.audit.commit(server.credentials.replace(resources as never, by))
  await assert.rejects(replace({}), refused("policy-invalid"))
  await assert.rejects(replace({ kb: { ...at.lab.part, host: "localhost" } }), refused("policy-invalid"))
  await replace({ kb: { ...at.lab.part, limits: { ...at.lab.part.limits, leases: 1 } } })
  await server.epoch.refresh()
  await assert.rejects(server.lease(), refused("lease-limit"))
  await server.credentials.revoke(lease.id, "released")
  await server.credentials.settled(lease.id)
  await replace({})
})

test("a resource that moves loses its root: the password is nothing for another server", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const moved = { kb: { ...at.lab.part, host: "localhost" } }
  await server.audit.commit(server.credentials.replace(moved, by))
  await server.epoch.refresh()
  assert.equal((await server.credentials.resources())[0]?.username, null)
  await assert.rejects(server.lease(), refused("resource-not-configured"))
})
