import assert from "node:assert/strict"
import { test } from "node:test"
import { bot, by, enrolAgent, enrolWith, register, testDeployment } from "./fixture.ts"
import type { OperatorRole } from "./index.ts"

/** One server whose first admin is enrolled. */
async function start() {
  const deployment = await testDeployment()
  const server = await deployment.serve()
  const first = await server.agents.bootstrap()
  const admin = await enrolWith(server.agents, first!.token.reveal())
  await server.epoch.refresh()
  return { deployment, ...server, server, admin, [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose]() }
}

const roleChange = (name: string, ...roles: OperatorRole[]) => ({ kind: "operator" as const, name, roles })

test("an empty deployment gives one admin's token, and none while that can be used or after it was", async () => {
  await using deployment = await testDeployment()
  const servers = await Promise.all([deployment.serve(), deployment.serve()])
  const tokens = await Promise.all(servers.map(({ agents }) => agents.bootstrap()))
  assert.equal(tokens.filter((token) => token !== null).length, 1)
  const { agents } = servers[0]!
  assert.equal(await agents.bootstrap(), null)
  const admin = await enrolWith(agents, tokens.find((token) => token !== null)!.token.reveal())
  assert.equal(admin.spiffeId, "spiffe://example.org/operator/admin")
  assert.equal(await agents.bootstrap(), null)
  const principal = await agents.identify(admin.chain)
  assert.deepEqual(principal.kind === "operator" && principal.roles, ["admin"])
  assert.equal((await deployment.entries("agents.join-token-created"))[0]!.by, "server")
})

test("a first token that expired unused is followed by another for the same operator", async () => {
  await using deployment = await testDeployment()
  const hasty = await deployment.serve({ lifetimes: { joinTokenSeconds: 0 } })
  assert.notEqual(await hasty.agents.bootstrap(), null)
  const { agents } = await deployment.serve()
  await enrolWith(agents, (await agents.bootstrap())!.token.reveal())
  assert.equal((await agents.operators()).length, 1)
})

test("an operator's first token names it; roles given later replace those it has, on every server", async () => {
  await using s = await start()
  const other = await s.deployment.serve()
  const { token } = await s.agents.createJoinToken(roleChange("ann", "auditor"), by)
  const ann = await enrolWith(s.agents, token.reveal())
  const rolesAt = async ({ agents, epoch }: typeof other) => {
    await epoch.refresh()
    const principal = await agents.identify(ann.chain)
    return principal.kind === "operator" ? principal.roles : null
  }
  assert.deepEqual(await rolesAt(other), ["auditor"])
  await s.agents.createJoinToken(roleChange("ann", "operator", "approver"), by)
  assert.deepEqual(await rolesAt(other), ["approver", "operator"])
  await s.agents.createJoinToken({ kind: "operator", name: "ann" }, by)
  assert.deepEqual(await rolesAt(s.server), ["approver", "operator"])
  const events = ["agents.operator-registered", "agents.operator-changed"] as const
  const [registered, changed] = [await s.deployment.entries(events[0]), await s.deployment.entries(events[1])]
  assert.deepEqual(
    registered.map(({ data }) => data?.["operator"]),
    ["admin", "ann"],
  )
  assert.deepEqual(
    changed.map(({ data }) => [data?.["before"], data?.["roles"]]),
    [[["auditor"], ["approver", "operator"]]],
  )
})

test("an operator without roles, or with a name that is none, is not named", async () => {
  await using s = await start()
  await assert.rejects(s.agents.createJoinToken({ kind: "operator", name: "ann" }, by), { code: "not-found" })
  await assert.rejects(s.agents.createJoinToken(roleChange("ann"), by), { code: "not-found" })
  await assert.rejects(s.agents.createJoinToken(roleChange("a/b", "admin"), by), { code: "invalid-request" })
})

test("a retired operator is nobody any more, and the last admin stays", async () => {
  await using s = await start()
  await assert.rejects(s.agents.retireOperator("admin", "left", by), { code: "last-admin" })
  await s.agents.createJoinToken(roleChange("ann", "auditor"), by)
  await assert.rejects(s.agents.retireOperator("admin", "left", by), { code: "last-admin" })
  await s.agents.createJoinToken(roleChange("ann", "admin"), by)
  await s.agents.retireOperator("admin", "left", by)
  await assert.rejects(s.agents.identify(s.admin.chain), { code: "agent-retired" })
  await assert.rejects(s.agents.retireOperator("admin", "left", by), { code: "not-found" })
  assert.equal((await s.deployment.entries("agents.operator-retired")).length, 1)
})

test("an operator and an agent of one name are two", async () => {
  await using s = await start()
  await register(s.server, { admin: bot })
  const agent = await enrolAgent(s.server, "admin")
  assert.equal((await s.agents.identify(agent.chain)).kind, "agent")
  assert.equal((await s.agents.identify(s.admin.chain)).kind, "operator")
})

test("listings show who is enrolled and until when, retired agents last", async () => {
  await using s = await start()
  await register(s.server, { a: bot, b: bot })
  const holder = await enrolAgent(s.server, "b")
  await register(s.server, { b: bot })
  const agents = await s.agents.list()
  assert.deepEqual(
    agents.map(({ name, state, instances }) => [name, state, instances.length]),
    [
      ["b", "active", 1],
      ["a", "retired", 0],
    ],
  )
  assert.equal(agents[0]!.instances[0]!.svidNotAfter, holder.notAfter)
  assert.deepEqual(
    (await s.agents.operators()).map(({ name, roles, instances }) => [name, roles, instances.length]),
    [["admin", ["admin"], 1]],
  )
})
