import assert from "node:assert/strict"
import { test } from "node:test"
import type { AgentPrincipal, OperatorPrincipal } from "#agents"
import { type Route, refusalCode } from "#kernel"
import { events } from "./events.ts"
import { testDeployment } from "./fixture.ts"
import type { Credentials } from "./index.ts"
import { routes } from "./routes.ts"

const agent = {
  kind: "agent",
  name: "support-bot",
  instance: "instance_1",
  spiffeId: "spiffe://example.org/agent/support-bot",
} as AgentPrincipal
/** Another instance of the same agent: it shares the name, and no lease. */
const other = { ...agent, instance: "instance_other" }
const operator = { kind: "operator", name: "ann", spiffeId: "spiffe://example.org/operator/ann" } as OperatorPrincipal

/** Calls a route's handler as the application would once it has parsed and identified. */
async function call(credentials: Credentials, key: string, request: object): Promise<unknown> {
  const found = routes(credentials).find(({ method, path }) => `${method} ${path}` === key) as unknown as Route
  return await found.handle({
    params: {},
    query: {},
    body: undefined,
    headers: new Headers(),
    listener: "agents",
    caller: null,
    ...request,
  })
}

test("an agent sees its own leases and nobody else's, an operator all", async () => {
  await using at = await testDeployment()
  const { credentials, lease: issue } = await at.serve()
  const { lease } = await issue()
  const list = async (caller: object) =>
    ((await call(credentials, "GET /v1/credentials/leases", { caller })) as { leases: { id: string }[] }).leases.map(
      ({ id }) => id,
    )
  assert.deepEqual([await list(agent), await list(other), await list(operator)], [[lease.id], [], [lease.id]])
  const one = (caller: object) =>
    call(credentials, "GET /v1/credentials/leases/{id}", { caller, params: { id: lease.id } })
  assert.equal(((await one(agent)) as { state: string }).state, "live")
  await assert.rejects(one(other), (error) => refusalCode(error) === "lease-unknown")
})

test("no answer holds a credential", async () => {
  await using at = await testDeployment()
  const { credentials, lease: issue } = await at.serve()
  const issued = await issue()
  const answers = [
    await call(credentials, "GET /v1/credentials/leases", { caller: operator }),
    await call(credentials, "GET /v1/credentials/resources", { caller: operator }),
  ]
  const text = JSON.stringify(answers)
  assert.equal(text.includes(`${issued.credential.reveal().password}`), false)
  assert.equal(text.includes("sealed"), false)
})

test("agents do not see the resources; operators see what is held and open there", async () => {
  await using at = await testDeployment()
  const { credentials, lease: issue } = await at.serve()
  await issue()
  const key = "GET /v1/credentials/resources"
  await assert.rejects(call(credentials, key, { caller: agent }), (error) => refusalCode(error) === "wrong-role")
  const { resources } = (await call(credentials, key, { caller: operator })) as { resources: object[] }
  assert.deepEqual(resources, [
    {
      name: "kb",
      engine: "postgres",
      operations: ["read"],
      limits: at.lab.part.limits,
      username: at.lab.root.username,
      openLeases: 1,
      problem: null,
    },
  ])
})

test("a root is handed over by PUT and recorded with the operator's name", async () => {
  await using at = await testDeployment({ isConfigured: false })
  const server = await at.serve()
  await server.audit.commit(server.credentials.replace({ kb: at.lab.part }, "server"))
  await server.epoch.refresh()
  const body = { username: at.lab.root.username, password: at.lab.root.password.reveal() }
  const key = "PUT /v1/credentials/resources/{name}/root"
  await call(server.credentials, key, { caller: operator, params: { name: "kb" }, body })
  assert.equal((await at.entries("credentials.root-configured"))[0]?.by, operator.spiffeId)
})

test("every event that a route names is one of the room's", () => {
  for (const { events: named } of routes({} as Credentials)) for (const event of named ?? []) assert.ok(event in events)
})
