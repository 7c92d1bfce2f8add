import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import type { JoinRequest } from "#agents"
import { type Database, Refusal } from "#kernel"
import { document } from "../fixture.ts"
import { openTestPdp, type Reply, type TestPdp } from "./fixture.ts"

const EVALUATION = "/access/v1/evaluation"
const endpoints = [EVALUATION, "/access/v1/evaluations", ...["subject", "resource", "action"].map(searchPath)]
const question = {
  subject: { type: "user", id: "alice" },
  action: { name: "read" },
  resource: { type: "record", id: "record-1" },
}

/** Our database with a plug: pulled, every statement fails as if it could not be reached. */
const plug = { isPulled: false }
function plugged(database: Database): Database {
  const refuse = () => {
    if (plug.isPulled) throw new Refusal("store-unavailable", "The plug is pulled.")
  }
  return new Proxy(database, {
    get(target, name: keyof Database) {
      const value = target[name]
      if (typeof value !== "function") return value
      return (...given: never[]) => {
        if (name === "query" || name === "transaction") refuse()
        return (value as (...given: never[]) => unknown).apply(target, given)
      }
    },
  })
}

let pdp: TestPdp
before(async () => {
  pdp = await openTestPdp({ database: plugged })
})
after(() => pdp[Symbol.asyncDispose]())

function searchPath(what: string): string {
  return `/access/v1/search/${what}`
}
const codeOf = ({ json }: Reply) => (json as { code?: string } | null)?.code
const allowed = ({ json }: Reply) => (json as { decision: boolean }).decision

test("nobody, an agent, and an operator whose role may not ask are refused at every endpoint, and nothing is recorded", async () => {
  await pdp.apply(document)
  const count = (await pdp.asked()).length
  const callers: [JoinRequest | null, number, string][] = [
    [null, 401, "no-identity"],
    [{ kind: "agent", name: "bot" }, 403, "wrong-role"],
    [{ kind: "operator", name: "ann", roles: ["approver"] }, 403, "wrong-role"],
  ]
  for (const [caller, status, code] of callers) {
    for (const path of endpoints) {
      const reply = await pdp.as(caller, path, { body: question })
      assert.deepEqual([reply.status, codeOf(reply)], [status, code], `${path} ${JSON.stringify(caller)}`)
    }
  }
  assert.equal((await pdp.asked()).length, count)
  await pdp.apply({})
})

test("the metadata is public, and names the base by which it was found", async () => {
  const reply = await pdp.as(null, "/.well-known/authzen-configuration", { method: "GET" })
  assert.equal((reply.json as { policy_decision_point: string }).policy_decision_point, pdp.server.agentsUrl)
  const onWeb = await fetch(new URL("/.well-known/authzen-configuration", pdp.server.webUrl))
  const metadata = (await onWeb.json()) as Record<string, string>
  assert.equal(metadata["policy_decision_point"], pdp.server.configuration.issuer)
  assert.equal(metadata["access_evaluation_endpoint"], `${pdp.server.agentsUrl}${EVALUATION}`)
  assert.equal((await fetch(new URL(EVALUATION, pdp.server.webUrl), { method: "POST" })).status, 404)
})

