import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import fc from "fast-check"
import { Refusal, refusalCode, refusals } from "#kernel"
import { authorize, pushRequest } from "./authorize.ts"
import { callback, client, issuer, openTestConsent, type TestConsent } from "./fixture.ts"
import { visitOf } from "./visit.ts"

let at: TestConsent
before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

type Given = { [name: string]: string | undefined }
const jkt = "k".repeat(43)
const detail = (more: object = {}) => ({
  type: "safeconduct_action",
  actions: ["credential:read"],
  locations: ["kb"],
  ...more,
})

/** Where a browser is sent that brings this unpushed. */
const sentTo = async (given: Given) => {
  const parameters = at.parameters({ dpop_jkt: jkt, ...given })
  const { headers } = await authorize(at.rooms, visitOf(at.rooms, new Headers()), parameters)
  return new URL(headers.get("location")!)
}
const pushed = (given: Given) => {
  const { client_id, ...rest } = at.parameters(given)
  return pushRequest(at.rooms, at.bot, { ...rest, ...("client_id" in given ? { client_id } : {}) })
}

/** What is wrong, and the code that the client is told it with (RFC 6749 §4.1.2.1, RFC 9396 §5, RFC 8707 §2). */
const wrong: [what: string, given: Given, error: string][] = [
  ["no response_type", { response_type: undefined }, "invalid_request"],
  ["another response_type", { response_type: "token" }, "unsupported_response_type"],
  ["several response types", { response_type: "code id_token" }, "unsupported_response_type"],
  ["another response_mode", { response_mode: "fragment" }, "invalid_request"],
  ["no challenge (pitfall 19)", { code_challenge: undefined }, "invalid_request"],
  ["a challenge that is no hash (pitfall 19)", { code_challenge: "short" }, "invalid_request"],
  ["no method, which would be plain (pitfall 19)", { code_challenge_method: undefined }, "invalid_request"],
  ["the method plain (pitfall 19)", { code_challenge_method: "plain" }, "invalid_request"],
  ["a scope", { scope: "openid" }, "invalid_scope"],
  ["another resource (pitfall 13)", { resource: "https://other.example" }, "invalid_target"],
  ["a request object", { request: "eyJ" }, "invalid_request"],
  ["no purpose", { safeconduct_purpose: undefined }, "invalid_request"],
  ["an unknown purpose", { safeconduct_purpose: "none" }, "invalid_request"],
  ["a purpose that is not the agent's", { safeconduct_purpose: "foreign" }, "unauthorized_client"],
  ["details that are no JSON", { authorization_details: "[" }, "invalid_authorization_details"],
  ["details of another type", { authorization_details: '[{"type":"payment"}]' }, "invalid_authorization_details"],
  [
    "details with an unknown field",
    { authorization_details: JSON.stringify([detail({ more: 1 })]) },
    "invalid_authorization_details",
  ],
  [
    "details with a member twice",
    { authorization_details: '[{"type":"safeconduct_action","type":"x"}]' },
    "invalid_authorization_details",
  ],
  ["empty details", { authorization_details: "[]" }, "invalid_authorization_details"],
  [
    "details of what the purpose is not for",
    { authorization_details: JSON.stringify([detail({ actions: ["sql:drop"] })]) },
    "invalid_authorization_details",
  ],
  ["a statement that is none", { safeconduct_statement: "a.b.c" }, "invalid_request"],
  ["parameters that are no object", { safeconduct_parameters: "[1]" }, "invalid_request"],
  ["a parameter that is not declared", { safeconduct_parameters: '{"amount":1}' }, "invalid_request"],
  ["a parameter of another type", { safeconduct_parameters: '{"order":17}' }, "invalid_request"],
  [
    "a parameter that turns direction (pitfall 7)",
    { safeconduct_parameters: '{"order":"A\\u202e17"}' },
    "invalid_request",
  ],
  ["a request text of 2,001 characters (pitfall 7)", { safeconduct_request: "x".repeat(2_001) }, "invalid_request"],
  ["a request text that turns direction (pitfall 7)", { safeconduct_request: "pay \u202e05 EUR" }, "invalid_request"],
  ["a request text with zero width (pitfall 7)", { safeconduct_request: "pay\u200bpal" }, "invalid_request"],
  ["a request text with controls (pitfall 7)", { safeconduct_request: "pay\u001b[2K" }, "invalid_request"],
  ["a request text of spaces", { safeconduct_request: " \n " }, "invalid_request"],
  ["an unknown provider", { safeconduct_provider: "bank" }, "invalid_request"],
  ["an unknown prompt", { prompt: "create" }, "invalid_request"],
  ["a max_age that is no number", { max_age: "-1" }, "invalid_request"],
  ["a key that is no thumbprint", { dpop_jkt: "short" }, "invalid_request"],
]
for (const [what, given, error] of wrong) {
  test(`${what}: ${error}, pushed and not`, async () => {
    const back = await sentTo(given)
    assert.equal(back.origin + back.pathname, callback)
    assert.deepEqual(
      ["error", "state", "iss"].map((name) => back.searchParams.get(name)),
      [error, "xyz", issuer],
    )
    await assert.rejects(pushed(given), (thrown) => refusals[refusalCode(thrown)!].oauth === error)
  })
}

