import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { decide } from "./decide.ts"
import { parse } from "./parse.ts"
import type { PolicySet } from "./policy-set.ts"
import { type Asking, type Question, question } from "./question.ts"

const setOf = (text: string): PolicySet => parse([{ file: "test.cedar", text }])

const ask = (more: Partial<Asking> = {}): Question =>
  question({
    agents: ["support-bot"],
    purpose: "answer-questions",
    action: { type: "credential", resource: "kb", operation: "read" },
    ...more,
  })

const readKb = `@id("kb-read") @purpose("answer-questions")
  permit(principal == agents::Agent::"support-bot", action == policy::Action::"credential",
         resource == credentials::Resource::"kb") when { context.operation == "read" };`
const anyone = '@id("anyone") permit(principal, action, resource);'

test("a permitted question is allowed by the policy that permits it", () => {
  assert.deepEqual(decide(setOf(readKb), ask()), {
    verdict: "allow",
    policies: [{ id: "kb-read", effect: "permit" }],
    reasons: [],
    errors: [],
    asks: [],
    tells: false,
    version: null,
  })
})

test("what no policy permits is denied in words", () => {
  const decision = decide(setOf(""), ask())
  assert.equal(decision.verdict, "deny")
  assert.deepEqual(decision.policies, [])
  assert.deepEqual(decision.reasons, ["No policy permits support-bot to read kb for answer-questions."])
  const delegate = ask({ action: { type: "delegate", resource: "sub-bot", operation: "open" } })
  assert.deepEqual(decide(setOf(""), delegate).reasons, [
    "No policy permits support-bot to delegate to sub-bot for answer-questions.",
  ])
  assert.equal(decide(setOf(readKb), ask({ action: { ...ask().action, operation: "write" } })).verdict, "deny")
})

test("a forbid denies in its own words, or says its name", () => {
  const worded = setOf(
    `${anyone} @id("frozen") @reason("The books are closed until Monday.") forbid(principal, action, resource);`,
  )
  assert.deepEqual(decide(worded, ask()), {
    verdict: "deny",
    policies: [{ id: "frozen", effect: "forbid" }],
    reasons: ["The books are closed until Monday."],
    errors: [],
    asks: [],
    tells: false,
    version: null,
  })
  const wordless = setOf(`${anyone} @id("frozen") forbid(principal, action, resource);`)
  assert.deepEqual(decide(wordless, ask()).reasons, [
    "Policy frozen forbids support-bot to read kb for answer-questions.",
  ])
})

const askFirst = `@id("ask-first") @ask("user") @reason("A person must agree.")
  forbid(principal, action, resource) unless { context.approved };`

test("an @ask forbid asks only where an approval would lead to an allow", () => {
  const set = setOf(`${readKb} ${askFirst}`)
  assert.deepEqual(decide(set, ask()), {
    verdict: "ask",
    policies: [{ id: "ask-first", effect: "forbid" }],
    reasons: ["A person must agree."],
    errors: [],
    asks: [{ of: "user", rung: "sign" }],
    tells: false,
    version: null,
  })
  assert.equal(decide(set, ask({ approved: true })).verdict, "allow")
  const unpermitted = decide(set, ask({ action: { ...ask().action, operation: "write" } }))
  assert.equal(unpermitted.verdict, "deny")
  assert.match(unpermitted.reasons[0]!, /^No policy permits/)
})

test("each one asked is asked for the strongest that any policy asks of them, and what is unverifiable of the user", () => {
  const forbid = (id: string, annotations: string) =>
    `@id("${id}") ${annotations} forbid(principal, action, resource) unless { context.approved };`
  const set = setOf(`${readKb} ${forbid("a", '@ask("user") @rung("tap")')} ${forbid("b", '@ask("leads") @rung("sign")')}
    ${forbid("c", '@ask("leads") @rung("quorum")')}`)
  const leads = { of: "leads", rung: "quorum" }
  assert.deepEqual(decide(set, ask()).asks, [leads, { of: "user", rung: "tap" }])
  assert.deepEqual(decide(set, ask({ sinks: { payee: "unverifiable" } })).asks, [leads, { of: "user", rung: "sign" }])
  assert.deepEqual(decide(set, ask({ approved: true })).asks, [])
})

