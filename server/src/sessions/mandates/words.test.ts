import assert from "node:assert/strict"
import { test } from "node:test"
import type { ActionDetail } from "../action-details.ts"
import { inWords } from "./words.ts"

const shop = {
  description: "The shop database",
  operations: { "read-orders": { description: "Read your orders." }, refund: {} },
}
const described = { resource: (name: string) => (name === "shop" ? shop : null) }
const detail = (more: Partial<ActionDetail>): ActionDetail => ({
  type: "safeconduct_action",
  actions: ["credential:read-orders"],
  locations: ["shop"],
  ...more,
})

test("what may be done is said by the descriptions of operation and resource", () => {
  assert.deepEqual(inWords([detail({})], described), ["read your orders in the shop database"])
  assert.deepEqual(inWords([detail({ actions: ["tool:refund"], locations: ["shop", "bank"] })], described), [
    "refund in the shop database",
    "refund in bank",
  ])
  assert.deepEqual(inWords([detail({ actions: ["delegate:track-parcel"], locations: ["shipping-bot"] })]), [
    "hand a part of this on to the agent shipping-bot, for track-parcel",
  ])
})

test("every kind of rule and limit has words, and an argument that is only a sink waits for approval", () => {
  const ruled = detail({
    actions: ["tool:refund"],
    arguments: {
      amount: [{ atMost: 50 }, { atLeast: 1 }],
      currency: [{ oneOf: ["EUR", "USD"] }],
      kind: [{ constant: true }],
      payee: [{ anyOf: [{ inRequest: true }, { lookedUp: "landlord" }, { absent: true }] }],
      customer: [{ userClaim: "customer" }],
      order: [{ parameter: "order" }],
      ticket: [{ madeHere: "ticket" }],
    },
    sinks: ["note", "order"],
    limits: [
      { uses: 9 },
      { uses: 5, budget: "refunds" },
      { uses: 1, perSeconds: 5_400 },
      { sum: "amount", atMost: 200 },
      { sum: "amount", atMost: 80, perSeconds: 86_400 },
    ],
  })
  const words = inWords([ruled], {
    ...described,
    parameters: { order: "A-17" },
    lookup: (name) => (name === "landlord" ? "your landlord's account" : null),
  })
  assert.deepEqual(words, [
    [
      "refund in the shop database",
      "amount at most 50",
      "amount at least 1",
      'currency one of "EUR", "USD"',
      "kind true",
      "payee as it stands in your request or payee your landlord's account or payee left out",
      "customer your own (customer)",
      'order "A-17"',
      "ticket a ticket that was made in this session",
      "note as you approve it each time",
      "at most 5 times",
      "at most 1 time in 90 minutes",
      "amount at most 200 in all",
      "amount at most 80 in 1 day",
    ].join(", "),
  ])
})

test("rules that look at the request and at records say so", () => {
  const said = ["pay", "send", "transfer", "refund", "wire"]
  const ruled = detail({
    actions: ["tool:pay"],
    arguments: {
      request: [{ requestSays: said }],
      payees: [{ eachOf: [{ named: "payee" }, { choice: "payee" }, { fromSource: { words: ["bill"] } }] }],
      amount: [{ atMostLookedUp: "largest" }],
      bill: [{ anyOf: [{ inRequest: true }], part: { from: ["pay"] } }],
      reference: [{ pattern: "A-[0-9]+" }, { plainText: 140 }],
    },
  })
  const lookups: { [name: string]: string } = { payee: "whom you paid before", largest: "your largest payment" }
  assert.deepEqual(inWords([ruled], { ...described, lookup: (name) => lookups[name] ?? null }), [
    [
      "pay in the shop database",
      'only as your request says "pay", "send", "transfer", "refund" or the like',
      [
        "each payees whom you paid before, by a name that stands in your request",
        "each payees whom you paid before, as you choose each time",
        "each payees out of what your request refers to, as you approve it each time",
      ].join(" or "),
      "amount at most your largest payment",
      'bill as it stands in your request, where your request says "pay"',
      "reference of the form A-[0-9]+",
      "reference at most 140 characters that lead nowhere but where your request does",
    ].join(", "),
  ])
})

test("a parameter that has no value yet is named, and the same phrase is said once", () => {
  const one = detail({ arguments: { order: [{ parameter: "order" }] } })
  assert.deepEqual(inWords([one, structuredClone(one)]), ["read-orders in shop, order the order that this is about"])
})

test("a description that begins with a name keeps its capital", () => {
  const database = { resource: () => ({ description: "PostgreSQL of the shop" }) }
  assert.deepEqual(inWords([detail({})], database), ["read-orders in PostgreSQL of the shop"])
})