test("until client and redirect URI are good nobody is sent anywhere (pitfall 18)", async () => {
  const elsewhere: Given[] = [
    { client_id: undefined },
    { client_id: "spiffe://example.org/agent/none" },
    { client_id: "spiffe://evil.example/agent/bot" },
    { client_id: "spiffe://example.org/operator/olga" },
    { client_id: `${client}/` },
    { redirect_uri: undefined },
    { redirect_uri: "https://evil.example/callback" },
    { redirect_uri: "https://shop.example/callback/" },
    { redirect_uri: "https://shop.example/callback?a=b" },
    { redirect_uri: "https://shop.example/callback#a" },
    { redirect_uri: "https://SHOP.example/callback" },
    { redirect_uri: "https://shop.example:443/callback" },
    { redirect_uri: "https://shop.example/x/../callback" },
    { redirect_uri: "https://user@shop.example/callback" },
    { redirect_uri: "http://shop.example/callback" },
    { redirect_uri: "javascript:alert(1)//https://shop.example/callback" },
    { redirect_uri: "http://localhost/cb" },
    { redirect_uri: "http://127.0.0.1/other" },
    { redirect_uri: "http://127.0.0.2/cb" },
    { redirect_uri: "https://127.0.0.1/cb" },
    { redirect_uri: "http://user@127.0.0.1/cb" },
  ]
  for (const given of elsewhere) {
    await assert.rejects(sentTo(given), (error) => refusalCode(error) === "invalid-request", JSON.stringify(given))
    if ("redirect_uri" in given)
      await assert.rejects(pushed(given), (error) => refusalCode(error) === "invalid-request")
  }
})

test("on this machine's own addresses the port may be any (RFC 8252 §7.3, pitfall 18)", async () => {
  for (const port of [":1024", ":65535", ""]) {
    const back = await sentTo({ redirect_uri: `http://127.0.0.1${port}/cb`, scope: "x" })
    assert.equal(back.href.split("?")[0], `http://127.0.0.1${port}/cb`)
  }
})

test("unpushed, a request names the key of its code; pushed, the proof does (RFC 9449 §10)", async () => {
  assert.equal((await sentTo({ dpop_jkt: undefined })).searchParams.get("error"), "invalid_request")
  const byProof = { ...at.bot, confirmation: { jkt } }
  const { client_id: _, ...given } = at.parameters()
  await assert.rejects(pushRequest(at.rooms, byProof, { ...given, dpop_jkt: "l".repeat(43) }), /dpop_jkt/)
  const { request_uri } = await pushRequest(at.rooms, byProof, { ...given, dpop_jkt: jkt })
  assert.match(request_uri, /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/)
})

test("whoever pushes is the client, and pushes no request_uri (RFC 9126 §2.1)", async () => {
  const other = client.replace("bot", "other")
  await assert.rejects(pushed({ client_id: other }), (error) => refusalCode(error) === "identity-unknown")
  await assert.rejects(pushed({ request_uri: "urn:x" }), (error) => refusalCode(error) === "invalid-request")
  assert.equal((await pushed({ client_id: client })).expires_in, 90)
})

test("a state that cannot be carried back is not", async () => {
  const back = await sentTo({ state: "a\nb" })
  assert.deepEqual([back.searchParams.get("error"), back.searchParams.get("state")], ["invalid_request", null])
})

const names = [
  ...["client_id", "response_type", "response_mode", "redirect_uri", "state", "scope", "resource", "request", "prompt"],
  ...["code_challenge", "code_challenge_method", "safeconduct_purpose", "authorization_details", "max_age", "dpop_jkt"],
  ...["safeconduct_request", "safeconduct_parameters", "safeconduct_statement", "safeconduct_provider", "request_uri"],
  ...["nonce", "__proto__", "constructor"],
]
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.constantFrom(
    callback,
    `${callback}%00`,
    "http://127.0.0.1:1/cb",
    "http://127.0.0.1:1@evil.example/cb",
    client,
    "code",
  ),
  fc.json(),
  fc.string().map((each) => `urn:ietf:params:oauth:request_uri:${each}`),
)
const changes = fc.dictionary(fc.constantFrom(...names), fc.option(text, { nil: undefined }), { maxKeys: 4 })
const KNOWN = new Set(wrong.map(([, , error]) => error))

test("whatever is asked leads to a registered place with a code of OAuth's, to the provider, or nowhere (pitfalls 17, 18)", async () => {
  const property = fc.asyncProperty(changes, async (changed) => {
    // What PostgreSQL stores no text of is refused before (api/body.ts).
    const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => !value?.includes("\0")))
    try {
      const to = await sentTo(given)
      if (to.host === "id.shop.example") return
      const place = `${to.protocol}//${to.hostname}${to.pathname}`
      assert.ok([callback, "http://127.0.0.1/cb"].includes(place), to.href)
      assert.ok(KNOWN.has(to.searchParams.get("error")!), to.href)
      assert.match(to.searchParams.get("error_description")!, /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      assert.ok(["invalid-request", "request-uri-invalid"].includes(error.code), error.code)
    }
  })
  await fc.assert(property, { numRuns: 400 })
})

test("whatever is pushed is taken, or refused with a code of OAuth's (pitfalls 17, 18)", async () => {
  const property = fc.asyncProperty(changes, async (changed) => {
    const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => !value?.includes("\0")))
    try {
      assert.equal((await pushed(given)).expires_in, 90)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      assert.ok(KNOWN.has(refusals[error.code].oauth) || error.code === "identity-unknown", error.code)
    }
  })
  await fc.assert(property, { numRuns: 400 })
})
