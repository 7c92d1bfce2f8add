import assert from "node:assert/strict"
import { test } from "node:test"
import { generateKey, systemClock } from "#kernel"
import { openAuthority } from "./authority.ts"
import { bot, by, chainOf, enrolAgent, enrolWith, register, type TestServer, testDeployment } from "./fixture.ts"
import { spkiOf } from "./issue.ts"

const detail = { type: "safeconduct_action" as const, actions: ["credential:read"], locations: ["kb"] }

const change = async ({ agents, audit }: TestServer, to: "suspend" | "resume" | "retire", name: string) =>
  (await audit.commit(agents[to](name, "gone wrong", by))).result

test("replacing registers, changes and retires, records each, and keeps the rest", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { kept: bot, changed: bot, dropped: bot })
  const kept = server.agents.agent("kept")
  const part = { kept: bot, changed: { ...bot, ceiling: [detail], purposes: ["p"] }, added: bot }
  const { result } = await server.audit.commit(server.agents.replace(part, by))
  await server.epoch.refresh()
  const outcome = result.map(({ name, before, after }) => [name, before !== null, after !== null])
  assert.deepEqual(outcome.sort(), [
    ["added", false, true],
    ["changed", true, true],
    ["dropped", true, false],
  ])
  assert.deepEqual(server.agents.current(), part)
  assert.equal(server.agents.agent("kept")?.id, kept?.id)
  assert.equal(server.agents.agent("dropped"), null)
  const changed = (await deployment.entries("agents.changed")).at(-1)!
  assert.deepEqual(changed.data?.["ceiling"], [detail])
  assert.deepEqual(
    (await deployment.entries("agents.retired")).map(({ data }) => data?.["agent"]),
    ["dropped"],
  )
  assert.equal((await deployment.entries("agents.registered")).length, 4)
})

test("the same part again changes nothing and records nothing", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: { ...bot, ceiling: [detail] } })
  const epoch = server.epoch.current
  const { result, entries } = await server.audit.commit(server.agents.replace(server.agents.current(), by))
  assert.deepEqual([result, entries], [[], []])
  assert.equal(await server.epoch.refresh(), epoch)
})

test("how an agent asks people by CIBA is registered, recorded and taken back", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  const plain = { delivery: "poll", network: "public", signed: "required" } as const
  const one = { type: "safeconduct_one_action", actions: ["tool:raise"], locations: ["hr"] } as const
  const standard = [
    { ...one, actions: [...one.actions], locations: [...one.locations], arguments: { employee: "E-7" } },
  ]
  const backchannel = { ...plain, defaultAuthorizationDetails: standard }
  await register(server, { a: { ...bot, backchannel } })
  assert.deepEqual(server.agents.agent("a")!.backchannel, backchannel)
  assert.deepEqual((await deployment.entries("agents.registered"))[0]!.data?.["backchannel"], {
    ...plain,
    // What an action is done with is in no entry.
    defaultAuthorizationDetails: [one],
  })
  await register(server, { a: bot })
  assert.ok(!("backchannel" in server.agents.agent("a")!))
  assert.deepEqual(server.agents.current(), { a: bot })
})

test("an owner is personal: the leaf holds a commitment to it only", async () => {
  await using deployment = await testDeployment()
  await register(await deployment.serve(), { a: bot })
  const [registered] = await deployment.entries("agents.registered")
  assert.ok(registered!.commitments?.["owner"])
  assert.ok(!JSON.stringify(registered).includes(bot.owner))
})

test("applying the file again does not resume a suspended agent", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  await change(server, "suspend", "a")
  await register(server, { a: { ...bot, purposes: ["p"] } })
  assert.equal(server.agents.agent("a")?.state, "suspended")
})

test("a name registered anew is another agent: the old instances stay retired", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  const old = await enrolAgent(server, "a")
  const before = await server.agents.identify(old.chain)
  await register(server, {})
  await assert.rejects(server.agents.identify(old.chain), { code: "agent-retired" })
  await register(server, { a: bot })
  await assert.rejects(server.agents.identify(old.chain), { code: "agent-retired" })
  const anew = await server.agents.identify((await enrolAgent(server, "a")).chain)
  assert.equal(anew.spiffeId, before.spiffeId)
  assert.ok(anew.kind === "agent" && before.kind === "agent" && anew.agentId !== before.agentId)
})

