/**
 * The AuthZEN Authorization API 1.0 certification scenario, all levels (openid/authzen,
 * certification/authorization-api-1_0-scenario.md of 2026): each case by its id, over mutual TLS against a real server. The
 * scenario itself judges structure and the decisions of its fixture; requests are its data.
 */
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { openTestPdp, type Reply, type TestPdp } from "./fixture.ts"

let pdp: TestPdp
before(async () => {
  pdp = await openTestPdp()
})
after(() => pdp[Symbol.asyncDispose]())

const EVALUATION = "/access/v1/evaluation"
const EVALUATIONS = "/access/v1/evaluations"
const search = (what: string) => `/access/v1/search/${what}`

const alice = { type: "user", id: "alice" }
const bob = { type: "user", id: "bob" }
const record1 = { type: "record", id: "record-1" }
const record2 = { type: "record", id: "record-2" }
const action = (name: string, properties?: object) => ({ name, ...(properties === undefined ? {} : { properties }) })
const archived = { ...record2, properties: { status: "archived" } }
const admin = { ...bob, properties: { role: "admin" } }

/** C-5: every successful answer is 200 with JSON. */
async function ask(path: string, body: object, headers: Record<string, string> = {}): Promise<Reply> {
  const reply = await pdp.post(path, { body, headers })
  assert.equal(reply.status, 200, reply.text)
  assert.match(String(reply.headers["content-type"]), /^application\/json(;|$)/)
  return reply
}

type Decided = { decision: boolean; context?: object }
/** C-2-3: a boolean decision; a context, where there is one, is an object. */
function decided(one: Decided): boolean {
  assert.equal(typeof one.decision, "boolean")
  if ("context" in one)
    assert.ok(typeof one.context === "object" && one.context !== null && !Array.isArray(one.context))
  return one.decision
}
const evaluate = async (body: object) => decided((await ask(EVALUATION, body)).json)

/** C-3-3: as many as were asked for, in that order, each with its decision. */
async function evaluateAll(body: { evaluations: object[]; [member: string]: unknown }): Promise<boolean[]> {
  const { evaluations } = (await ask(EVALUATIONS, body)).json as { evaluations: Decided[] }
  assert.equal(evaluations.length, body.evaluations.length)
  return evaluations.map(decided)
}

type Found = { results: { type?: string; id?: string; name?: string }[]; page?: { next_token: string } }
/** C-4: results is a list; entities carry the type that was asked for, actions a name; C-4-5-3 for the page. */
async function find(what: "subject" | "resource" | "action", body: object): Promise<string[]> {
  const { results, page } = (await ask(search(what), body)).json as Found
  assert.ok(Array.isArray(results))
  assert.equal(typeof page?.next_token, "string")
  if (what === "action") return results.map(({ name }) => name!)
  const { type: wanted } = (body as { [what: string]: { type: string } })[what]!
  for (const { type, id } of results) assert.deepEqual([type, typeof id], [wanted, "string"])
  return results.map(({ id }) => id!)
}

