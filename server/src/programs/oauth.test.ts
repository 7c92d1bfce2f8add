import assert from "node:assert/strict"
import { generateKeyPairSync, type KeyObject, randomUUID, X509Certificate } from "node:crypto"
import { after, before, describe, test } from "node:test"
import fc from "fast-check"
import { exportJWK, SignJWT } from "jose"
import { type AgentPrincipal, newSigningRequest, type Principal } from "#agents"
import { type ApiRoute, createApplication } from "#api"
import { apply, openSession, parseDocument } from "#gate"
import { generateKey, silentLog } from "#kernel"
import { document, type TestDeployment, testDeployment } from "./fixture.ts"
import { allRoutes, type Running } from "./serve.ts"

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
const BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

/** RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 9396 §5, RFC 7009 §2.2.1, OpenID Connect Core §3.1.2.6. */
const ERRORS = [
  ...["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"],
  ...["invalid_scope", "invalid_target", "invalid_authorization_details", "unsupported_token_type", "consent_required"],
]

type Form = { [name: string]: string }
type Answer = { status: number; body: Record<string, unknown>; headers: Headers }

describe("the OAuth endpoints", { timeout: 120_000 }, () => {
  let deployment: TestDeployment
  let server: Running
  let bot: AgentPrincipal
  let key: KeyObject
  let issuer: string
  let post: (path: string, body: string, headers?: Form) => Promise<Answer>
  const send = (path: string, form: Form) => post(path, new URLSearchParams(form).toString())

  before(async () => {
    deployment = await testDeployment()
    server = await deployment.serve()
    const pair = generateKeyPairSync("ed25519")
    key = pair.privateKey
    const shop = { description: "The shop", agents: ["bot"], resources: ["kb"] }
    const keys = [{ ...(await exportJWK(pair.publicKey)), kid: "shop-1" }]
    const part = parseDocument({ ...document, applications: { shop: { ...shop, keys } } })
    await apply(server.rooms, "server", part)
    bot = await enrolled(server)
    issuer = server.rooms.sessions.issuer
    const anything = new Proxy({}, { get: () => anything }) as never
    const routes = (allRoutes(server.rooms, anything) as ApiRoute[]).filter(({ path }) => path.startsWith("/oauth2/"))
    const judged = { judge: async (): Promise<Principal> => bot, claims: async () => null }
    const identification = { scheme: "Bearer", hint: "", present: async () => judged } as const
    const limiter = { take: () => undefined }
    const app = createApplication({ listener: "agents", routes, identification, limiter, log: silentLog })
    post = async (path, body, headers = { "content-type": "application/x-www-form-urlencoded" }) => {
      const request = new Request(`http://localhost${path}`, { method: "POST", body, headers })
      const response = await app.fetch(request, { incoming: {} })
      return { status: response.status, body: (await response.json()) as never, headers: response.headers }
    }
  })
  after(() => deployment?.[Symbol.asyncDispose]())

  const assertion = (claims: object = {}) => {
    const seconds = Math.floor(Date.now() / 1000)
    return new SignJWT({
      iss: "shop",
      sub: "shop",
      aud: issuer,
      jti: randomUUID(),
      iat: seconds,
      exp: seconds + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: "EdDSA", kid: "shop-1", typ: "client-authentication+jwt" })
      .sign(key)
  }
  const authenticated = async (form: Form): Promise<Form> => ({
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: await assertion(),
    ...form,
  })
  /** An OAuth error and nothing else: no stumbling, no cache, no word of what is inside. */
  const requireError = ({ status, body, headers }: Answer, what: string) => {
    assert.ok(ERRORS.includes(body["error"] as string), `${what}: ${status} ${JSON.stringify(body)}`)
    assert.equal(status, body["error"] === "invalid_client" ? 401 : 400, what)
    const own = ["error", "error_description", "safeconduct_consent_uri"]
    assert.deepEqual(
      Object.keys(body).filter((name) => !own.includes(name)),
      [],
      what,
    )
    assert.match(String(body["error_description"]), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, what)
    assert.equal(headers.get("cache-control"), "no-store")
    assert.equal(headers.get("content-type"), "application/json")
  }

  test("answer each mistake with the error that its standard has for it", async () => {
    const exchange = {
      grant_type: EXCHANGE,
      subject_token: "a.b.c",
      subject_token_type: ID_TOKEN,
      safeconduct_purpose: "answer",
    }
    const details = document.purposes.answer.actions
    const wrong: [string, Form, string][] = [
      ["/oauth2/token", {}, "invalid_request"],
      ["/oauth2/token", { grant_type: "" }, "invalid_request"],
      ["/oauth2/token", { grant_type: "password", username: "a", password: "b" }, "unsupported_grant_type"],
      ["/oauth2/token", { grant_type: "refresh_token", refresh_token: "a" }, "unsupported_grant_type"],
      ["/oauth2/token", { grant_type: "constructor" }, "unsupported_grant_type"],
      ["/oauth2/token", { ...exchange, client_id: "spiffe://example.org/agent/other" }, "invalid_client"],
      ["/oauth2/token", { ...exchange, client_assertion: "a.b.c" }, "invalid_client"],
      ["/oauth2/token", { grant_type: "client_credentials", scope: "all" }, "invalid_scope"],
      ["/oauth2/token", { grant_type: "authorization_code" }, "invalid_request"],
      ["/oauth2/token", { grant_type: "authorization_code", code: "a", code_verifier: "short" }, "invalid_request"],
      [
        "/oauth2/token",
        { grant_type: "authorization_code", code: "a", code_verifier: "a".repeat(43) },
        "invalid_grant",
      ],
      ["/oauth2/token", exchange, "invalid_request"],
      ["/oauth2/token", { ...exchange, subject_token: "" }, "invalid_request"],
      [
        "/oauth2/token",
        { ...exchange, subject_token_type: "urn:ietf:params:oauth:token-type:saml2" },
        "invalid_request",
      ],
      ["/oauth2/token", { ...exchange, subject_token_type: "toString" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, requested_token_type: ID_TOKEN }, "invalid_request"],
      [
        "/oauth2/token",
        { ...exchange, requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" },
        "invalid_request",
      ],
      ["/oauth2/token", { ...exchange, actor_token: "a.b.c" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, actor_token: "a.b.c", actor_token_type: ACCESS_TOKEN }, "invalid_request"],
      ["/oauth2/token", { ...exchange, actor_token_type: ACCESS_TOKEN }, "invalid_request"],
      ["/oauth2/token", { ...exchange, audience: "https://other.example" }, "invalid_target"],
      ["/oauth2/token", { ...exchange, resource: "https://other.example" }, "invalid_target"],
      ["/oauth2/token", { ...exchange, scope: "openid" }, "invalid_scope"],
      ["/oauth2/token", { ...exchange, safeconduct_purpose: "" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, safeconduct_purpose: "Ünheard of" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, safeconduct_purpose: "unheard-of" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, safeconduct_lifetime_seconds: "-1" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, safeconduct_provider: "none" }, "invalid_request"],
      ["/oauth2/token", { ...exchange, authorization_details: "{" }, "invalid_authorization_details"],
      ["/oauth2/token", { ...exchange, authorization_details: "[]" }, "invalid_authorization_details"],
      ["/oauth2/token", { ...exchange, authorization_details: '[{"type":"other"}]' }, "invalid_authorization_details"],
      [
        "/oauth2/token",
        { ...exchange, authorization_details: JSON.stringify([{ ...details[0], more: 1 }]) },
        "invalid_authorization_details",
      ],
      ["/oauth2/token", { grant_type: BEARER, safeconduct_purpose: "answer" }, "invalid_request"],
      ["/oauth2/token", { grant_type: BEARER, safeconduct_purpose: "answer", assertion: "a.b.c" }, "invalid_grant"],
      ["/oauth2/introspect", { token: "a" }, "invalid_client"],
      ["/oauth2/introspect", { token: "a", client_id: "shop" }, "invalid_client"],
      ["/oauth2/introspect", await authenticated({}), "invalid_request"],
      ["/oauth2/introspect", await authenticated({ token: "a", client_id: "other" }), "invalid_client"],
      [
        "/oauth2/introspect",
        await authenticated({ token: "a", client_assertion: await assertion({ aud: [issuer] }) }),
        "invalid_client",
      ],
      ["/oauth2/introspect", await authenticated({ token: "a", client_assertion_type: "other" }), "invalid_client"],
      ["/oauth2/revoke", {}, "invalid_request"],
      ["/oauth2/revoke", { token: "a", client_id: "spiffe://example.org/agent/other" }, "invalid_client"],
    ]
    for (const [path, form, error] of wrong) {
      const answer = await send(path, form)
      const what = `${path} ${JSON.stringify(form).slice(0, 200)}`
      requireError(answer, what)
      assert.equal(answer.body["error"], error, `${what}: ${JSON.stringify(answer.body)}`)
    }
  })

  test("tell an application what a token is, once for each assertion, and revoke it for its agent", async () => {
    const { token } = await openSession(server.rooms, bot, { purpose: "answer" })
    const asked = await authenticated({ token: token.accessToken, token_type_hint: "whatever" })
    const { status, body } = await send("/oauth2/introspect", asked)
    assert.deepEqual([status, body["active"], body["client_id"]], [200, true, bot.spiffeId])
    const again = await send("/oauth2/introspect", asked)
    assert.deepEqual([again.status, again.body["error"]], [401, "invalid_client"])
    for (const text of ["unheard-of", "a.b.c"]) {
      assert.deepEqual((await send("/oauth2/introspect", await authenticated({ token: text }))).body, { active: false })
      const revoked = await send("/oauth2/revoke", { token: text, token_type_hint: "refresh_token" })
      assert.deepEqual([revoked.status, revoked.body], [200, {}])
    }
    assert.equal((await send("/oauth2/revoke", { token: token.accessToken })).status, 200)
    const over = await send("/oauth2/introspect", await authenticated({ token: token.accessToken }))
    assert.deepEqual(over.body, { active: false })
  })

  test("answer whatever is sent in any parameter with an OAuth error, and never stumble", async () => {
    const anything = fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
      { weight: 2, arbitrary: fc.webUrl() },
      { weight: 2, arbitrary: fc.json() },
      { weight: 2, arbitrary: jwt },
      fc.constantFrom(ACCESS_TOKEN, ID_TOKEN, EXCHANGE, "answer", "__proto__", "toString", "x".repeat(40_000)),
    )
    const grants = ["authorization_code", EXCHANGE, BEARER, "client_credentials"]
    const good: { readonly [path: string]: Form } = {
      "/oauth2/token": {
        ...{ subject_token: "a.b.c", subject_token_type: ID_TOKEN, safeconduct_purpose: "answer" },
        ...{ code: "a", code_verifier: "a".repeat(43), assertion: "a.b.c", safeconduct_session: "session_0" },
        ...{ actor_token: "a.b.c", actor_token_type: ACCESS_TOKEN, redirect_uri: "https://shop.example/callback" },
        ...{ requested_token_type: ACCESS_TOKEN, safeconduct_statement: "a.b.c", safeconduct_provider: "shop" },
        ...{ authorization_details: "[]", safeconduct_lifetime_seconds: "60", safeconduct_hard_end_seconds: "60" },
        ...{ client_id: "", client_assertion: "", client_assertion_type: "", scope: "", audience: "", resource: "" },
      },
      "/oauth2/introspect": { token: "a.b.c", client_id: "shop", client_assertion: "a.b.c", client_assertion_type: "" },
      "/oauth2/revoke": { client_id: "", client_assertion: "", token: "" },
    }
    const request = fc.constantFrom(...Object.keys(good)).chain((path) =>
      fc.record({
        path: fc.constant(path),
        grant: fc.constantFrom(...grants),
        // Most of a good request, and some of it replaced.
        kept: fc.subarray(Object.keys(good[path]!)),
        changed: fc.dictionary(fc.constantFrom(...Object.keys(good[path]!)), anything, { maxKeys: 4 }),
        doubled: fc.option(fc.constantFrom(...Object.keys(good[path]!)), { freq: 20 }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(request, async ({ path, grant, kept, changed, doubled }) => {
        const form = new URLSearchParams(path === "/oauth2/token" ? { grant_type: grant } : {})
        for (const name of kept) form.set(name, good[path]![name]!)
        for (const [name, value] of Object.entries(changed)) form.set(name, value.toWellFormed())
        if (doubled !== null) form.append(doubled, "twice")
        const answer = await post(path, form.toString())
        // What is no token of ours is revoked already (RFC 7009 §2.2).
        if (path === "/oauth2/revoke" && answer.status === 200) assert.deepEqual(answer.body, {})
        else requireError(answer, `${path} ${form}`)
      }),
      { numRuns: 500 },
    )
    const { entries } = await server.rooms.audit.entries({ limit: 256 })
    assert.ok(
      entries.every(({ leaf }) => leaf.event !== "sessions.user-known"),
      "nobody was made known by it",
    )
  })

  test("take no body but a form", async () => {
    const bodies: [string, string, string][] = [
      ["application/json", `{"grant_type":"${EXCHANGE}"}`, "invalid_request"],
      ["multipart/form-data; boundary=a", "--a--", "invalid_request"],
      ["application/x-www-form-urlencoded; charset=utf-16", "grant_type=a", "invalid_request"],
      ["application/x-www-form-urlencoded", `grant_type=${EXCHANGE}&grant_type=${EXCHANGE}`, "invalid_request"],
      ["application/x-www-form-urlencoded", "grant_type=%00", "invalid_request"],
    ]
    for (const path of ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]) {
      for (const [type, body, error] of bodies) {
        const answer = await post(path, body, { "content-type": type })
        assert.equal(answer.body["error"], error, `${path} ${type}`)
        assert.equal(answer.status, 400)
      }
    }
  })
})

const part = fc.oneof(
  fc.dictionary(fc.constantFrom("alg", "typ", "kid", "iss", "sub", "aud", "exp", "iat", "jti", "act"), fc.jsonValue()),
  fc.constantFrom({ alg: "none" }, { alg: "HS256", kid: "shop-1" }, { alg: "EdDSA", kid: "shop-1" }, { iss: "shop" }),
)
const jwt = fc.tuple(part, part, fc.base64String()).map(([header, payload, signature]) => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  return `${encode(header)}.${encode(payload)}.${signature}`
})

async function enrolled({ rooms: { agents } }: Running): Promise<AgentPrincipal> {
  const { token } = await agents.createJoinToken({ kind: "agent", name: "bot" }, "server")
  const { svid } = await agents.enrol({ token: token.reveal(), csr: newSigningRequest(generateKey().privateKey) })
  const chain = svid.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return (await agents.identify(chain.map((block) => new X509Certificate(block).raw))) as AgentPrincipal
}
