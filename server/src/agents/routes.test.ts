import assert from "node:assert/strict"
import { test } from "node:test"
import { generateKey, Refusal, type Route } from "#kernel"
import { bot, by, chainOf, enrolWith, register, testDeployment } from "./fixture.ts"
import { events, newSigningRequest, type Principal, routes } from "./index.ts"

type Answer = { [name: string]: unknown }

/** The room's routes over an empty deployment; a call does what api does: parse the body, then handle. */
async function start() {
  const deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { "support-bot": bot })
  const table = routes(server.agents, () => ({ entries: () => [] })) as unknown as Route<Principal | null, unknown>[]
  const call = async (caller: Principal | null, line: string, body?: unknown, params: Record<string, string> = {}) => {
    const [method, path] = line.split(" ")
    const route = table.find((each) => each.method === method && each.path === path)!
    const parsed = route.body?.parse(body)
    const request = { caller, params, query: {}, body: parsed, headers: new Headers(), listener: "agents" as const }
    return (await route.handle(request)) as Answer
  }
  const first = await enrolWith(server.agents, (await server.agents.bootstrap())!.token.reveal())
  await server.epoch.refresh()
  const admin = await server.agents.identify(first.chain)
  return { ...server, deployment, table, call, admin, [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose]() }
}

test("what lets an operator in is asked about first, and what lets an agent in is not", async () => {
  await using s = await start()
  const refusing = { work: () => Promise.reject(new Refusal("second-operator", "never")), entries: () => [] }
  const table = routes(s.agents, () => refusing) as unknown as Route<Principal | null, unknown>[]
  const call = async (path: string, name: string, body: unknown) => {
    const route = table.find((each) => each.method === "POST" && each.path === path)!
    const request = { caller: s.admin, params: { name }, query: {}, body, headers: new Headers(), listener: "agents" }
    return await route.handle(request as never)
  }
  const operator = { name: "mallory", roles: ["approver"] }
  await assert.rejects(call("/v1/agents/operators", "", operator), { code: "second-operator" })
  await assert.rejects(call("/v1/agents/operators/{name}/join-tokens", "admin", {}), { code: "second-operator" })
  assert.equal((await s.agents.operators()).length, 1)
  assert.ok(await call("/v1/agents/{name}/join-tokens", "support-bot", undefined))
})

test("from an operator's call to an instance that renews, over routes alone", async () => {
  await using s = await start()
  const params = { name: "support-bot" }
  const { token } = await s.call(s.admin, "POST /v1/agents/{name}/join-tokens", undefined, params)
  assert.match(String(token), /^[\w-]{43}\.[\w-]{43}$/)
  const csr = newSigningRequest(generateKey().privateKey)
  const enrolled = await s.call(null, "POST /v1/agents/enrolments", { token, csr })
  assert.equal(enrolled["spiffeId"], "spiffe://example.org/agent/support-bot")
  const chain = chainOf(String(enrolled["svid"]))
  const renewed = await s.call(await s.agents.identify(chain), "POST /v1/agents/renewals", { csr })
  assert.equal(renewed["instance"], enrolled["instance"])
  const shown = await s.call(s.admin, "GET /v1/agents/{name}", undefined, params)
  assert.equal((shown["instances"] as unknown[]).length, 1)
  await assert.rejects(s.call(s.admin, "GET /v1/agents/{name}", undefined, { name: "nobody" }), { code: "not-found" })
})

test("an operator is named, given other roles and retired over routes", async () => {
  await using s = await start()
  const params = { name: "ann" }
  await s.call(s.admin, "POST /v1/agents/operators", { name: "ann", roles: ["auditor"] })
  await s.call(s.admin, "POST /v1/agents/operators/{name}/join-tokens", { roles: ["operator"] }, params)
  const { operators } = await s.call(s.admin, "GET /v1/agents/operators")
  assert.deepEqual(
    (operators as { name: string; roles: string[] }[]).map(({ name, roles: held }) => [name, held]),
    [
      ["admin", ["admin"]],
      ["ann", ["operator"]],
    ],
  )
  const retired = await s.call(s.admin, "POST /v1/agents/operators/{name}/retirement", { reason: "left" }, params)
  assert.deepEqual(retired, { name: "ann", state: "retired" })
  const made = await s.deployment.entries("agents.join-token-created")
  assert.deepEqual(made.map((entry) => entry.by).slice(1), [s.admin.spiffeId, s.admin.spiffeId])
})

test("answers have the shapes that their routes declare", async () => {
  await using s = await start()
  await s.agents.createJoinToken({ kind: "agent", name: "support-bot" }, by)
  for (const line of ["GET /v1/agents", "GET /v1/agents/operators", "GET /v1/agents/bundle"]) {
    const route = s.table.find(({ method, path }) => `${method} ${path}` === line)!
    const answer = await s.call(s.admin, line)
    assert.deepEqual(JSON.parse(JSON.stringify(route.answer!.parse(answer))), JSON.parse(JSON.stringify(answer)), line)
  }
})

test("bodies with more than is asked for are refused", async () => {
  await using s = await start()
  for (const [line, body] of [
    ["POST /v1/agents/enrolments", { token: "t", csr: "c", name: "admin" }],
    ["POST /v1/agents/renewals", { csr: "c", spiffeId: "spiffe://example.org/operator/admin" }],
    ["POST /v1/agents/operators", { name: "ann", roles: ["root"] }],
    ["POST /v1/agents/operators", { name: "ann", roles: [] }],
    ["POST /v1/agents/operators/{name}/retirement", {}],
  ] as const) {
    await assert.rejects(s.call(s.admin, line, body), { name: "ZodError" }, line)
  }
})

test("every effect names its events, and fixed paths come before the one with a name", async () => {
  await using s = await start()
  for (const { method, path, events: left } of s.table) {
    assert.equal(left === null, method === "GET", path)
    for (const event of left ?? []) assert.ok(event in events, event)
  }
  const gets = s.table.filter(({ method }) => method === "GET").map(({ path }) => path)
  assert.equal(gets.at(-1), "/v1/agents/{name}")
})