async function refused(path: string, body: unknown, headers: Record<string, string> = {}): Promise<void> {
  const reply = await pdp.post(path, { body, headers })
  assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.text}`)
}

const fixture = { subject: alice, action: action("read"), resource: record1 }

const single: [id: string, what: string, body: object, expected: boolean][] = [
  ["C-2-2-1", "permit", fixture, true],
  ["C-2-2-2", "deny", { subject: bob, action: action("write"), resource: record1 }, false],
  ["C-2-2-3", "optional context", { ...fixture, context: { time: "2025-06-27T18:03-07:00", ip: "192.168.1.1" } }, true],
  ["C-2-2-4", "deny by resource properties", { subject: alice, action: action("write"), resource: archived }, false],
  ["C-2-2-5", "permit by subject properties", { subject: admin, action: action("write"), resource: archived }, true],
  ["C-2-2-6", "permit by action properties", { ...fixture, action: action("delete", { soft: true }) }, true],
  ["C-2-2-7", "deny by action properties", { ...fixture, action: action("delete", { soft: false }) }, false],
  [
    "C-2-2-8",
    "additional properties",
    {
      subject: { ...alice, properties: { department: "Sales", role: "manager" } },
      action: action("read", { method: "GET" }),
      resource: { ...record1, properties: { status: "active", owner: "bob" } },
    },
    true,
  ],
  ["C-2-2-9", "unknown fields", { ...fixture, foo: "bar", futureField: { nested: true } }, true],
  ["C-1-4 rule 2", "identifiers alone", { ...fixture, action: action("write") }, true],
  ["C-1-4 rule 3", "identifiers alone", { ...fixture, subject: bob }, true],
]
for (const [id, what, body, expected] of single) {
  test(`${id} evaluation: ${what}`, async () => {
    assert.equal(await evaluate(body), expected)
  })
}

test("C-2-3 the response is JSON with a boolean decision, and its context an object", async () => {
  const { json } = await ask(EVALUATION, fixture)
  assert.equal(decided(json), true)
  assert.equal(typeof (json as { context: object }).context, "object")
})

test("C-2-4-1 a missing required field is 400", async () => {
  const { subject, action: doing, resource } = fixture
  for (const body of [
    { action: doing, resource },
    { subject, resource },
    { subject, action: doing },
  ]) {
    await refused(EVALUATION, body)
  }
})

test("C-2-4-2 a missing required sub-field is 400", async () => {
  await refused(EVALUATION, { ...fixture, subject: { id: "alice" } })
  await refused(EVALUATION, { ...fixture, subject: { type: "user" } })
  await refused(EVALUATION, { ...fixture, action: {} })
  await refused(EVALUATION, { ...fixture, resource: { id: "record-1" } })
  await refused(EVALUATION, { ...fixture, resource: { type: "record" } })
})

test("C-2-4-3 another content type is 400", async () => {
  for (const type of ["text/plain", "application/xml", "application/x-www-form-urlencoded"]) {
    await refused(EVALUATION, JSON.stringify(fixture), { "content-type": type })
  }
})

test("C-2-4-4 malformed JSON is 400", () => refused(EVALUATION, '{"subject": '))

test("C-2-4-5 an empty body is 400", async () => {
  await refused(EVALUATION, "")
  await refused(EVALUATION, undefined)
})

test("C-2-4-6 a field of another type is 400", async () => {
  await refused(EVALUATION, { ...fixture, subject: "alice" })
  await refused(EVALUATION, { ...fixture, action: { name: 123 } })
})

test("C-2-4 the errors of one evaluation are those of every endpoint", async () => {
  for (const path of [EVALUATIONS, search("subject"), search("resource"), search("action")]) {
    await refused(path, "{")
    await refused(path, "")
    await refused(path, JSON.stringify(fixture), { "content-type": "text/plain" })
    await refused(path, { ...fixture, subject: "alice" })
  }
})

test("C-2-5-1 an X-Request-ID comes back, with a refusal too", async () => {
  const id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
  for (const path of [EVALUATION, EVALUATIONS, search("subject"), search("resource"), search("action")]) {
    for (const body of [fixture, {}]) {
      const { headers } = await pdp.post(path, { body, headers: { "x-request-id": id } })
      assert.equal(headers["x-request-id"], id)
    }
  }
})

test("C-2-5-2 without an X-Request-ID nothing fails", async () => {
  assert.equal((await ask(EVALUATION, fixture)).status, 200)
})

test("C-2-6 the same request gets the same decision", async () => {
  for (let round = 0; round < 10; round += 1) assert.equal(await evaluate(fixture), true)
})

test("C-3-2-1 evaluations with defaults", async () => {
  const defaults = { subject: alice, action: action("read") }
  await evaluateAll({ ...defaults, evaluations: [{ resource: record1 }, { resource: record2 }] })
})

test("C-3-2-2 evaluations of the fixture, in order", async () => {
  const evaluations = [{ action: action("read") }, { action: action("write") }]
  assert.deepEqual(await evaluateAll({ subject: bob, resource: record1, evaluations }), [true, false])
})

test("C-3-2-3 resource properties by evaluation", async () => {
  const active = { ...record1, properties: { status: "active" } }
  const evaluations = [{ resource: active }, { resource: archived }]
  assert.deepEqual(await evaluateAll({ subject: alice, action: action("write"), evaluations }), [true, false])
})

test("C-3-2-4 subject properties by evaluation", async () => {
  const evaluations = [{ subject: alice }, { subject: admin }]
  assert.deepEqual(await evaluateAll({ action: action("write"), resource: archived, evaluations }), [false, true])
})

test("C-3-2-5 evaluations without defaults", async () => {
  const evaluations = [fixture, { subject: bob, action: action("write"), resource: record1 }]
  assert.deepEqual(await evaluateAll({ evaluations }), [true, false])
})

test("C-3-2-6 a default context, overridden by one evaluation", async () => {
  await evaluateAll({
    subject: alice,
    action: action("read"),
    context: { time: "2025-06-27T18:03-07:00" },
    evaluations: [
      { resource: record1 },
      { resource: record2, context: { time: "2025-06-27T19:00-07:00", source: "batch-override" } },
    ],
  })
})

test("C-3-2-7 a default type under an evaluation's own id and properties", async () => {
  const evaluations = [{ resource: { id: "record-1", properties: { status: "active" } } }, { resource: archived }]
  const defaults = { subject: alice, action: action("write"), resource: { type: "record" } }
  assert.deepEqual(await evaluateAll({ ...defaults, evaluations }), [true, false])
})

test("C-3-3 as many evaluations as were asked for, in their order, without a decision at the top", async () => {
  const doing = ["write", "read", "write", "read", "read"]
  const body = { subject: bob, resource: record1, evaluations: doing.map((name) => ({ action: action(name) })) }
  assert.deepEqual(await evaluateAll(body), [false, true, false, true, true])
  assert.ok(!("decision" in ((await ask(EVALUATIONS, body)).json as object)))
})

test("C-3-4-1 an evaluation that is not whole is denied by itself", async () => {
  const defaults = { subject: alice, action: action("read") }
  assert.deepEqual(await evaluateAll({ ...defaults, evaluations: [{ resource: record1 }, {}] }), [true, false])
})

for (const [id, what, more] of [
  ["C-3-4-2", "missing", {}],
  ["C-3-4-3", "empty", { evaluations: [] }],
] as const) {
  test(`${id} evaluations ${what}: the single evaluation of the top`, async () => {
    assert.equal(decided((await ask(EVALUATIONS, { ...fixture, ...more })).json), true)
  })
}

test("C-4-2-1 subject search", async () => {
  const found = await find("subject", { ...fixture, subject: { type: "user" } })
  assert.ok(found.includes("alice") && found.includes("bob"))
})

test("C-4-2-2 subject search with context", async () => {
  const context = { time: "2025-06-27T18:03-07:00" }
  assert.ok((await find("subject", { ...fixture, subject: { type: "user" }, context })).includes("alice"))
})

test("C-4-2-3 subject search ignores a subject's id", async () => {
  const found = await find("subject", { ...fixture, subject: { type: "user", id: "nobody" } })
  assert.ok(found.includes("alice") && !found.includes("nobody"))
})

test("C-4-2-4 subject search with resource properties", async () => {
  const found = await find("subject", { subject: { type: "user" }, action: action("write"), resource: archived })
  assert.deepEqual(found, ["bob"])
})

test("C-4-3-1 resource search", async () => {
  assert.ok((await find("resource", { ...fixture, resource: { type: "record" } })).includes("record-1"))
})

test("C-4-3-2 resource search ignores a resource's id", async () => {
  const found = await find("resource", { ...fixture, resource: { type: "record", id: 7 } })
  assert.ok(found.includes("record-1"))
})

test("C-4-3-3 resource search with subject properties", async () => {
  const body = { subject: admin, action: action("write"), resource: { type: "record" } }
  assert.deepEqual(await find("resource", body), ["record-2"])
})

test("C-4-4-1 action search", async () => {
  assert.deepEqual(await find("action", { subject: alice, resource: record1 }), ["read", "write"])
})

test("C-4-4-2 action search with context", async () => {
  const context = { time: "2025-06-27T18:03-07:00" }
  assert.ok((await find("action", { subject: alice, resource: record1, context })).includes("read"))
})

test("C-4-4-3 action search with properties", async () => {
  assert.ok((await find("action", { subject: admin, resource: archived })).includes("write"))
})

test("C-4-5 a page has at most its limit, and its token leads through everything to an empty one", async () => {
  const body = { ...fixture, subject: { type: "user" } }
  const seen: string[] = []
  let page: object = { limit: 1 }
  for (let rounds = 0; ; rounds += 1) {
    assert.ok(rounds < 5)
    const reply = (await ask(search("subject"), { ...body, page })).json as Required<Found>
    assert.ok(reply.results.length <= 1)
    seen.push(...reply.results.map(({ id }) => id!))
    if (reply.page.next_token === "") break
    page = { token: reply.page.next_token, limit: 1 }
  }
  assert.deepEqual(seen, ["alice", "bob"])
  const [first] = [(await ask(search("subject"), { ...body, page: { limit: 1 } })).json as Required<Found>]
  const rest = (await ask(search("subject"), { ...body, page: { token: first.page.next_token } }))
    .json as Required<Found>
  assert.equal(rest.page.next_token, "")
})

test("C-4-6-1 an unknown identifier finds nothing", async () => {
  assert.deepEqual(await find("action", { subject: { type: "user", id: "nonexistent-user" }, resource: record1 }), [])
  const nothing = { subject: { type: "user" }, action: action("write"), resource: { type: "record", id: "none" } }
  assert.deepEqual(await find("subject", { ...nothing, action: action("delete") }), [])
})

test("C-4-6-2 an unknown type finds nothing", async () => {
  assert.deepEqual(await find("subject", { ...fixture, subject: { type: "spaceship" } }), [])
  assert.deepEqual(await find("resource", { ...fixture, resource: { type: "spaceship" } }), [])
  assert.deepEqual(await find("action", { subject: { type: "spaceship", id: "1" }, resource: record1 }), [])
  assert.deepEqual(await find("subject", { ...fixture, subject: { type: "user" }, action: action("fly") }), [])
})

test("C-4-7-1 a search without a required field is 400", async () => {
  await refused(search("subject"), { subject: { type: "user" }, resource: record1 })
  await refused(search("resource"), { action: action("read"), resource: { type: "record" } })
  await refused(search("action"), { subject: alice })
})

test("C-4-7-2 a search without a required sub-field is 400", async () => {
  await refused(search("subject"), { ...fixture, subject: { type: "user" }, resource: { type: "record" } })
  await refused(search("resource"), { ...fixture, subject: { type: "user" }, resource: { type: "record" } })
})

test("C-6 the metadata names the base that it was found by, and every endpoint answers where it says", async () => {
  const { agentsUrl } = pdp.server
  const reply = await pdp.post("/.well-known/authzen-configuration", { method: "GET" })
  assert.equal(reply.status, 200)
  assert.match(String(reply.headers["content-type"]), /^application\/json(;|$)/)
  const { capabilities, ...named } = reply.json as { capabilities: string[] } & Record<string, string>
  const { policy_decision_point: base, access_request_endpoint: requests, ...endpoints } = named
  assert.equal(base, agentsUrl)
  assert.deepEqual(capabilities, ["urn:openid:authzen:capability:access-request"])
  // It is there, and none of what who only asks policy may do: nobody is asked by an auditor.
  assert.equal((await pdp.post(new URL(requests!).pathname, { body: fixture })).status, 403)
  assert.deepEqual(Object.keys(endpoints).sort(), [
    "access_evaluation_endpoint",
    "access_evaluations_endpoint",
    "search_action_endpoint",
    "search_resource_endpoint",
    "search_subject_endpoint",
  ])
  for (const endpoint of Object.values(endpoints)) {
    assert.equal(new URL(endpoint).protocol, "https:")
    const { status } = await pdp.post(new URL(endpoint).pathname, { body: fixture })
    assert.equal(status, 200, endpoint)
  }
})
