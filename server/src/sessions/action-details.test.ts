import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import fc from "fast-check"
import { z } from "zod"
import type { SimpleRule } from "#agents"
import { refusalCode } from "#kernel"
import { type ActionDetail, detailsSchema, intersect, narrower, parseDetails } from "./action-details.ts"
import { check, compareFindings, implies } from "./argument-rules.ts"
import type { Evidence } from "./mandates/evidence.ts"
import { allows, type Fits, verify } from "./mandates/verify.ts"

const scalar = fc.oneof(fc.integer({ min: -1, max: 3 }), fc.constantFrom("a", "1"), fc.constant(true))
const simpleRule: fc.Arbitrary<SimpleRule> = fc.oneof(
  scalar.map((constant) => ({ constant })),
  fc.array(scalar, { minLength: 1, maxLength: 4 }).map((oneOf) => ({ oneOf })),
  fc.integer({ min: -2, max: 4 }).map((atMost) => ({ atMost })),
  fc.integer({ min: -2, max: 4 }).map((atLeast) => ({ atLeast })),
  fc.constantFrom<SimpleRule[]>(
    { absent: true },
    { inRequest: true },
    { userClaim: "customer" },
    { parameter: "order" },
    { madeHere: "ticket" },
    { lookedUp: "landlord" },
    { atMostLookedUp: "landlord" },
    { named: "landlord" },
    { choice: "landlord" },
    { fromSource: { names: "landlord" } },
    { fromSource: { words: ["pay"] } },
    { requestSays: ["pay"] },
    { requestSays: ["pay", "2"] },
    { pattern: "[a1]" },
    { plainText: 1 },
    { plainText: 20 },
    { approval: "user" },
  ),
)
const rule = fc.oneof(
  { weight: 4, arbitrary: simpleRule },
  { weight: 1, arbitrary: fc.array(simpleRule, { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })) },
  {
    weight: 1,
    arbitrary: fc
      .array(simpleRule, { minLength: 1, maxLength: 2 })
      .map((anyOf) => ({ anyOf, part: { from: ["pay"], until: ["2"] } })),
  },
  { weight: 1, arbitrary: fc.array(simpleRule, { minLength: 1, maxLength: 3 }).map((eachOf) => ({ eachOf })) },
)
const names = ["amount", "payee", "toString"]
const limit = fc.oneof(
  fc.record(
    { uses: fc.integer({ min: 0, max: 3 }), budget: fc.constant("b"), perSeconds: fc.constant(60) },
    { requiredKeys: ["uses"] },
  ),
  fc.record(
    { sum: fc.constantFrom(...names), atMost: fc.integer({ min: 0, max: 4 }), budget: fc.constant("b") },
    { requiredKeys: ["sum", "atMost"] },
  ),
)
const detail: fc.Arbitrary<ActionDetail> = fc.record(
  {
    type: fc.constant("safeconduct_action" as const),
    actions: fc.uniqueArray(fc.constantFrom("credential:read", "tool:pay"), { minLength: 1 }),
    locations: fc.uniqueArray(fc.constantFrom("kb", "bank"), { minLength: 1 }),
    arguments: fc.dictionary(fc.constantFrom(...names), fc.array(rule, { minLength: 1, maxLength: 2 }), {
      noNullPrototype: true,
      maxKeys: 2,
    }),
    sinks: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 1 }),
    only: fc.uniqueArray(fc.constantFrom(...names), { minLength: 2 }),
    limits: fc.array(limit, { minLength: 1, maxLength: 2 }),
    labels: fc.uniqueArray(fc.constantFrom("untrusted", "confidential")),
  },
  { requiredKeys: ["type", "actions", "locations"] },
)
const details = fc.array(detail, { maxLength: 3 })
const asked = fc.record({
  type: fc.constant("tool"),
  operation: fc.constantFrom("pay", "pay", "pay", "read"),
  resource: fc.constantFrom("bank", "bank", "kb", "crm"),
  arguments: fc.dictionary(fc.constantFrom(...names), fc.oneof(scalar, fc.constantFrom(null, ["a"], ["a", 1], []))),
})
const found = fc.oneof(scalar, fc.constantFrom('["a","pay"]', '["a",2]', '["1","a"]'))
const evidence: fc.Arbitrary<Evidence> = fc.record({
  requestText: fc.option(fc.constantFrom("pay a 2", "pay 1").map((text) => ({ kind: "consent" as const, text }))),
  user: fc.option(fc.record({ claims: fc.dictionary(fc.constant("customer"), fc.subarray(["1", "2", "a"])) })),
  parameters: fc.dictionary(fc.constant("order"), scalar),
  made: fc.dictionary(fc.constant("ticket"), fc.subarray(["1", "a"])),
  lookups: fc.dictionary(fc.constant("landlord"), fc.option(fc.array(found, { maxLength: 3 }))),
})
/** What is left of each limit; the same for the same limit, as counters are. */
const fits: fc.Arbitrary<Fits> = fc.func(fc.integer({ min: -1, max: 4 })).map(
  (spent) =>
    ({ budget, measure, perSeconds, amount, atMost }) =>
      spent(budget, measure, perSeconds) + amount <= atMost,
)

