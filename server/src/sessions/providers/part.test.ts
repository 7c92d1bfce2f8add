import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Refusal } from "#kernel"
import { parseProviders } from "./part.ts"

const issuer = "https://id.shop.example"
const one = (more: object) => ({ shop: { issuer, clientId: "safeconduct", ...more } })
const pathOf = (value: unknown): unknown => {
  try {
    parseProviders(value)
    return null
  } catch (error) {
    if (error instanceof Refusal && error.code === "policy-invalid") return error.detail?.["path"]
    throw error
  }
}

test("what is not said is filled in, and what was filled in parses to the same", () => {
  const part = parseProviders(one({ claims: { customer: "customer_id" } }))
  assert.deepEqual(part["shop"], {
    issuer,
    profile: "generic",
    clientId: "safeconduct",
    clientAuthentication: "private_key_jwt",
    scopes: ["openid"],
    claims: { customer: "customer_id" },
    acrValues: [],
    network: "public",
  })
  assert.deepEqual(parseProviders(part), part)
  assert.deepEqual(parseProviders(undefined), {})
})

test("roles and delegated tokens are read", () => {
  const roles = { claim: "groups", values: { "sec-admins": ["admin"], auditors: ["auditor"] } }
  const delegatedTokens = { agents: { "0oa1": "support-bot" }, purposeClaim: "purpose" }
  const part = parseProviders(one({ roles, delegatedTokens }))["shop"]!
  assert.deepEqual(part.roles, roles)
  assert.deepEqual(part.delegatedTokens, {
    ...delegatedTokens,
    mayActClaim: "may_act",
    scopes: {},
    detailsClaim: "authorization_details",
    sessionClaim: "sid",
  })
})

test("pitfall 28: an issuer has one spelling, https, no query, no fragment, no user", () => {
  const wrong = [
    "",
    "id.shop.example",
    "http://id.shop.example",
    "ftp://id.shop.example",
    "javascript:alert(1)",
    "https://ID.shop.example",
    "https://id.shop.example:443",
    "https://id.shop.example/?",
    "https://id.shop.example/?a=b",
    "https://id.shop.example/#",
    "https://user@id.shop.example",
    "https://id.shop.example/a/../b",
    "https://0x7f.1/",
    "http://127.0.0.1:8080",
    " https://id.shop.example",
  ]
  for (const each of wrong) assert.equal(pathOf(one({ issuer: each })), "providers.shop.issuer", each)
  for (const each of [issuer, `${issuer}/`, `${issuer}/realms/shop`, `${issuer}:8443/realms/shop/`]) {
    assert.equal(pathOf(one({ issuer: each })), null, each)
  }
})

test("pitfall 17: plain http is for this machine alone, and only where the configuration says so", () => {
  for (const each of ["http://127.0.0.1:4000", "http://localhost:4000", "http://[::1]:4000", "https://localhost"]) {
    assert.equal(pathOf(one({ issuer: each, network: "loopback" })), null, each)
  }
  for (const each of ["http://localhost:4000", "http://[::1]:4000"]) {
    assert.equal(pathOf(one({ issuer: each })), "providers.shop.issuer", each)
    assert.equal(pathOf(one({ issuer: each, network: "private" })), "providers.shop.issuer", each)
  }
  for (const each of [issuer, "http://127.0.0.2", "http://10.0.0.1", "http://localhost.example"]) {
    assert.equal(pathOf(one({ issuer: each, network: "loopback" })), "providers.shop.issuer", each)
  }
})

test("two providers with one issuer are refused", () => {
  const shop = { issuer, clientId: "a" }
  assert.equal(pathOf({ shop, other: { ...shop, clientId: "b" } }), "providers.other.issuer")
})

test("a profile knows its issuers and its algorithms", () => {
  const tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
  const secret = { clientAuthentication: "client_secret_post" }
  assert.equal(pathOf(one({ profile: "entra", issuer: tenant, ...secret })), null)
  for (const each of ["common", "organizations", "{tenantid}", "contoso.onmicrosoft.com"]) {
    const wrong = `https://login.microsoftonline.com/${each}/v2.0`
    assert.equal(pathOf(one({ profile: "entra", issuer: wrong, ...secret })), "providers.shop.issuer", each)
  }
  assert.equal(pathOf(one({ profile: "auth0", issuer: "https://t.auth0.com", ...secret })), "providers.shop.issuer")
  assert.equal(pathOf(one({ profile: "auth0", issuer: "https://t.auth0.com/", ...secret })), null)
  assert.equal(pathOf(one({ profile: "google", algorithms: ["ES256"], ...secret })), "providers.shop.algorithms")
  assert.equal(pathOf(one({ algorithms: ["ES384"] })), null)
})

test("a profile whose makers take no key like ours is not configured with one, and says what to use", () => {
  const auth0 = { profile: "auth0", issuer: "https://t.auth0.com/" }
  for (const each of [
    auth0,
    { profile: "google" },
    { profile: "ibm-verify" },
    { ...auth0, clientAuthentication: "private_key_jwt" },
  ]) {
    assert.throws(() => parseProviders(one(each)), /client_secret_post/)
    assert.equal(pathOf(one(each)), "providers.shop.clientAuthentication")
  }
  for (const each of ["generic", "okta", "keycloak", "ping"]) assert.equal(pathOf(one({ profile: each })), null, each)
})

test("pitfall 15: no algorithm with a shared secret, and not none", () => {
  for (const each of ["none", "HS256", "RS1", "ES256K"]) {
    assert.equal(pathOf(one({ algorithms: [each] })), "providers.shop.algorithms.0", each)
  }
})

test("what is not known is refused, with its place", () => {
  const wrong: [unknown, string][] = [
    [one({ colour: "red" }), "providers.shop"],
    [one({ scopes: ["profile"] }), "providers.shop.scopes"],
    [one({ scopes: ["openid", "a b"] }), "providers.shop.scopes.1"],
    [one({ clientAuthentication: "client_secret_jwt" }), "providers.shop.clientAuthentication"],
    [one({ clientId: "" }), "providers.shop.clientId"],
    [one({ claims: { "a-b": "c" } }), "providers.shop.claims.a-b"],
    [one({ roles: { claim: "groups", values: { x: ["root"] } } }), "providers.shop.roles.values.x.0"],
    [one({ roles: { claim: "groups", values: { x: ["agent"] } } }), "providers.shop.roles.values.x.0"],
    [one({ roles: { claim: "groups", values: {}, acrValues: [] } }), "providers.shop.roles.acrValues"],
    [one({ roles: { claim: "groups", values: {}, maxAgeSeconds: -1 } }), "providers.shop.roles.maxAgeSeconds"],
    [one({ network: "any" }), "providers.shop.network"],
    [{ Shop: one({}).shop }, "providers.Shop"],
    [JSON.parse('{"__proto__": {}}'), "providers.__proto__"],
    [[], "providers"],
    ["shop", "providers"],
  ]
  for (const [value, path] of wrong) assert.equal(pathOf(value), path, JSON.stringify(value))
})

test("whatever is written there, it parses to something that parses again, or is policy-invalid", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.webUrl().map((url) => one({ issuer: url })),
      ),
      (value) => {
        if (pathOf(value) === null) {
          const part = parseProviders(value)
          assert.deepEqual(parseProviders(part), part)
        }
      },
    ),
  )
})