test("a permit says that the person is told, and an elevated operation can be asked about", () => {
  const set = setOf(`@id("told") @rung("tell") permit(principal, action, resource);
    @id("strict") @ask("user") forbid(principal, action, resource) when { context.elevated != "" } unless { context.approved };
    @id("never") forbid(principal, action, resource) when { context.irreversible && context.elevated == "people" };`)
  assert.deepEqual([decide(set, ask()).verdict, decide(set, ask()).tells], ["allow", true])
  assert.equal(decide(set, ask({ elevated: "money" })).verdict, "ask")
  assert.equal(decide(set, ask({ elevated: "people", irreversible: true, approved: true })).verdict, "deny")
})

test("a plain forbid beside an @ask forbid denies, and asks nobody", () => {
  const set = setOf(`${readKb} ${askFirst} @id("never") forbid(principal, action, resource);`)
  const decision = decide(set, ask())
  assert.equal(decision.verdict, "deny")
  assert.deepEqual(decision.policies, [{ id: "never", effect: "forbid" }])
})

test("a permit counts only for its purpose, a forbid for every purpose", () => {
  assert.equal(decide(setOf(readKb), ask({ purpose: "refunds" })).verdict, "deny")
  const set = setOf(
    `${readKb} @id("global") forbid(principal, action, resource) when { context.labels.contains("untrusted") };`,
  )
  assert.equal(decide(set, ask()).verdict, "allow")
  assert.equal(decide(set, ask({ labels: ["untrusted"] })).verdict, "deny")
})

test("every principal of the chain must be allowed", () => {
  const set = setOf(readKb)
  const chain = decide(set, ask({ agents: ["support-bot", "sub-bot"] }))
  assert.equal(chain.verdict, "deny")
  assert.deepEqual(chain.reasons, ["No policy permits sub-bot to read kb for answer-questions."])
  const delegated = decide(set, ask({ user: { id: "u-1" } }))
  assert.deepEqual(delegated.reasons, ["No policy permits the user to read kb for answer-questions."])
  const both = setOf(`${readKb} @id("users") permit(principal is sessions::User, action, resource);`)
  assert.equal(decide(both, ask({ user: { id: "u-1" } })).verdict, "allow")
})

test("a user's claims are tags that policies look at; the order in which they come makes no other question", () => {
  const text = `${readKb} @id("sellers") permit(principal is sessions::User, action, resource)
    when { principal.hasTag("departments") && principal.getTag("departments").contains("sales") };`
  const verdictOf = (claims: { [name: string]: string[] }) =>
    decide(setOf(text), ask({ user: { id: "u-1", provider: "shop", claims } })).verdict
  assert.equal(verdictOf({ departments: ["sales", "hr"] }), "allow")
  assert.equal(verdictOf({ departments: ["hr"] }), "deny")
  assert.equal(verdictOf({}), "deny")
  const one = ask({ user: { id: "u-1", claims: { a: ["1", "2"], b: ["3"] } } })
  assert.deepEqual(
    JSON.stringify(one),
    JSON.stringify(ask({ user: { id: "u-1", claims: { b: ["3"], a: ["2", "1"] } } })),
  )
})

test("one principal's denial is not softened by another's question", () => {
  const set = setOf(`${readKb} @id("ask-bot") @ask("user")
    forbid(principal == agents::Agent::"support-bot", action, resource) unless { context.approved };`)
  assert.equal(decide(set, ask()).verdict, "ask")
  assert.equal(decide(set, ask({ agents: ["support-bot", "sub-bot"] })).verdict, "deny")
})

test("a question of nobody is denied", () => {
  const decision = decide(setOf(anyone), ask({ agents: [] }))
  assert.equal(decision.verdict, "deny")
  assert.equal(decision.reasons.length, 1)
})

test("a forbid that cannot be evaluated denies, although Cedar alone would allow", () => {
  const set = setOf(`${anyone} @id("overflow") forbid(principal, action, resource)
    when { context.session.hops * 9223372036854775807 > 5 };`)
  assert.equal(decide(set, ask()).verdict, "deny")
  const decision = decide(set, ask({ agents: ["a", "b"] }))
  assert.equal(decision.verdict, "deny")
  assert.match(decision.reasons[0]!, /overflow cannot be evaluated/)
  assert.match(decision.errors[0]!, /overflow/)
})

