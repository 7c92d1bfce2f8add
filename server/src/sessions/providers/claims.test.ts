import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { lacksClaims, mapClaims, mapRoles, rolesFor, roleValues } from "./claims.ts"
import { type ProviderDefinition, parseProviders } from "./part.ts"
import type { Payload } from "./token.ts"

const definition = (more: object): ProviderDefinition =>
  parseProviders({ shop: { issuer: "https://id.shop.example", clientId: "c", ...more } })["shop"]!
const claims = { customer: "customer_id", groups: "realm_access.roles", tier: "https://shop.example/tier" }

test("a mapped claim is a list of texts under our name, and others are left", () => {
  const said = {
    customer_id: 1001,
    realm_access: { roles: ["a", "b"] },
    "https://shop.example/tier": "gold",
    email: "alice@shop.example",
  }
  assert.deepEqual(mapClaims(definition({ claims }), said), { customer: ["1001"], groups: ["a", "b"], tier: ["gold"] })
  assert.deepEqual(mapClaims(definition({ claims: { flag: "f" } }), { f: true }), { flag: ["true"] })
  // A claim of the whole name comes before a path.
  const both = { "realm_access.roles": ["whole"], realm_access: { roles: ["path"] } }
  assert.deepEqual(mapClaims(definition({ claims: { groups: "realm_access.roles" } }), both), { groups: ["whole"] })
})

test("a claim that is missing, or not plainly texts, is left out whole", () => {
  // A number that a parser rounds may be another customer's, and PostgreSQL has no text with a NUL in it.
  const rounded = [1e20, 2 ** 53, Number.POSITIVE_INFINITY, [1, 2 ** 60]]
  const unwritable = ["a\u0000", "\ud800", ["a", "\udc00"]]
  const odd = [
    ...rounded,
    ...unwritable,
    undefined,
    null,
    {},
    [{}],
    ["a", { b: 1 }],
    ["a", null],
    [["a"]],
    "x".repeat(501),
    Array(257).fill("a"),
  ]
  for (const customer_id of odd) {
    const said = (customer_id === undefined ? {} : { customer_id }) as Payload
    assert.deepEqual(mapClaims(definition({ claims: { customer: "customer_id" } }), said), {}, JSON.stringify(said))
  }
  assert.deepEqual(mapClaims(definition({ claims: { customer: "customer_id" } }), { customer_id: [] }), {
    customer: [],
  })
  for (const name of ["constructor", "toString", "__proto__.x", "hasOwnProperty"]) {
    assert.deepEqual(mapClaims(definition({ claims: { customer: name } }), {}), {}, name)
  }
})

test("an operator has the roles that their claims stand for, and no other", () => {
  const roles = { claim: "groups", values: { "sec-admins": ["admin"], auditors: ["auditor", "approver"] } }
  const mapped = definition({ roles })
  const held = (groups: unknown) => mapRoles(mapped, roleValues(mapped, { groups } as Payload))
  assert.deepEqual(held(["auditors", "sec-admins", "auditors"]), ["admin", "approver", "auditor"])
  assert.deepEqual(held("auditors"), ["approver", "auditor"])
  for (const groups of [[], ["Auditors"], ["auditors "], ["toString"], [["auditors"]], { auditors: true }, "admin"]) {
    assert.deepEqual(held(groups), [], JSON.stringify(groups))
  }
  assert.deepEqual(roleValues(definition({}), { groups: ["sec-admins"] }), [])
  assert.deepEqual(mapRoles(definition({}), ["sec-admins"]), [])
  assert.deepEqual(roleValues(mapped, { groups: ["auditors", "staff", "auditors"] }), ["auditors"])
})

test("what roles stood on is worth nothing by another provider, another issuer, another claim or other values", () => {
  const roles = { claim: "groups", values: { "sec-admins": ["admin"] } }
  const grounds = { provider: "shop", issuer: "https://id.shop.example", claim: "groups", values: ["sec-admins"] }
  const worth = (more: object, given: object = {}) => rolesFor({ shop: definition(more) }, { ...grounds, ...given })
  assert.deepEqual(worth({ roles }), ["admin"])
  assert.deepEqual(worth({ roles: { ...roles, values: { "sec-admins": ["auditor"] } } }), ["auditor"])
  for (const given of [{ provider: "bank" }, { provider: "constructor" }, { values: ["toString"] }, { values: [] }]) {
    assert.deepEqual(worth({ roles }, given), [], JSON.stringify(given))
  }
  assert.deepEqual(worth({ roles, issuer: "https://id.shop.example/" }), [])
  assert.deepEqual(worth({ roles: { ...roles, claim: "teams" } }), [])
  assert.deepEqual(worth({}), [])
})

test("another place is asked where a mapped claim is missing", () => {
  const roles = { claim: "groups", values: {} }
  const mapped = definition({ claims: { customer: "customer_id" }, roles })
  assert.equal(lacksClaims(mapped, { customer_id: 1, groups: [] }), false)
  assert.equal(lacksClaims(mapped, { customer_id: 1 }), true)
  assert.equal(lacksClaims(mapped, { groups: [] }), true)
  assert.equal(lacksClaims(definition({}), {}), false)
})

test("whatever a provider says, what is mapped are texts under our names", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom("customer_id", "realm_access", "groups"), fc.jsonValue()), (said) => {
      for (const [name, values] of Object.entries(mapClaims(definition({ claims }), said as Payload))) {
        assert.ok(name in claims)
        assert.ok(values.every((value) => typeof value === "string"))
      }
    }),
  )
})
