import assert from "node:assert/strict"
import { after, test } from "node:test"
import { act } from "./act.ts"
import { approving, openTestApproving } from "./approve/approve.fixture.ts"

// The other resource describes one of the tools alone; apply takes a detail whose tools each have a place.
const [detail] = approving.purposes.answer.actions
const wide = { ...detail!, locations: ["hr", "payroll"] }
const { look, ...operations } = approving.resources.hr.operations
const at = await openTestApproving({
  purposes: { answer: { ...approving.purposes.answer, actions: [wide] } },
  agents: { bot: { ...approving.agents.bot, ceiling: [wide] } },
  resources: {
    hr: { ...approving.resources.hr, operations: { ...operations, look: { labels: ["untrusted"] } } },
    payroll: { engine: "tools", operations: { look } },
  },
  policies: [
    {
      file: "hr.cedar",
      text: `@id("all") permit (principal, action, resource);
        @id("nobody-after-reading") forbid (principal, action, resource)
        when { context.elevated == "people" && context.labels.contains("untrusted") };`,
    },
  ],
  details: [wide],
})
after(() => at[Symbol.asyncDispose]())

const decided = async (session: string, operation: string, resource = "hr") => {
  const action = { type: "tool", resource, operation, arguments: {} } as const
  const { decision } = await act(at.rooms, at.gate.bot, { session, action, idempotencyKey: null })
  return [decision.verdict, decision.reasons.join()]
}

test("what a described tool shows its session has seen, and what it moves policy knows", async () => {
  const session = await at.session()
  assert.deepEqual(await decided(session, "onboard"), ["allow", ""])
  assert.deepEqual(await decided(session, "look"), ["allow", ""])
  assert.deepEqual(await decided(session, "look"), ["allow", ""])
  const [verdict, why] = await decided(session, "onboard")
  assert.equal(verdict, "deny")
  assert.match(why!, /nobody-after-reading/)
  assert.deepEqual(await decided(await at.session(), "onboard"), ["allow", ""], "in another session")
})

test("a tool that its resource does not describe is denied, whatever permits it", async () => {
  const session = await at.session()
  assert.deepEqual(await decided(session, "look", "payroll"), ["allow", ""])
  assert.deepEqual(await decided(session, "onboard", "payroll"), ["deny", "payroll has no tool onboard."])
})