test("a fact that a forbid needs and the question lacks is a denial, not an allow", () => {
  const set = setOf(
    `${anyone} @id("no-anonymous") forbid(principal, action, resource) when { context.session.hops > 3 };`,
  )
  const whole = ask()
  assert.equal(decide(set, whole).verdict, "allow")
  const { hops: _, ...facts } = whole.facts
  const decision = decide(set, { ...whole, facts } as unknown as Question)
  assert.equal(decision.verdict, "deny")
  assert.equal(decision.errors.length, 1)
  assert.deepEqual(decision.reasons, ["The question does not fit the policy schema, so it is denied."])
})

test("an action, or a fact, of an unknown kind is denied", () => {
  const sudo = { ...ask(), action: { type: "sudo", resource: "kb", operation: "read" } } as unknown as Question
  assert.equal(decide(setOf(anyone), sudo).verdict, "deny")
  const odd = { ...ask(), facts: { ...ask().facts, approved: "yes" } } as unknown as Question
  assert.equal(decide(setOf(anyone), odd).verdict, "deny")
})

test("sinks reach policies by what was found of them", () => {
  const set =
    setOf(`${anyone} @id("failed-sinks") forbid(principal, action, resource) unless { context.sinks.failed.isEmpty() };
    @id("unverifiable-payee") @ask("user") forbid(principal, action, resource)
    when { context.sinks.unverifiable.contains("payee") } unless { context.approved };`)
  assert.equal(decide(set, ask({ sinks: { payee: "verified" } })).verdict, "allow")
  assert.equal(decide(set, ask({ sinks: { payee: "unverifiable" } })).verdict, "ask")
  assert.equal(decide(set, ask({ sinks: { payee: "unverifiable", amount: "failed" } })).verdict, "deny")
})

test("no policy silently allows what could not be verified; one may deny it, and an approval lifts it", () => {
  const open = setOf(anyone)
  const unverifiable = { payee: "unverifiable", amount: "verified" } as const
  const asked = decide(open, ask({ sinks: unverifiable }))
  assert.equal(asked.verdict, "ask")
  assert.match(asked.reasons[0]!, /whether payee is what the user wants, so it needs their approval/)
  assert.equal(decide(open, ask({ sinks: unverifiable, approved: true })).verdict, "allow")
  const failed = decide(open, ask({ sinks: { payee: "failed" }, approved: true }))
  assert.equal(failed.verdict, "deny")
  assert.match(failed.reasons[0]!, /payee is not what the mandate of this session allows/)
  const strict = setOf(
    `${anyone} @id("strict") forbid(principal, action, resource) unless { context.sinks.unverifiable.isEmpty() };`,
  )
  assert.equal(decide(strict, ask({ sinks: unverifiable, approved: true })).verdict, "deny")
  assert.equal(decide(setOf(""), ask({ sinks: unverifiable })).verdict, "deny")
})

test("equal questions are answered from memory, whatever the order of their labels", () => {
  const set = setOf(anyone)
  const first = decide(set, ask({ labels: ["a", "b"], sinks: { payee: "verified", amount: "verified" } }))
  assert.equal(decide(set, ask({ labels: ["b", "a", "b"], sinks: { amount: "verified", payee: "verified" } })), first)
  assert.notEqual(decide(setOf(anyone), ask({ labels: ["a", "b"] })), first)
})

test("a name that holds Cedar text stays a name", () => {
  const set = setOf(readKb)
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (agent, resource) => {
      fc.pre(agent !== "support-bot" || resource !== "kb")
      const decision = decide(
        set,
        ask({ agents: [agent], action: { type: "credential", resource, operation: "read" } }),
      )
      assert.equal(decision.verdict, "deny")
    }),
    { numRuns: 50 },
  )
})

test("200 reloads answer by their own text", () => {
  for (let round = 0; round < 200; round += 1) {
    const set = setOf(`@id("round") permit(principal == agents::Agent::"bot-${round}", action, resource);`)
    assert.equal(decide(set, ask({ agents: [`bot-${round}`] })).verdict, "allow")
    assert.equal(decide(set, ask({ agents: [`bot-${round - 1}`] })).verdict, "deny")
  }
})