test("suspended on one server, an agent is refused on another within a second and its name is told there", async () => {
  await using deployment = await testDeployment()
  const [one, two] = [await deployment.serve(), await deployment.serve()]
  await register(one, { a: bot, b: bot })
  await two.epoch.refresh()
  const [a, b] = [await enrolAgent(one, "a"), await enrolAgent(one, "b")]
  await two.agents.identify(a.chain)
  const told = new Promise<{ names: string[]; atMs: number }>((resolve) => {
    two.agents.onStopped((names) => resolve({ names: [...names], atMs: performance.now() }))
  })
  const beganMs = performance.now()
  await change(one, "suspend", "a")
  const { names, atMs } = await told
  assert.deepEqual(names, ["a"])
  assert.ok(atMs - beganMs < 1_000, `took ${atMs - beganMs} ms`)
  await assert.rejects(two.agents.identify(a.chain), { code: "agent-suspended" })
  await assert.rejects(two.agents.identify(a.chain, { forRenewal: true }), { code: "agent-suspended" })
  assert.equal((await two.agents.identify(b.chain)).name, "b")
})

test("a suspended agent that is resumed acts again, and a retired one never", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  const { chain } = await enrolAgent(server, "a")
  await change(server, "suspend", "a")
  await server.epoch.refresh()
  await assert.rejects(server.agents.identify(chain), { code: "agent-suspended" })
  await change(server, "resume", "a")
  await server.epoch.refresh()
  assert.equal((await server.agents.identify(chain)).name, "a")
  await change(server, "retire", "a")
  await server.epoch.refresh()
  await assert.rejects(server.agents.identify(chain), { code: "agent-retired" })
  await assert.rejects(change(server, "resume", "a"), { code: "not-found" })
})

test("a state that holds already is no change and no entry; a reason is personal", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  assert.equal((await change(server, "resume", "a")).isChanged, false)
  assert.equal((await change(server, "suspend", "a")).isChanged, true)
  assert.equal((await change(server, "suspend", "a")).isChanged, false)
  const suspended = await deployment.entries("agents.suspended")
  assert.equal(suspended.length, 1)
  assert.ok(suspended[0]!.commitments?.["reason"])
  assert.ok(!JSON.stringify(suspended).includes("gone wrong"))
  assert.deepEqual(await deployment.entries("agents.resumed"), [])
  await assert.rejects(change(server, "suspend", "nobody"), { code: "not-found" })
})

test("whoever listens late is told who is stopped already", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot, b: bot, c: bot })
  await change(server, "suspend", "a")
  await register(server, { a: bot, b: bot })
  const told: string[][] = []
  const other = await deployment.serve()
  other.agents.onStopped((names) => told.push([...names].sort()))
  assert.deepEqual(told, [["a", "c"]])
})

test("a known instance is identified without the database", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot })
  const { chain } = await enrolAgent(server, "a")
  const counted = { queries: 0 }
  const { database } = deployment.store
  const counting = {
    ...database,
    query: ((text: string, values?: unknown[]) => {
      if (text.includes("agents.instances")) counted.queries += 1
      return database.query(text, values)
    }) as typeof database.query,
  }
  const other = await deployment.serve({ database: counting })
  counted.queries = 0
  for (let time = 0; time < 3; time++) await other.agents.identify(chain)
  assert.equal(counted.queries, 1)
})

test("an enrolled key under another name, or a good name with another key, is not an identity", async () => {
  await using deployment = await testDeployment()
  const server = await deployment.serve()
  await register(server, { a: bot, b: bot })
  const { token } = await server.agents.createJoinToken({ kind: "agent", name: "a" }, by)
  const holder = await enrolWith(server.agents, token.reveal())
  assert.equal((await server.agents.identify(holder.chain)).name, "a")
  // What a thief of the authority's key could issue: right in every respect, for keys that nobody enrolled.
  const parts = { database: deployment.store.database, keyring: deployment.keyring, clock: systemClock }
  const authority = await openAuthority({ ...parts, audit: server.audit, trustDomain: "example.org", svidSeconds: 60 })
  const forged = (spiffeId: string, spki: Uint8Array) => chainOf(authority.issue({ spki, spiffeId }).pem)
  const enrolledSpki = spkiOf(holder.privateKey)
  assert.equal((await server.agents.identify(forged("spiffe://example.org/agent/a", enrolledSpki))).name, "a")
  for (const [uri, spki] of [
    ["spiffe://example.org/agent/a", generateKey().spki],
    ["spiffe://example.org/agent/b", enrolledSpki],
    ["spiffe://example.org/operator/a", enrolledSpki],
    ["spiffe://example.org/server", enrolledSpki],
  ] as const) {
    await assert.rejects(server.agents.identify(forged(uri, spki)), { code: "identity-unknown" }, uri)
  }
})
