import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import fc from "fast-check"
import { z } from "zod"
import { refusalCode } from "#kernel"
import { type ActionDetail, allows, detailsSchema, intersect, narrower, parseDetails } from "./action-details.ts"

const scalar = fc.oneof(fc.integer({ min: -2, max: 4 }), fc.constantFrom("a", "b", "1"), fc.boolean())
const rule = fc.oneof(
  scalar.map((constant) => ({ constant })),
  fc.array(scalar, { minLength: 1, maxLength: 4 }).map((oneOf) => ({ oneOf })),
  fc.integer({ min: -2, max: 4 }).map((atMost) => ({ atMost })),
)
const names = ["amount", "payee", "toString"]
const detail: fc.Arbitrary<ActionDetail> = fc.record(
  {
    type: fc.constant("safeconduct_action" as const),
    actions: fc.uniqueArray(fc.constantFrom("credential:read", "credential:write", "tool:pay"), { minLength: 1 }),
    locations: fc.uniqueArray(fc.constantFrom("kb", "bank", "crm"), { minLength: 1 }),
    arguments: fc.dictionary(fc.constantFrom(...names), fc.array(rule, { minLength: 1, maxLength: 3 }), {
      noNullPrototype: true,
    }),
    limits: fc.record({ uses: fc.integer({ min: 0, max: 3 }) }),
  },
  { requiredKeys: ["type", "actions", "locations"] },
)
const details = fc.array(detail, { maxLength: 4 })
const asked = fc.record({
  type: fc.constantFrom("credential", "tool"),
  operation: fc.constantFrom("read", "write", "pay"),
  resource: fc.constantFrom("kb", "bank", "crm"),
  arguments: fc.dictionary(fc.constantFrom(...names), fc.oneof(scalar, fc.constant(null), fc.constant(["a"]))),
})
const counts = fc.record({ uses: fc.integer({ min: 0, max: 3 }) }, { requiredKeys: [] })

test("what two lists allow together is narrower than each", () => {
  fc.assert(
    fc.property(details, details, (a, b) => {
      const inner = intersect(a, b)
      assert.ok(narrower(inner, a))
      assert.ok(narrower(inner, b))
    }),
    { numRuns: 1_000 },
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
    { numRuns: 1_000 },
  )
})

test("an action that the intersection allows, both allow", () => {
  let allowed = 0
  fc.assert(
    fc.property(details, details, asked, counts, (a, b, action, counted) => {
      if (!allows(intersect(a, b), action, counted)) return
      allowed += 1
      assert.ok(allows(a, action, counted) && allows(b, action, counted))
    }),
    { numRuns: 5_000 },
  )
  assert.ok(allowed > 20, `only ${allowed} cases tell anything`)
})

test("an action that both allow without limits, the intersection allows", () => {
  fc.assert(
    fc.property(details, details, asked, (a, b, action) => {
      if (allows(a, action) && allows(b, action)) assert.ok(allows(intersect(a, b), action))
    }),
    { numRuns: 5_000 },
  )
})

test("a narrower list allows nothing that the wider one refuses", () => {
  let compared = 0
  const near = fc
    .tuple(details, details, fc.boolean())
    .map(([a, b, isInner]) => [isInner ? intersect(a, b) : a, b] as const)
  fc.assert(
    fc.property(near, asked, counts, ([a, b], action, counted) => {
      if (!narrower(a, b) || !allows(a, action, counted)) return
      compared += 1
      assert.ok(allows(b, action, counted))
    }),
    { numRuns: 5_000 },
  )
  assert.ok(compared > 20, `only ${compared} cases tell anything`)
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
    [{ ...whole, limits: { amount: 5 } }],
    [{ ...whole, limits: {} }],
    [whole, { ...whole, more: 1 }],
    JSON.parse(
      '[{"type":"safeconduct_action","actions":["tool:pay"],"locations":["bank"],"arguments":{"__proto__":[{"constant":1}]}}]',
    ),
    JSON.parse('[{"type":"safeconduct_action","actions":["tool:pay"],"locations":["bank"],"__proto__":{}}]'),
  ]
  for (const value of broken) {
    const shown = JSON.stringify(value)
    assert.equal(allows(value, pay, { uses: 0 }), false, shown)
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
    () => parseDetails([whole, { ...whole, limits: { uses: -1 } }], "purposes.refunds.actions"),
    (error: { detail?: { path?: string } }) => error.detail?.path === "purposes.refunds.actions.1.limits.uses",
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

test("a limit allows up to its number, and nothing when nobody counted", () => {
  const limited = [{ ...whole, limits: { uses: 2 } }]
  assert.ok(allows(limited, pay, { uses: 1 }))
  assert.equal(allows(limited, pay, { uses: 2 }), false)
  assert.equal(allows(limited, pay), false)
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
