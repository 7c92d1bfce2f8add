import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { Refusal } from "#kernel"
import { readCases, runCase } from "./cases.ts"
import { explain } from "./explanation.ts"
import { openRehearsal } from "./rehearsal.ts"
import { simulate } from "./simulate.ts"

const folder = mkdtempSync(join(tmpdir(), "safeconduct-cases-"))
after(() => rmSync(folder, { recursive: true }))

const detail = (actions: string[], more: object = {}) => ({
  type: "safeconduct_action",
  actions,
  locations: ["kb"],
  ...more,
})
const kb = {
  engine: "postgres",
  host: "127.0.0.1",
  database: "kb",
  tls: "disable",
  operations: { read: { groupRole: "r" } },
}
const policies = (text: string) => [{ file: "kb.cedar", text }]
const readOnly = `@id("reads") permit(principal == agents::Agent::"bot", action, resource is credentials::Resource) when { context.operation == "read" };
@id("no-labels") @reason("Not after reading the web.") forbid(principal, action, resource is credentials::Resource) when { context.labels.contains("untrusted") };`
const base = {
  purposes: { answer: { description: "Answer", actions: [detail(["credential:read", "tool:read", "tool:pay"])] } },
  resources: { kb },
  agents: {
    bot: {
      owner: "o@example.org",
      purposes: ["answer"],
      ceiling: [detail(["credential:read", "tool:read", "tool:write"])],
    },
  },
  policies: policies(readOnly),
}
const rehearsal = openRehearsal(base)

const file = (text: string, name = "kb.test.yaml") => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const run = (text: string) => readCases(file(text)).map((each) => runCase(rehearsal, each))

test("a case passes when verdict, policies and what decided are as expected, and says which are not", () => {
  const results = run(`cases:
  - { title: reads, agent: bot, purpose: answer, operation: read, resource: kb, expect: allow, policies: [reads] }
  - { title: labels, agent: bot, purpose: answer, operation: read, resource: kb, labels: [untrusted], expect: deny, policies: [no-labels] }
  - { title: ceiling, agent: bot, purpose: answer, action: tool, operation: pay, resource: kb, expect: deny, by: ceiling }
  - { title: mandate, agent: bot, purpose: answer, action: tool, operation: write, resource: kb, expect: deny, by: mandate }
  - { title: agent, agent: bob, purpose: answer, operation: read, resource: kb, expect: deny, by: agent }
  - { title: wrong, agent: bot, purpose: answer, operation: read, resource: kb, expect: deny, policies: [no-labels], by: ceiling }
`)
  assert.deepEqual(
    results.map(({ title, isPassed }) => [title, isPassed]),
    ["reads", "labels", "ceiling", "mandate", "agent", "wrong"].map((title) => [title, title !== "wrong"]),
  )
  const wrong = results.at(-1)!
  assert.equal(wrong.line, 7)
  assert.deepEqual(wrong.differences, [
    "verdict: expected deny, is allow",
    "decided by: expected ceiling, is policy",
    "policies: expected no-labels, are reads",
  ])
})

test("a question of another enforcement point is a case too", () => {
  const path = file(
    JSON.stringify({
      cases: [
        {
          title: "x",
          question: {
            subject: { type: "agents::Agent", id: "bot" },
            action: { name: "credential", properties: { operation: "read" } },
            resource: { type: "credentials::Resource", id: "kb" },
            context: { purpose: "answer" },
          },
          expect: "allow",
        },
      ],
    }),
    "kb.test.json",
  )
  assert.deepEqual(
    readCases(path).map((each) => runCase(rehearsal, each).isPassed),
    [true],
  )
})

test("a case file with a member that nothing reads, or without cases, is refused where it stands", () => {
  const refused = (text: string, place: string) => {
    assert.throws(
      () => readCases(file(text)),
      (error) => error instanceof Refusal && error.code === "policy-invalid" && error.message.includes(place),
      text,
    )
  }
  const whole =
    "title: a\n    agent: bot\n    purpose: answer\n    operation: read\n    resource: kb\n    expect: allow\n"
  refused(`cases:\n  - ${whole}    polices: [reads]\n`, "kb.test.yaml:8:14")
  refused(`cases:\n  - ${whole.replace("expect: allow", "expect: yes")}`, "kb.test.yaml:7:13")
  const question =
    "title: a\n    expect: allow\n    question: { subject: { type: a, id: b, prop: {} }, action: { name: c }, resource: { type: a, id: b } }"
  refused(`cases:\n  - ${question}\n`, "kb.test.yaml:4:50")
  refused("cases: []\n", "kb.test.yaml:1:8")
  refused("tests: []\n", "kb.test.yaml")
  refused("cases: [\n", "kb.test.yaml:2:1")
})