test("what two lists allow together is narrower than each", () => {
  fc.assert(
    fc.property(details, details, (a, b) => {
      const inner = intersect(a, b)
      assert.ok(narrower(inner, a))
      assert.ok(narrower(inner, b))
    }),
    { numRuns: 500 },
  )
})

test("narrower is reflexive and transitive", () => {
  fc.assert(
    fc.property(details, details, details, (a, b, c) => {
      assert.ok(narrower(a, a))
      // Two random lists are seldom comparable; an intersection always is.
      const [inner, middle] = [intersect(intersect(a, b), c), intersect(a, b)]
      assert.ok(narrower(inner, middle) && narrower(middle, a) && narrower(inner, a))
      if (narrower(a, b) && narrower(b, c)) assert.ok(narrower(a, c))
    }),
    { numRuns: 500 },
  )
})

test("of an action under the intersection, nothing is verified better than under either", () => {
  const seen = { verified: 0, unverifiable: 0, failed: 0 }
  fc.assert(
    fc.property(details, details, asked, evidence, fits, (a, b, action, known, left) => {
      const both = verify(intersect(a, b), action, known, left)
      seen[both.finding] += 1
      for (const each of [verify(a, action, known, left), verify(b, action, known, left)]) {
        assert.ok(compareFindings(both.finding, each.finding) <= 0, `${both.finding} of ${each.finding}`)
      }
    }),
    { numRuns: 3_000 },
  )
  // About twenty of each; none would say that nothing was tried.
  assert.ok(seen.verified > 0 && seen.unverifiable > 0, JSON.stringify(seen))
})

test("an action that both allow, the intersection allows, with the labels of both", () => {
  const unlimited = details.map((list) => list.map(({ limits: _, ...rest }) => rest))
  fc.assert(
    fc.property(unlimited, unlimited, asked, evidence, (a, b, action, known) => {
      const [one, other] = [verify(a, action, known), verify(b, action, known)]
      const both = verify(intersect(a, b), action, known)
      const worse = compareFindings(one.finding, other.finding) < 0 ? one.finding : other.finding
      assert.equal(both.finding, worse)
      if (worse !== "failed") assert.deepEqual(both.labels, [...new Set([...one.labels, ...other.labels])].sort())
    }),
    { numRuns: 3_000 },
  )
})

test("an action under a narrower list is verified no better than under the wider one", () => {
  let compared = 0
  const near = fc
    .tuple(details, details, fc.boolean())
    .map(([a, b, isInner]) => [isInner ? intersect(a, b) : a, b] as const)
  fc.assert(
    fc.property(near, asked, evidence, fits, ([a, b], action, known, left) => {
      if (!narrower(a, b)) return
      const [inner, outer] = [verify(a, action, known, left), verify(b, action, known, left)]
      if (inner.finding !== "failed") compared += 1
      assert.ok(compareFindings(inner.finding, outer.finding) <= 0)
    }),
    { numRuns: 3_000 },
  )
  assert.ok(compared > 20, `only ${compared} cases tell anything`)
})

test("a rule that implies another is verified no better, whatever the value", () => {
  let compared = 0
  const value = fc.oneof(
    scalar,
    fc.constantFrom(undefined, null, ["a"], ["a", 1], [], [null], { a: 1 }, "see evil.example"),
  )
  fc.assert(
    fc.property(rule, rule, value, evidence, (a, b, given, known) => {
      assert.ok(implies(a, a))
      if (!implies(a, b)) return
      compared += 1
      assert.ok(compareFindings(check(a, given, known).finding, check(b, given, known).finding) <= 0)
    }),
    { numRuns: 10_000 },
  )
  assert.ok(compared > 100, `only ${compared} cases tell anything`)
})

const whole: ActionDetail = { type: "safeconduct_action", actions: ["tool:pay"], locations: ["bank"] }
const pay = { type: "tool", operation: "pay", resource: "bank", arguments: { amount: 20, payee: "acme" } }

