import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { type GrantBounds, isWithin, parseBounds, suggest, takingsOf } from "./bounds.ts"

const until = new Date(Date.UTC(2030, 0, 1))
const offer = { uses: 3, until, session: "session_1", amounts: ["amount"], sinks: ["payee"] }
const bounds = (more: Partial<GrantBounds> = {}): GrantBounds => ({
  ...{ kind: "grant", uses: 3, each: { amount: 50 }, total: { amount: 150 } },
  ...{ fixed: { payee: ["jo", "kim"] }, free: ["note"], until: until.toISOString(), session: "session_1" },
  ...more,
})

test("an action is within bounds when each of its arguments is, and it has no other", () => {
  const given = { amount: 50, payee: "jo", note: "anything" }
  assert.ok(isWithin(bounds(), given))
  assert.ok(isWithin(bounds(), { amount: 0, payee: "kim" }))
  for (const other of [
    { ...given, amount: 50.01 },
    { ...given, amount: -1 },
    { ...given, amount: "50" },
    { ...given, amount: null },
    { ...given, amount: [1] },
    { ...given, payee: "mallory" },
    { ...given, payee: ["jo"] },
    { ...given, Payee: "mallory" },
    { ...given, further: 1 },
    { payee: "jo" },
    { amount: 1 },
    {},
  ]) {
    assert.ok(!isWithin(bounds(), other), JSON.stringify(other))
  }
})

test("names that every object has are arguments like any other, and nobody named them", () => {
  for (const name of ["__proto__", "constructor", "toString"]) {
    const given = JSON.parse(`{ "amount": 1, "payee": "jo", "${name}": 1 }`)
    assert.ok(!isWithin(bounds(), given), name)
    assert.ok(!isWithin(bounds({ fixed: {}, each: {}, total: {}, free: [] }), JSON.parse(`{ "${name}": 1 }`)), name)
  }
})

test("bounds that say more, less or something else than bounds do are refused", () => {
  assert.deepEqual(parseBounds(bounds()), bounds())
  for (const wrong of [
    bounds({ uses: 0 }),
    bounds({ uses: 1.5 }),
    bounds({ total: {} }),
    bounds({ total: { amount: 1, other: 1 } }),
    bounds({ each: { amount: -1 } }),
    bounds({ free: ["payee"] }),
    bounds({ fixed: { payee: [] } }),
    bounds({ until: "tomorrow" }),
    { ...bounds(), more: true },
    { ...bounds(), kind: "other" },
    {},
  ]) {
    assert.throws(() => parseBounds(wrong as never), { code: "bounds-invalid" }, JSON.stringify(wrong))
  }
})

test("what is offered holds both actions and is as small as that", () => {
  const [before, now] = [
    { amount: 12, payee: "jo", note: "a", order: "A-1" },
    { amount: 20, payee: "kim", note: "b", order: "A-1" },
  ]
  const found = suggest(now, before, offer)!
  assert.deepEqual(
    [found.each, found.total, found.fixed, found.free],
    [{ amount: 20 }, { amount: 60 }, { payee: ["jo", "kim"], order: ["A-1"] }, ["note"]],
  )
  assert.equal(suggest(now, { ...before, amount: "12" }, offer), null)
  assert.equal(suggest({ ...now, more: 1 }, before, offer), null)
  assert.equal(suggest({ amount: 0.1 }, { amount: 0.1 }, offer)?.total["amount"], 0.3)
})

test("whatever is offered includes what it was offered for, is well-formed, and nothing that is a sink is free", () => {
  const value = fc.oneof(fc.string(), fc.integer({ min: 0, max: 1_000 }), fc.boolean(), fc.constant(null))
  const names = fc.constantFrom("amount", "payee", "note", "order")
  const action = fc.dictionary(names, value, { minKeys: 1 })
  fc.assert(
    fc.property(action, action, (now, before) => {
      const found = suggest(now, before, offer)
      if (found === null) return
      assert.deepEqual(parseBounds(found), found)
      assert.ok(isWithin(found, now))
      assert.ok(!found.free.includes("payee") && !found.free.includes("amount"))
      assert.equal(takingsOf(found, now)[0]?.atMost, 3)
    }),
  )
})