test("an explanation names what decided, with the text of its policies", () => {
  const asking = {
    agents: ["bot"],
    purpose: "answer",
    action: { type: "credential", resource: "kb", operation: "read" },
  } as const
  const allowed = explain(rehearsal, asking)
  assert.deepEqual(
    [allowed.verdict, allowed.by, allowed.policies.map(({ id, line }) => [id, line])],
    ["allow", "policy", [["reads", 1]]],
  )
  assert.match(allowed.policies[0]!.text, /permit/)
  const forbidden = explain(rehearsal, { ...asking, labels: ["untrusted"] })
  assert.deepEqual(
    [forbidden.verdict, forbidden.policies[0]!.id, forbidden.reasons],
    ["deny", "no-labels", ["Not after reading the web."]],
  )
  const outside = explain(rehearsal, { ...asking, action: { ...asking.action, type: "tool", operation: "pay" } })
  assert.deepEqual([outside.verdict, outside.by, outside.policies], ["deny", "ceiling", []])
  assert.match(outside.sentence, /ceiling decides/)
})

const leaf = (id: string, verdict: string, more: object = {}, data: object = {}) => ({
  id,
  at: `2026-01-01T00:00:0${id}.000Z`,
  agent: { name: "bot", instance: "i", svid: "1" },
  purpose: "answer",
  action: { id: "a", digest: "d", type: "credential", resource: "kb", operation: "read", ...more },
  data: { verdict, policies: [], reasons: [], policyVersion: null, mandate: "m", ...data },
})

test("what a resource says of its operations decides as at the gate: what they move, and that an approval is asked for", () => {
  const tools = { engine: "tools", operations: { announce: { elevated: "publication", irreversible: true }, look: {} } }
  const approved = { ...kb, operations: { read: { groupRole: "r", approval: "required" } } }
  const actions = [
    { ...detail(["credential:read"]) },
    { ...detail(["tool:announce", "tool:look"]), locations: ["office", "attic"] },
  ]
  const described = openRehearsal({
    ...base,
    resources: { kb: approved, office: tools, attic: { engine: "tools", operations: { look: {} } } },
    purposes: { answer: { description: "Answer", actions } },
    agents: { bot: { ...base.agents.bot, ceiling: actions } },
    policies: policies(`@id("all") permit(principal, action, resource is credentials::Resource);
      @id("moves") @ask("user") forbid(principal, action, resource is credentials::Resource)
        when { context.elevated == "publication" && context.irreversible } unless { context.approved };`),
  })
  const asked = (action: string, resource: string, more: object = {}) => {
    const [type, operation] = action.split(":") as ["tool" | "credential", string]
    return explain(described, { agents: ["bot"], purpose: "answer", action: { type, resource, operation }, ...more })
  }
  const verdict = (...about: Parameters<typeof asked>) => asked(...about).verdict
  assert.equal(verdict("tool:look", "office"), "allow")
  assert.equal(verdict("tool:announce", "office"), "ask")
  assert.equal(verdict("tool:announce", "office", { approved: true }), "allow")
  assert.equal(verdict("tool:announce", "attic"), "deny")
  assert.equal(verdict("credential:read", "kb"), "ask")
  assert.equal(verdict("credential:read", "kb", { approved: true }), "allow")
})

