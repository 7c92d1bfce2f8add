import assert from "node:assert/strict"
import { test } from "node:test"
import { openRehearsal } from "./rehearsal.ts"
import { simulate } from "./simulate.ts"
import { simulateAsking } from "./simulate-asking.ts"

const detail = { type: "safeconduct_action", actions: ["tool:refund", "tool:look", "tool:close"], locations: ["bank"] }
const ask = (id: string, operation: string, of = "user") =>
  `@id("${id}") @ask("${of}") forbid (principal, action, resource) when { context.operation == "${operation}" } unless { context.approved };`
const configuration = (policies: string, actions: object[] = [detail]) => ({
  purposes: { support: { description: "Support", actions } },
  resources: { bank: { engine: "tools", operations: { refund: {}, look: {}, close: {} } } },
  agents: { bot: { owner: "o@example.org", purposes: ["support"], ceiling: actions } },
  approvals: { groups: { leads: { members: [{ provider: "hr", subject: "olga" }] } } },
  providers: {
    hr: { issuer: "https://id.example", clientId: "safeconduct", clientAuthentication: "private_key_jwt" },
  },
  policies: [{ file: "bank.cedar", text: `@id("all") permit (principal, action, resource); ${policies}` }],
})
const under = (policies: string, actions?: object[]) => openRehearsal(configuration(policies, actions))

/** An entry of a decision for a user. */
const leaf = (operation: string, verdict: string, data: object = {}) => ({
  id: "entry",
  event: verdict === "ask" ? "gate.action-held" : "gate.action-begun",
  at: "2026-01-01T00:00:00.000Z",
  agent: { name: "bot" },
  purpose: "support",
  action: { type: "tool", resource: "bank", operation },
  data: { verdict, policies: [], facts: { user: "user_1" }, ...data },
})

const held = leaf("refund", "ask", { policies: ["refunds"], approval: "approval_1" })
const happened = leaf("refund", "allow", { policies: ["all"], approval: "approval_1" })

test("an action that was held, approved and done counts once, before and after", () => {
  const same = simulateAsking(under(ask("refunds", "refund")), [held, happened, leaf("look", "allow")])
  const { before, after, replayed, policies, agents } = same
  assert.deepEqual([before, after, replayed], [1, 1, 2])
  assert.deepEqual(policies, [{ policy: "refunds", before: 1, after: 1 }])
  assert.deepEqual(agents, [{ agent: "bot", before: 1, after: 1 }])
})

test("what another configuration would ask, and would not, is counted by policy, what changes most first", () => {
  const leaves = [held, happened, leaf("look", "allow"), leaf("look", "allow"), leaf("close", "deny")]
  const { before, after, policies } = simulateAsking(under(ask("looks", "look") + ask("closes", "close")), leaves)
  assert.deepEqual([before, after], [1, 3])
  assert.deepEqual(policies, [
    { policy: "looks", before: 0, after: 2 },
    { policy: "refunds", before: 1, after: 0 },
    { policy: "closes", before: 0, after: 1 },
  ])
})

test("under leave nobody was asked; how many would be without it is said", () => {
  const used = leaf("refund", "allow", { grant: "grant_1" })
  const { before, after, underLeave, replayed } = simulateAsking(under(ask("refunds", "refund")), [used, used])
  assert.deepEqual([before, after, underLeave, replayed], [0, 0, 2, 2])
})

test("nobody is asked where there is no user to ask; a group is asked without one", () => {
  const alone = leaf("refund", "allow", { facts: {} })
  assert.equal(simulateAsking(under(ask("refunds", "refund")), [alone]).after, 0)
  assert.equal(simulateAsking(under(ask("refunds", "refund", "leads")), [alone]).after, 1)
})

test("what hangs on arguments is not replayed, and said so", () => {
  const bounded = [{ ...detail, arguments: { amount: [{ atMost: 5 }] } }]
  const { replayed, after, notReplayed } = simulateAsking(under(ask("refunds", "refund"), bounded), [held, {}])
  assert.deepEqual([replayed, after], [0, 0])
  assert.deepEqual(
    notReplayed.map(({ reason, count }) => [/arguments are not recorded|another form/.test(reason), count]),
    [
      [true, 1],
      [true, 1],
    ],
  )
})

test("policy simulate takes what was approved as approved: under the same policies nothing would change", () => {
  const used = leaf("refund", "allow", { grant: "grant_1" })
  const rehearsal = under(ask("refunds", "refund"))
  assert.deepEqual(simulate(rehearsal, [held, happened, used]), { replayed: 3, same: 3, changed: [], notReplayed: [] })
  const [changed] = simulate(under(""), [held]).changed
  assert.deepEqual([changed?.was, changed?.wouldBe], ["ask", "allow"])
})
