import assert from "node:assert/strict"
import { test } from "node:test"
import { Refusal } from "#kernel"
import { parseProviders } from "../part.ts"
import { type ProfileName, profiles } from "../profiles.ts"
import { cibaProfiles } from "./profiles.ts"

const issuers: { [profile: string]: string } = {
  auth0: "https://shop.auth0.example/",
  entra: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
}

function read(profile: ProfileName, ciba: object, more: object = {}) {
  const issuer = issuers[profile] ?? "https://id.shop.example"
  const of = { issuer, profile, clientId: "safeconduct", clientAuthentication: "client_secret_post" }
  return parseProviders({ shop: { ...of, claims: { login: "preferred_username" }, ciba, ...more } })["shop"]!.ciba!
}

/** Where the refusal points. */
function refusedAt(profile: ProfileName, ciba: object, more: object = {}): string {
  try {
    read(profile, ciba, more)
  } catch (error) {
    assert.ok(error instanceof Refusal)
    assert.equal(error.code, "policy-invalid")
    return JSON.stringify(error.detail)
  }
  return assert.fail(`${profile} took ${JSON.stringify(ciba)}`)
}

test("CIBA is off unless the configuration says it", () => {
  const of = { issuer: "https://id.shop.example", clientId: "safeconduct" }
  assert.equal(parseProviders({ shop: of })["shop"]!.ciba, undefined)
  assert.deepEqual(read("generic", {}), { mode: "poll", scopes: ["openid"], acrValues: [] })
})

test("profiles whose makers document none refuse it, with what to do instead", () => {
  for (const profile of ["google", "entra"] as const) assert.match(refusedAt(profile, {}), /ciba/)
})

test("where people are known there by another name, the configuration says which claim it is", () => {
  for (const profile of ["okta", "keycloak"] as const) {
    assert.match(refusedAt(profile, {}), /hintClaim/)
    assert.match(refusedAt(profile, { hintClaim: "email" }), /hintClaim/)
    assert.equal(read(profile, { hintClaim: "login" }).hintClaim, "login")
  }
  assert.match(refusedAt("auth0", { hintClaim: "login" }), /hintClaim/)
})

test("what a provider does not do is refused when it is configured", () => {
  assert.match(refusedAt("okta", { hintClaim: "login", mode: "ping" }), /mode/)
  assert.match(refusedAt("auth0", { mode: "push" }), /mode/)
  assert.match(refusedAt("auth0", { signedRequests: true }), /signedRequests/)
  assert.match(refusedAt("okta", { hintClaim: "login", detailsType: "hr" }), /detailsType/)
  assert.match(refusedAt("generic", { channel: {} }), /channel/)
  assert.match(refusedAt("generic", { scopes: ["profile"] }), /scopes/)
  assert.match(refusedAt("generic", {}, { clientAuthentication: "none" }), /ciba/)
  assert.match(refusedAt("generic", { pol: "ping" }), /ciba/)
  assert.equal(read("keycloak", { hintClaim: "login", channel: {} }).channel?.proof, "passkey")
})

test("every profile of providers says what of CIBA it knows", () => {
  assert.deepEqual(Object.keys(cibaProfiles).sort(), Object.keys(profiles).sort())
})