test("a period is replayed: what stays, what changes and how often, grouped", () => {
  const strict = openRehearsal({
    ...base,
    policies: policies('@id("never") @reason("Closed.") forbid(principal, action, resource is credentials::Resource);'),
  })
  const leaves = [
    leaf("1", "allow"),
    leaf("2", "allow"),
    leaf("3", "deny", { operation: "write" }),
    leaf("4", "allow", { type: "tool" }),
  ]
  const { replayed, same, changed, notReplayed } = simulate(strict, leaves)
  assert.deepEqual([replayed, same, notReplayed], [4, 1, []])
  assert.deepEqual(
    changed.map(({ action, was, wouldBe, by, policies, reasons, count, first, last, entry }) => ({
      action,
      was,
      wouldBe,
      by,
      policies,
      reasons,
      count,
      first,
      last,
      entry,
    })),
    [
      { action: "credential", count: 2, first: leaves[0]!.at, last: leaves[1]!.at, entry: "1" },
      { action: "tool", count: 1, first: leaves[3]!.at, last: leaves[3]!.at, entry: "4" },
    ].map((each) => ({
      ...each,
      was: "allow",
      wouldBe: "deny",
      by: "policy",
      policies: ["never"],
      reasons: ["Closed."],
    })),
  )
  assert.deepEqual(simulate(rehearsal, leaves), { replayed: 4, same: 4, changed: [], notReplayed: [] })
})

test("recorded facts are replayed", () => {
  const facts = { labels: ["untrusted"] }
  assert.equal(simulate(rehearsal, [leaf("1", "deny", {}, { facts })]).same, 1)
  assert.equal(simulate(rehearsal, [leaf("1", "deny")]).changed.length, 1)
})

test("a user of a recorded decision is asked for again, unless policies look at their claims", () => {
  const facts = { user: "user_1", requestText: "consent", agents: ["bot", "bot"] }
  const open = openRehearsal({ ...base, policies: policies('@id("all") permit(principal, action, resource);') })
  const decided = leaf("1", "allow", {}, { facts })
  assert.equal(simulate(open, [decided]).same, 1)
  // The agent may read; of the user no policy says so.
  const [changed] = simulate(rehearsal, [decided]).changed
  assert.match(changed!.reasons[0]!, /No policy permits the user to read kb/)
  const ofClaims = `${readOnly} @id("users") permit(principal is sessions::User, action, resource) when { principal.hasTag("customer") };`
  const { replayed, notReplayed } = simulate(openRehearsal({ ...base, policies: policies(ofClaims) }), [decided])
  assert.deepEqual(
    [replayed, notReplayed],
    [0, [{ reason: "policies look at claims of users, and claims are not recorded", count: 1 }]],
  )
})

test("rules are tried on a case's arguments; what a session alone knows, the case says", () => {
  const rules = {
    amount: [{ atMost: 50 }],
    payee: [{ inRequest: true }],
    customer: [{ userClaim: "customer" }],
  }
  const purposes = { answer: { description: "Pay", actions: [detail(["tool:read"], { arguments: rules })] } }
  const providers = { shop: { issuer: "https://id.shop.example", clientId: "a", claims: { customer: "c" } } }
  const ruled = openRehearsal({
    ...base,
    purposes,
    providers,
    policies: policies('@id("all") permit(principal, action, resource);'),
  })
  const decided = (given: object, more: object = {}) => {
    const asking = {
      agents: ["bot"],
      user: { id: "user", claims: { customer: ["1001"] } },
      purpose: "answer",
      action: { type: "tool", resource: "kb", operation: "read" } as const,
      arguments: { amount: 20, payee: "acme", customer: "1001", ...given },
      ...more,
    }
    const { verdict, by } = explain(ruled, asking)
    return [verdict, by]
  }
  assert.deepEqual(decided({}), ["ask", "policy"])
  assert.deepEqual(decided({}, { sinks: { payee: "verified" } }), ["allow", "policy"])
  assert.deepEqual(decided({ amount: 51 }, { sinks: { payee: "verified" } }), ["deny", "mandate"])
  assert.deepEqual(decided({ customer: "1002" }, { sinks: { payee: "verified" } }), ["deny", "mandate"])
})

test("what hangs on arguments, or is no decision, is counted as not replayed", () => {
  const bounded = detail(["credential:read"], { arguments: { table: [{ constant: "articles" }] } })
  const agents = { bot: { ...base.agents.bot, ceiling: [bounded, detail(["tool:read"])] } }
  const { replayed, same, notReplayed } = simulate(openRehearsal({ ...base, agents }), [
    leaf("1", "allow"),
    leaf("2", "allow", { type: "tool" }),
    { id: "3", event: "gate.action-begun" },
  ])
  assert.deepEqual([replayed, same], [1, 1])
  assert.deepEqual(notReplayed, [
    { reason: "a ceiling or a purpose bounds the action's arguments, and arguments are not recorded", count: 1 },
    { reason: "the entry is of another form", count: 1 },
  ])
})