test("what does not parse allows nothing, is narrower than nothing and intersects to nothing", () => {
  assert.ok(allows([whole], pay))
  const broken: unknown[] = [
    null,
    "tool:pay",
    whole,
    { ...whole },
    [null],
    [{ ...whole, type: "other" }],
    [{ ...whole, actions: ["pay"] }],
    [{ ...whole, actions: ["shell:pay"] }],
    [{ ...whole, locations: [] }],
    [{ ...whole, datatypes: ["any"] }],
    [{ ...whole, arguments: { payee: { constant: "acme" } } }],
    [{ ...whole, arguments: { payee: [{ standsInRequest: true }] } }],
    [{ ...whole, arguments: { payee: [{ constant: "acme", oneOf: ["acme"] }] } }],
    [{ ...whole, arguments: { payee: [] } }],
    [{ ...whole, limits: { uses: 5 } }],
    [{ ...whole, limits: [] }],
    [{ ...whole, limits: [{}] }],
    [{ ...whole, limits: [{ uses: 5, sum: "amount", atMost: 5 }] }],
    [{ ...whole, limits: [{ uses: 5, budget: "two words" }] }],
    [{ ...whole, labels: ["Untrusted"] }],
    [{ ...whole, sinks: ["__proto__"] }],
    [{ ...whole, arguments: { payee: [{ inRequest: false }] } }],
    [{ ...whole, arguments: { payee: [{ approval: "agent" }] } }],
    [{ ...whole, arguments: { payee: [{ pattern: "(a+)+b" }] } }],
    [{ ...whole, arguments: { payee: [{ pattern: "a.*" }] } }],
    [{ ...whole, arguments: { payee: [{ plainText: 0 }] } }],
    [{ ...whole, arguments: { payee: [{ requestSays: [] }] } }],
    [{ ...whole, arguments: { payee: [{ requestSays: [" pay"] }] } }],
    [{ ...whole, arguments: { payee: [{ fromSource: { file: "a" } }] } }],
    [{ ...whole, arguments: { payee: [{ fromSource: {} }] } }],
    [{ ...whole, arguments: { payee: [{ eachOf: [{ eachOf: [{ constant: 1 }] }] }] } }],
    [{ ...whole, arguments: { payee: [{ anyOf: [{ eachOf: [{ constant: 1 }] }] }] } }],
    [{ ...whole, only: "payee" }],
    [{ ...whole, arguments: { payee: [{ anyOf: [{ anyOf: [{ constant: 1 }] }] }] } }],
    [whole, { ...whole, more: 1 }],
    JSON.parse(
      '[{"type":"safeconduct_action","actions":["tool:pay"],"locations":["bank"],"arguments":{"__proto__":[{"constant":1}]}}]',
    ),
    JSON.parse('[{"type":"safeconduct_action","actions":["tool:pay"],"locations":["bank"],"__proto__":{}}]'),
  ]
  for (const value of broken) {
    const shown = JSON.stringify(value)
    assert.equal(allows(value, pay), false, shown)
    assert.equal(narrower(value, [whole]), false, shown)
    assert.equal(narrower([], value), false, shown)
    assert.deepEqual(intersect(value, [whole]), [], shown)
    assert.throws(
      () => parseDetails(value),
      (error) => refusalCode(error) === "policy-invalid",
      shown,
    )
  }
})

test("random JSON never allows", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(allows(value, pay), false)
      assert.equal(allows([value], pay), false)
    }),
  )
})

test("a mistake is refused with its place", () => {
  assert.throws(
    () => parseDetails([whole, { ...whole, limits: [{ uses: -1 }] }], "purposes.refunds.actions"),
    (error: { detail?: { path?: string } }) => error.detail?.path === "purposes.refunds.actions.1.limits.0.uses",
  )
})

test("every rule of an argument must hold, and the argument must be there", () => {
  const ruled = [
    { ...whole, arguments: { amount: [{ atMost: 50 }, { oneOf: [10, 20, 60] }], payee: [{ constant: "acme" }] } },
  ]
  assert.ok(allows(ruled, pay))
  const amount = (value: unknown) => allows(ruled, { ...pay, arguments: { amount: value, payee: "acme" } })
  assert.equal(amount(60), false)
  assert.equal(amount(30), false)
  assert.equal(amount("20"), false)
  assert.equal(amount([20]), false)
  assert.equal(amount(null), false)
  assert.equal(allows(ruled, { ...pay, arguments: { amount: 20 } }), false)
  assert.equal(allows(ruled, { type: "tool", operation: "pay", resource: "bank" }), false)
  const inherited = [{ ...whole, arguments: { toString: [{ constant: "x" }] } }]
  assert.equal(allows(inherited, pay), false)
})

test("an argument that a detail does not know is not given", () => {
  const known = [{ ...whole, only: ["amount", "payee"] }]
  const paying = (more: object) => allows(known, { ...pay, arguments: { ...pay.arguments, ...more } })
  assert.ok(paying({}))
  assert.ok(paying({ note: null }))
  for (const more of [{ note: "x" }, { "payee ": "eve" }, { Payee: "eve" }, { forward_to: ["eve"] }]) {
    assert.equal(paying(more), false, JSON.stringify(more))
  }
  assert.equal(allows([{ ...whole, only: [] }], pay), false)
  assert.ok(narrower(known, [whole]) && !narrower([whole], known))
  assert.deepEqual(intersect(known, [{ ...whole, only: ["payee", "note"] }])[0]?.only, ["payee"])
})

test("the published JSON Schema is the one that is enforced", () => {
  const published = JSON.parse(
    readFileSync(new URL("../../../contract/safeconduct-action.schema.json", import.meta.url), "utf8"),
  )
  assert.deepEqual(published, actionJsonSchema())
})

function actionJsonSchema(): unknown {
  return { title: "RFC 9396 authorization details of the type safeconduct_action", ...z.toJSONSchema(detailsSchema) }
}
