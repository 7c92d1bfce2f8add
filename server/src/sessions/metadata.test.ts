import assert from "node:assert/strict"
import { test } from "node:test"
import { issuer } from "./fixture.ts"
import { metadata } from "./metadata.ts"

test("the metadata names each endpoint under the issuer, and its alias where certificates are asked for", () => {
  const said = metadata(issuer, "https://agents.example:7443/")
  assert.equal(said["issuer"], issuer)
  assert.equal(said["jwks_uri"], `${issuer}/.well-known/jwks.json`)
  assert.equal(said["authorization_endpoint"], `${issuer}/oauth2/authorize`)
  const endpoints = {
    token_endpoint: "/oauth2/token",
    pushed_authorization_request_endpoint: "/oauth2/par",
    introspection_endpoint: "/oauth2/introspect",
    revocation_endpoint: "/oauth2/revoke",
    backchannel_authentication_endpoint: "/oauth2/bc-authorize",
  }
  for (const [name, path] of Object.entries(endpoints)) assert.equal(said[name], issuer + path)
  assert.deepEqual(
    said["mtls_endpoint_aliases"],
    Object.fromEntries(Object.entries(endpoints).map(([name, path]) => [name, `https://agents.example:7443${path}`])),
  )
  assert.equal(said["tls_client_certificate_bound_access_tokens"], true)
})

test("pitfall 20, refresh tokens: there is no grant for one, and no way in without PKCE and iss", () => {
  const said = metadata(issuer, issuer)
  assert.deepEqual(said["grant_types_supported"], [
    "authorization_code",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:openid:params:grant-type:ciba",
  ])
  assert.deepEqual(said["code_challenge_methods_supported"], ["S256"])
  assert.deepEqual(said["response_types_supported"], ["code"])
  assert.equal(said["authorization_response_iss_parameter_supported"], true)
})

test("CIBA Core §4: the modes of delivery, the algorithms of requests, and no user code", () => {
  const said = metadata(issuer, issuer)
  assert.deepEqual(said["backchannel_token_delivery_modes_supported"], ["poll", "ping"], "FAPI-CIBA §5.2.2: never push")
  assert.deepEqual(said["backchannel_authentication_request_signing_alg_values_supported"], ["ES256"])
  assert.equal(said["backchannel_user_code_parameter_supported"], false)
  assert.deepEqual([said["scopes_supported"], said["subject_types_supported"]], [["openid"], ["pairwise"]])
  assert.deepEqual(said["id_token_signing_alg_values_supported"], ["ES256"])
})
