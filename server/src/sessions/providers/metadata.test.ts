import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { Json } from "#kernel"
import { metadataUrl, readMetadata } from "./metadata.ts"

const issuer = "https://id.shop.example/realms/shop"
const right = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: "https://token.shop.example/token?tenant=1",
  jwks_uri: `${issuer}/jwks`,
}
const read = (more: object) => readMetadata({ ...right, ...more } as Json, issuer, "public")

test("what we use is read, and the rest is left", () => {
  const texts = {
    authorization_details_types_supported: ["payment"],
    code_challenge_methods_supported: ["plain", "S256"],
  }
  assert.deepEqual(read({ ...texts, registration_endpoint: 7 }), { ...right, ...texts })
})

test("pitfall 28: the issuer is the same text", () => {
  const others = [`${issuer}/`, issuer.toUpperCase(), "https://id.shop.example/realms/%73hop", "", undefined, [issuer]]
  for (const other of others) assert.throws(() => read({ issuer: other }), /issuer/, String(other))
})

test("pitfall 17: a place that is not https, or has a password or a fragment, makes all of it unusable", () => {
  const wrong = ["http://id.shop.example/x", "file:///etc/passwd", "https://u:p@x/", "/x", "https://x/#a", "", 7, null]
  const required = ["authorization_endpoint", "token_endpoint", "jwks_uri"]
  const optional = [
    "userinfo_endpoint",
    "introspection_endpoint",
    "end_session_endpoint",
    "backchannel_authentication_endpoint",
  ]
  for (const name of [...required, ...optional, "pushed_authorization_request_endpoint"]) {
    for (const place of wrong) assert.throws(() => read({ [name]: place }), Error, `${name} ${place}`)
  }
  for (const name of required) assert.throws(() => read({ [name]: undefined }), Error, name)
})

test("pitfall 19: a provider that does not know S256 cannot be used", () => {
  for (const known of [["plain"], []]) assert.throws(() => read({ code_challenge_methods_supported: known }), /S256/)
})

test("where metadata is asked for", () => {
  assert.equal(metadataUrl(issuer), `${issuer}/.well-known/openid-configuration`)
  assert.equal(metadataUrl("https://t.auth0.com/"), "https://t.auth0.com/.well-known/openid-configuration")
})

test("whatever metadata says, its places are https and its issuer is the one that was asked", () => {
  const url = fc.oneof(fc.webUrl(), fc.webUrl({ validSchemes: ["http", "ftp"] }), fc.string(), fc.constant("https://h"))
  const names = fc.constantFrom("issuer", "authorization_endpoint", "jwks_uri", "userinfo_endpoint", "token_endpoint")
  const changed = fc
    .dictionary(names, fc.oneof(url, fc.jsonValue()), { maxKeys: 3 })
    .map((more) => ({ ...right, ...more }))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), changed), (value) => {
      let found: Record<string, unknown>
      try {
        found = readMetadata(value as Json, issuer, "public")
      } catch {
        return
      }
      assert.equal(found["issuer"], issuer)
      for (const [name, place] of Object.entries(found)) {
        if (/_(endpoint|uri)$/.test(name)) assert.equal(new URL(String(place)).protocol, "https:", name)
      }
    }),
    { numRuns: 500 },
  )
})
