import assert from "node:assert/strict"
import { test } from "node:test"
import { type Document, diff } from "./diff.ts"

const policies = (text: string) => [{ file: "policies/kb.cedar", text }]
const base: Document = {
  purposes: { "answer-questions": { description: "Answer", session: { lifetimeSeconds: 900 } } },
  agents: { "support-bot": { owner: "platform@example.com", purposes: ["answer-questions"] } },
  policies: policies('@id("kb-read") permit(principal, action, resource);'),
}

test("what is new over nothing is listed by name", () => {
  assert.deepEqual(diff(null, base), ["+ purpose answer-questions", "+ agent support-bot", "+ policy kb-read"])
})

test("a change says what it changes", () => {
  const after: Document = {
    ...base,
    purposes: { refunds: {}, "answer-questions": { description: "Answer", session: { lifetimeSeconds: 600 } } },
    agents: { "support-bot": { owner: "platform@example.com", purposes: ["answer-questions", "refunds"], team: 7 } },
  }
  assert.deepEqual(diff(base, after), [
    "~ purpose answer-questions: session.lifetimeSeconds 900 → 600",
    "+ purpose refunds",
    "~ agent support-bot: purposes +refunds; team +7",
  ])
  assert.deepEqual(diff(after, base).slice(1), ["- purpose refunds", "~ agent support-bot: purposes -refunds; team -7"])
})

test("a policy that only moved to another file is no change, one with other text is", () => {
  const moved = { ...base, policies: [{ file: "other.cedar", text: base.policies[0]!.text }] }
  assert.deepEqual(diff(base, moved), [])
  const edited = { ...base, policies: policies('@id("kb-read") forbid(principal, action, resource);') }
  assert.equal(diff(base, edited).length, 1)
  assert.match(diff(base, edited)[0]!, /^~ policy kb-read: text .*permit.* → .*forbid/)
})

test("broken policy text is compared by file", () => {
  assert.match(diff(base, { ...base, policies: policies("permit(") }).join(), /\+ policy file policies\/kb.cedar/)
})

test("a document differs in nothing from itself", () => {
  assert.deepEqual(diff(base, structuredClone(base)), [])
})
