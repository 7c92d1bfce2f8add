import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { askUser, exchangeToken } from "./delegated.ts"
import { SafeconductError } from "./errors.ts"
import { openSession, type Session } from "./session.ts"
import { issueServer } from "./testing/certificates.ts"
import { listen } from "./testing/server.ts"
import { openTransport } from "./transport.ts"

// The real server is asked in stories/shop; this is about what goes over the wire, and what is not believed.

const TD = "test.example"
const clientId = `spiffe://${TD}/agent/bot`
const issuer = "https://safeconduct.test.example"
const redirectUri = "https://shop.test.example/callback"
const { root, server } = issueServer(TD)

type Seen = { path: string; form: URLSearchParams; json: Record<string, unknown> }

/** A server that grants whatever it is asked, unless told otherwise of a path. */
async function asked(answers: { [path: string]: [status: number, body: object] } = {}) {
  const seen: Seen[] = []
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString()
  const session = { id: "session_1", purpose: "order-help", expiresAt: inAnHour, hardEndAt: inAnHour }
  const token = { access_token: "t", token_type: "Bearer", expires_in: 300, safeconduct_session: session.id }
  const usual: typeof answers = {
    "/.well-known/oauth-authorization-server": [200, { issuer, authorization_endpoint: `${issuer}/oauth2/authorize` }],
    "/oauth2/par": [201, { request_uri: "urn:ietf:params:oauth:request_uri:1", expires_in: 60 }],
    "/oauth2/token": [200, token],
    "/v1/sessions/session_1": [200, session],
    "/v1/sessions/session_1/delegations": [201, { delegation: "delegation_1", expiresAt: inAnHour }],
    "/v1/sessions": [201, { session, accessToken: "t", tokenType: "Bearer", expiresIn: 300 }],
  }
  const listening = await listen(server, [root], async (request, response) => {
    seen.push(await read(request))
    const [status, body] = answers[request.url ?? ""] ?? usual[request.url ?? ""] ?? [500, {}]
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
  const transport = openTransport({ url: listening.url, trustDomain: TD, bundle: root.pem })
  const opened: Session[] = []
  const parts = { transport, clientId, onProblem: () => undefined, onOver: () => undefined }
  return {
    parts,
    to: (path: string) => seen.filter((each) => each.path === path),
    keep(session: Session) {
      opened.push(session)
      return session
    },
    async [Symbol.asyncDispose]() {
      for (const session of opened) await session.end()
      transport[Symbol.dispose]()
      await listening[Symbol.asyncDispose]()
    },
  }
}

async function read(request: IncomingMessage): Promise<Seen> {
  const body = await text(request)
  const isJson = request.headers["content-type"] === "application/json"
  return {
    path: request.url ?? "",
    form: new URLSearchParams(isJson ? "" : body),
    json: isJson ? JSON.parse(body) : {},
  }
}

const callback = (parameters: Record<string, string>) => `${redirectUri}?${new URLSearchParams(parameters)}`
const refuses = (code: string, error?: string) => (thrown: unknown) =>
  thrown instanceof SafeconductError &&
  thrown.code === code &&
  (error === undefined || thrown.detail["error"] === error)

test("a user is asked by a pushed request, and the session is what their code is worth", async () => {
  await using at = await asked()
  const authorizationDetails = [
    { type: "safeconduct_action" as const, actions: ["credential:read"], locations: ["shop"] },
  ]
  const request = { purpose: "order-help", redirectUri, statement: "signed", authorizationDetails }
  const question = await askUser(at.parts, request)
  const url = new URL(question.url)
  assert.equal(url.origin + url.pathname, `${issuer}/oauth2/authorize`)
  // Nothing else goes through the browser.
  assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request_uri"])
  const [pushed] = at.to("/oauth2/par")
  const sent = Object.fromEntries(pushed!.form)
  assert.deepEqual([sent["client_id"], sent["redirect_uri"], sent["state"]], [clientId, redirectUri, question.state])
  assert.deepEqual([sent["safeconduct_purpose"], sent["safeconduct_statement"]], ["order-help", "signed"])
  assert.deepEqual(JSON.parse(sent["authorization_details"]!), authorizationDetails)

  const session = at.keep(await question.redeem(callback({ code: "c", state: question.state, iss: issuer })))
  assert.equal(session.id, "session_1")
  const [redeemed] = at.to("/oauth2/token")
  assert.deepEqual([redeemed!.form.get("code"), redeemed!.form.get("redirect_uri")], ["c", redirectUri])
  // RFC 7636 §4.2, and the verifier was nowhere before.
  const verifier = redeemed!.form.get("code_verifier")!
  assert.equal(sent["code_challenge"], createHash("sha256").update(verifier).digest("base64url"))
  assert.equal(sent["code_challenge_method"], "S256")
})

const answers: [title: string, answer: (state: string) => Record<string, string>, code: string][] = [
  ["another question's state", () => ({ code: "c", state: "other", iss: issuer }), "token-refused"],
  ["no state", () => ({ code: "c", iss: issuer }), "token-refused"],
  ["another issuer (RFC 9207)", (state) => ({ code: "c", state, iss: "https://evil.example" }), "token-refused"],
  ["no issuer", (state) => ({ code: "c", state }), "token-refused"],
  ["a code and an error", (state) => ({ code: "c", error: "access_denied", state, iss: issuer }), "token-refused"],
  ["neither", (state) => ({ state, iss: issuer }), "token-refused"],
  ["the user's no", (state) => ({ error: "access_denied", state, iss: issuer }), "consent-denied"],
  ["another error", (state) => ({ error: "server_error", state, iss: issuer }), "token-refused"],
]
for (const [title, answer, code] of answers) {
  test(`nothing is redeemed of an answer with ${title}`, async () => {
    await using at = await asked()
    const question = await askUser(at.parts, { purpose: "order-help", redirectUri })
    await assert.rejects(question.redeem(callback(answer(question.state))), refuses(code))
    assert.deepEqual(at.to("/oauth2/token"), [])
  })
}

test("a token of the user's is exchanged for a session", async () => {
  await using at = await asked()
  const request = { purpose: "order-help", subjectToken: "id", statement: "signed", hardEndSeconds: 60 }
  at.keep(await exchangeToken(at.parts, request))
  const form = Object.fromEntries(at.to("/oauth2/token")[0]!.form)
  assert.deepEqual(form, {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    client_id: clientId,
    subject_token: "id",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    safeconduct_purpose: "order-help",
    safeconduct_statement: "signed",
    safeconduct_hard_end_seconds: "60",
  })
})

test("without a consent the error says so, and where the user can give it", async () => {
  const page = `${issuer}/oauth2/authorize?client_id=x`
  const required = { error: "consent_required", error_description: "Ask them.", safeconduct_consent_uri: page }
  await using at = await asked({ "/oauth2/token": [400, required] })
  const exchanging = exchangeToken(at.parts, { purpose: "order-help", subjectToken: "id" })
  await assert.rejects(exchanging, (error: unknown) => {
    assert.ok(refuses("consent-required", "consent_required")(error))
    return (error as SafeconductError).detail["safeconduct_consent_uri"] === page
  })
  await using other = await asked({ "/oauth2/token": [400, { error: "invalid_grant" }] })
  const again = exchangeToken(other.parts, { purpose: "order-help", subjectToken: "id" })
  await assert.rejects(again, refuses("token-refused", "invalid_grant"))
})

test("a part of a session is offered and taken, once", async () => {
  await using at = await asked()
  const session = at.keep(await exchangeToken(at.parts, { purpose: "order-help", subjectToken: "id" }))
  const authorizationDetails = [
    { type: "safeconduct_action" as const, actions: ["credential:track"], locations: ["shop"] },
  ]
  const wanted = { agent: "shipping-bot", purpose: "track-parcel", authorizationDetails }
  const { delegation, expiresAt } = await session.delegate(wanted)
  assert.deepEqual(at.to("/v1/sessions/session_1/delegations")[0]!.json, wanted)
  assert.ok(expiresAt.getTime() > Date.now())
  at.keep(await openSession(at.parts, { delegation }))
  assert.deepEqual(at.to("/v1/sessions")[0]!.json, { delegation: "delegation_1" })
})