test("one entry is recorded for each request, and names nobody outside of its commitments", async () => {
  const from = (await pdp.asked()).length
  const secret = "patient-4711"
  const resource = { ...question.resource, id: secret, properties: { diagnosis: secret } }
  const headers = { "x-request-id": secret }
  const reply = await pdp.post(EVALUATION, { body: { ...question, resource, context: { ward: secret } }, headers })
  const evaluations = [{ action: { name: "write" } }, { resource }, {}]
  await pdp.post("/access/v1/evaluations", { body: { ...question, evaluations, action: {} } })
  await pdp.post(searchPath("subject"), { body: { ...question, subject: { type: "user" } } })
  const leaves = (await pdp.asked()).slice(from)
  const version = pdp.server.rooms.policy.version()!.digest
  assert.deepEqual(
    leaves.map(({ by, data }) => ({ by, ...data })),
    [
      { kind: "evaluation", verdicts: ["allow"], policies: ["staff-reads"], policyVersion: version },
      {
        kind: "evaluations",
        verdicts: ["allow", "incomplete", "incomplete"],
        policies: ["alice-writes-what-is-not-archived"],
        policyVersion: version,
      },
      { kind: "search-subject", results: 2, examined: 2, policyVersion: version },
    ].map((each) => ({ by: `spiffe://${pdp.server.trustDomain}/operator/gateway`, ...each })),
  )
  assert.doesNotMatch(JSON.stringify(leaves), /patient-4711|alice"|bob|record-1/)
  assert.deepEqual(Object.keys(leaves[0]!.commitments!).sort(), ["request", "requestId"])
  const { entry } = (reply.json as { context: { entry: string } }).context
  const { disclosures } = await pdp.server.rooms.audit.entry(entry)
  assert.deepEqual(disclosures!["requestId"]!.value, secret)
  assert.deepEqual((disclosures!["request"]!.value as typeof question).resource, resource)
})

test("what cannot be recorded is not answered", async () => {
  plug.isPulled = true
  try {
    for (const path of endpoints) {
      const reply = await pdp.post(path, { body: question })
      assert.deepEqual([reply.status, codeOf(reply)], [503, "store-unavailable"], path)
      assert.doesNotMatch(reply.text, /"decision"|"results"/)
    }
  } finally {
    plug.isPulled = false
  }
  assert.equal(allowed(await pdp.post(EVALUATION, { body: question })), true)
})

test("too many evaluations, too deep and too large bodies are refused as a whole", async () => {
  const many = (count: number) => ({ ...question, evaluations: Array.from({ length: count }, () => ({})) })
  const most = await pdp.post("/access/v1/evaluations", { body: many(256) })
  assert.equal((most.json as { evaluations: unknown[] }).evaluations.length, 256)
  assert.equal((await pdp.post("/access/v1/evaluations", { body: many(257) })).status, 400)
  const deep = JSON.parse(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`)
  const reply = await pdp.post(EVALUATION, { body: { ...question, context: deep } })
  assert.deepEqual([reply.status, codeOf(reply)], [400, "malformed-json"])
  const large = await pdp.post(EVALUATION, { body: { ...question, context: { text: "x".repeat(70_000) } } })
  assert.deepEqual([large.status, codeOf(large)], [413, "body-too-large"])
})

test("a configuration of several hundred kilobytes is applied, and one beyond a megabyte refused in words", async () => {
  const padded = (length: number) => ({ policies: [{ file: "a.cedar", text: `// ${"x".repeat(length)}` }] })
  await pdp.apply(padded(400_000))
  assert.equal(pdp.server.rooms.policy.inForce().files[0]!.text.length, 400_003)
  await assert.rejects(pdp.apply(padded(1_100_000)), /body-too-large.*1048576 bytes/)
  await pdp.apply({})
})

test("the two semantics that end early end there, and an unknown one is refused", async () => {
  const evaluations = ["read", "write", "read"].map((name) => ({ action: { name } }))
  const ask = async (evaluations_semantic: string) => {
    const body = { ...question, subject: { type: "user", id: "bob" }, evaluations, options: { evaluations_semantic } }
    const { status, json } = await pdp.post("/access/v1/evaluations", { body })
    if (status !== 200) return status
    return (json as { evaluations: { decision: boolean }[] }).evaluations.map(({ decision }) => decision)
  }
  assert.deepEqual(await ask("execute_all"), [true, false, true])
  assert.deepEqual(await ask("deny_on_first_deny"), [true, false])
  assert.deepEqual(await ask("permit_on_first_permit"), [true])
  assert.equal(await ask("whatever"), 400)
})

test("an approval that a policy wants is no permission, and the answer says that one is wanted", async () => {
  const text = `@id("p") permit(principal is records::user, action, resource is records::record);
    @id("f") @ask("user") @reason("Somebody must agree.") forbid(principal is records::user, action, resource is records::record);`
  await pdp.apply({ policies: [{ file: "ask.cedar", text }] })
  const { json } = await pdp.post(EVALUATION, { body: question })
  const { decision, context } = json as { decision: boolean; context: Record<string, unknown> }
  assert.equal(decision, false)
  assert.equal(context["approval_needed"], "user")
  assert.deepEqual(context["reason_admin"], { en: "Somebody must agree." })
  assert.deepEqual((await pdp.asked()).at(-1)!.data!["verdicts"], ["ask"])
  await pdp.apply({})
})

test("an agent of ours that is suspended is denied, whatever policies say", async () => {
  const text = '@id("any") permit(principal, action, resource);'
  const more = {
    ...document,
    policies: [{ file: "any.cedar", text }],
    schemas: [
      {
        file: "a.cedarschema",
        text: "namespace app { entity thing; action use appliesTo { principal: agents::Agent, resource: thing }; }",
      },
    ],
    entities: [],
  }
  await pdp.apply(more)
  const ask = async (name: string) => {
    const body = {
      subject: { type: "agents::Agent", id: name },
      action: { name: "use" },
      resource: { type: "thing", id: "1" },
    }
    return allowed(await pdp.post(EVALUATION, { body }))
  }
  assert.deepEqual([await ask("bot"), await ask("nobody")], [true, false])
  const { audit, agents, epoch } = pdp.server.rooms
  await audit.commit(agents.suspend("bot", "of a test", "server"))
  // Its memory is behind until the epoch is read: the entry's commit tells, and the question is asked again.
  assert.equal(await ask("bot"), false)
  await audit.commit(agents.resume("bot", "of a test", "server"))
  await epoch.refresh()
  assert.equal(await ask("bot"), true)
  await pdp.apply({})
})

test("an agent's ceiling and its purposes bound what is answered about our own resources", async () => {
  const text = '@id("any") permit(principal, action, resource);'
  await pdp.apply({ ...document, policies: [{ file: "any.cedar", text }], schemas: [], entities: [] })
  const ask = async (operation: string, purpose = "answer") => {
    const body = {
      subject: { type: "agents::Agent", id: "bot" },
      action: { name: "tool", properties: { operation } },
      resource: { type: "credentials::Resource", id: "kb" },
      context: { purpose },
    }
    return allowed(await pdp.post(EVALUATION, { body }))
  }
  assert.deepEqual([await ask("ask"), await ask("delete"), await ask("ask", "refunds")], [true, false, false])
  await pdp.apply({})
})

test("a page token of another version is refused", async () => {
  const body = { ...question, subject: { type: "user" }, page: { limit: 1 } }
  const { json } = await pdp.post(searchPath("subject"), { body })
  const token = (json as { page: { next_token: string } }).page.next_token
  await pdp.apply({ policies: [] })
  assert.equal((await pdp.post(searchPath("subject"), { body: { ...body, page: { token } } })).status, 400)
  await pdp.apply({})
  assert.equal((await pdp.post(searchPath("subject"), { body: { ...body, page: { token } } })).status, 200)
  assert.equal((await pdp.post(searchPath("subject"), { body: { ...body, page: { token: "x" } } })).status, 400)
})

test("a stored version that is broken answers nothing", async () => {
  const { store } = pdp.deployment
  await store.owner.query(
    `insert into policy.versions (digest, document, applied_by) values ('altered', '{"policies": []}', 'somebody')`,
  )
  await store.owner.query("update policy.in_force set digest = 'altered'")
  await store.owner.query("update kernel.epoch set epoch = epoch + 1")
  await pdp.server.rooms.epoch.refresh()
  const count = (await pdp.asked()).length
  for (const path of endpoints) {
    const reply = await pdp.post(path, { body: question })
    assert.deepEqual([reply.status, codeOf(reply)], [503, "policy-broken"], path)
  }
  assert.equal((await pdp.asked()).length, count)
})
