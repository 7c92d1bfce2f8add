import assert from "node:assert/strict"
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto"
import { createServer } from "node:http"
import { request } from "node:https"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import { after, before, describe, test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify, SignJWT } from "jose"
import {
  openSuiteDeployment,
  type SuiteCertificate,
  type SuiteClient,
  type SuiteDeployment,
} from "../interop/conformance-suite/deployment.ts"
import { openFolder } from "./fixtures/folder.ts"
import { until } from "./fixtures/until.ts"

/**
 * The OpenID conformance suite's plan `fapi-ciba-id1-test-plan` (plain_fapi, static_client, mtls), as its sources have it, played by
 * a client of ours that knows what the suite is told and nothing else: what each module sends, and what it accepts. The suite
 * itself is Java on MongoDB and is not run here (docs/how-to/run-the-conformance-suite.md). Where a module waits longer than it has
 * to, this waits less and says so.
 */
const CIBA = "urn:openid:params:grant-type:ciba"

type Form = { [name: string]: string | undefined }
type Said = { status: number; json: Record<string, unknown>; headers: Headers }
type Ping = { authorization: string; type: string; body: string }
/** One of the suite's two clients. */
type Party = { id: string; key: KeyObject; tls: SuiteCertificate; scope: string; hint: string }

describe("what the conformance suite asks of a provider", () => {
  const pings: Ping[] = []
  const callback = createServer(async (incoming, response) => {
    const { authorization = "", "content-type": type = "" } = incoming.headers
    pings.push({ authorization, type, body: await text(incoming) })
    response.writeHead(204).end()
  })
  let deployment: SuiteDeployment
  /** The first polls, the second is pinged. */
  let one: Party
  let two: Party
  let metadata: Record<string, unknown>
  let aliases: Record<string, string>
  let keys: JSONWebKeySet

  before(async () => {
    await new Promise<void>((resolve) => callback.listen(0, "127.0.0.1", resolve))
    const endpoint = `http://127.0.0.1:${(callback.address() as AddressInfo).port}/ciba-notification-endpoint`
    deployment = await openSuiteDeployment(await openFolder(), { endpoints: [null, endpoint] })
    const { client, mtls, client2, mtls2, server } = deployment.configuration
    one = partyOf(client, mtls)
    two = partyOf(client2, mtls2)
    metadata = (await visit(server.discoveryUrl)).json
    aliases = metadata["mtls_endpoint_aliases"] as Record<string, string>
    keys = (await visit(String(metadata["jwks_uri"]))).json as unknown as JSONWebKeySet
  })
  after(async () => {
    await deployment?.[Symbol.asyncDispose]()
    callback.close()
    callback.closeAllConnections()
  })

  const post = (endpoint: string, form: Form, as: Party | null) => {
    const given = Object.entries(form).filter((each): each is [string, string] => each[1] !== undefined)
    const headers = { "content-type": "application/x-www-form-urlencoded;charset=UTF-8", accept: "application/json" }
    const body = new URLSearchParams(given).toString()
    return visit(aliases[endpoint]!, { method: "POST", headers, body, tls: as?.tls ?? null })
  }

  type Changed = {
    header?: object
    key?: KeyObject | Uint8Array
    as?: Party
    form?: Form
    mangle?(jwt: string): string
  }

  /** A request, right but for what is changed; a claim that is undefined is left out. */
  const ask = async (claims: object = {}, { header, key, as = one, form, mangle = (jwt) => jwt }: Changed = {}) => {
    const now = Math.floor(Date.now() / 1000)
    const made = { iss: as.id, aud: metadata["issuer"], iat: now, nbf: now, exp: now + 300 }
    const asked = { scope: as.scope, login_hint: as.hint, binding_message: "1234" }
    const all = { ...made, jti: randomUUID().replaceAll("-", "").slice(0, 20), ...asked, ...claims }
    const jwt = new SignJWT(all as never).setProtectedHeader({ alg: "ES256", kid: "suite", ...header })
    const signed = mangle(await jwt.sign(key ?? as.key))
    return await post("backchannel_authentication_endpoint", { client_id: as.id, request: signed, ...form }, as)
  }
  const poll = (authReqId: unknown, as = one, form: Form = {}) => {
    const asked = { grant_type: CIBA, auth_req_id: String(authReqId), client_id: as.id, ...form }
    return post("token_endpoint", asked, as)
  }
  /** The suite's `automated_ciba_approval_url`. */
  const say = async (authReqId: unknown, action: "allow" | "deny") => {
    const { automated_ciba_approval_url: url } = deployment.configuration
    const filled = url.replace("{auth_req_id}", String(authReqId)).replace("{action}", action)
    assert.equal((await fetch(filled, { method: "POST" })).status, 200)
  }
  const asked = async (claims: object = {}, changed: Changed = {}) => {
    const { status, json, headers } = await ask(claims, changed)
    assert.equal(status, 200, JSON.stringify(json))
    assert.equal(headers.get("content-type"), "application/json")
    const { auth_req_id: id, expires_in: expires, interval } = json
    assert.match(String(id), /^[A-Za-z0-9._-]{22,}$/)
    assert.ok(Number.isInteger(expires) && Number(expires) > 0 && interval === 5)
    return String(id)
  }
  /** CIBA Core §13: these three members, and no other. */
  const assertRefused = ({ status, json }: Said, of: readonly [number, string], what = "") => {
    assert.deepEqual([status, json["error"]], of, `${what} ${JSON.stringify(json)}`)
    for (const name of Object.keys(json)) assert.match(name, /^error(_description|_uri)?$/)
    assert.match(String(json["error_description"]), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
  }
  const assertWaits = ({ status, json, headers }: Said) => {
    assert.equal(status, 400, JSON.stringify(json))
    assert.match(String(json["error"]), /^(authorization_pending|slow_down)$/)
    assert.equal(headers.get("content-type"), "application/json")
  }
  /** What the module does with every token that it gets. */
  const assertGranted = async ({ status, json, headers }: Said, as: Party): Promise<string> => {
    assert.equal(status, 200, JSON.stringify(json))
    assert.match(headers.get("cache-control") ?? "", /no-store/)
    assert.match(String(json["token_type"]), /^bearer$/i)
    assert.ok(Number(json["expires_in"]) > 0)
    const expected = { issuer: String(metadata["issuer"]), audience: as.id, algorithms: ["ES256"] }
    const { payload, protectedHeader } = await jwtVerify(String(json["id_token"]), createLocalJWKSet(keys), expected)
    assert.ok(payload.sub !== undefined && payload.exp !== undefined && payload.iat !== undefined)
    assert.ok(protectedHeader.kid !== undefined)
    return String(json["access_token"])
  }
  const take = async (as: Party, token: string | null, headers: Record<string, string> = {}, query = "") => {
    const sent = { ...headers, ...(token !== null && { authorization: `Bearer ${token}` }) }
    return await visit(deployment.configuration.resource.resourceUrl + query, { headers: sent, tls: as.tls })
  }
  const assertTaken = async (as: Party, token: string, headers: Record<string, string> = {}) => {
    const answer = await take(as, token, headers)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get("content-type")!, /^application\/json/)
    assert.ok(Math.abs(Date.parse(answer.headers.get("date")!) - Date.now()) < 300_000)
    const interaction = answer.headers.get("x-fapi-interaction-id")!
    assert.match(interaction, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    const given = headers["x-fapi-interaction-id"]
    if (given !== undefined) assert.equal(interaction, given)
  }

  test("discovery-end-point-verification", () => {
    const { issuer, backchannel_user_code_parameter_supported: code } = metadata
    assert.equal(`${issuer}/.well-known/openid-configuration`, deployment.configuration.server.discoveryUrl)
    assert.equal(metadata["tls_client_certificate_bound_access_tokens"], true)
    const has = (name: string, value: string) => assert.ok((metadata[name] as string[]).includes(value), name)
    has("id_token_signing_alg_values_supported", "ES256")
    has("token_endpoint_auth_methods_supported", "tls_client_auth")
    has("token_endpoint_auth_methods_supported", "private_key_jwt")
    has("token_endpoint_auth_signing_alg_values_supported", "ES256")
    has("backchannel_authentication_request_signing_alg_values_supported", "ES256")
    has("backchannel_token_delivery_modes_supported", "poll")
    has("backchannel_token_delivery_modes_supported", "ping")
    has("grant_types_supported", CIBA)
    assert.ok(code === undefined || typeof code === "boolean")
    for (const name of ["token_endpoint", "backchannel_authentication_endpoint"]) {
      for (const url of [metadata[name], aliases[name]]) assert.match(String(url), /^https:/, name)
    }
  })

  test("the two client test, the first by poll, the second by ping", { timeout: 60_000 }, async () => {
    const id = await asked()
    assertWaits(await poll(id))
    await sleep(5_000)
    assertWaits(await poll(id))
    await say(id, "allow")
    await sleep(5_000)
    const token = await assertGranted(await poll(id), one)
    const interaction = { "x-fapi-interaction-id": randomUUID(), "x-fapi-auth-date": "Sun, 22 Nov 2026 13:00:00 GMT" }
    await assertTaken(one, token, interaction)
    assert.match(String((await take(one, null, {}, `?access_token=${token}`)).status), /^(400|401|414)$/)
    await assertTaken(one, token, {
      accept: "application/json",
      "x-fapi-customer-ip-address": "2001:db8::1893:25c8:1946",
    })
    await assertTaken(one, token, { accept: "application/json;q=0.5, */*;q=0.1" })

    const notificationToken = `${"a~.-_+/0Z".repeat(114).slice(0, 1023)}=`
    const more = { client_notification_token: notificationToken, requested_expiry: 300 }
    const second = await asked(more, { as: two, header: { typ: "OautH-auThZ-REQ+jWt" } })
    assertWaits(await poll(second, two))
    await say(second, "allow")
    const [ping] = await until("the ping", () => pings.length > 0 && pings.splice(0))
    assert.deepEqual([ping!.authorization, ping!.type], [`Bearer ${notificationToken}`, "application/json"])
    assert.deepEqual(JSON.parse(ping!.body), { auth_req_id: second })
    const theirs = await assertGranted(await poll(second, two), two)
    await assertTaken(two, theirs)
    const stolen = await take(one, theirs)
    assert.ok(stolen.status >= 400 && stolen.status < 500)
    assertRefused(await poll(second, two), [400, "invalid_grant"])
  })

  test("user-rejects-authentication", async () => {
    const id = await asked()
    assertWaits(await poll(id))
    await say(id, "deny")
    assertRefused(await poll(id), [400, "access_denied"])
  })

  test("multiple-call-to-token-endpoint: twenty without a pause", async () => {
    const id = await asked()
    for (let call = 1; call <= 20; call++) assertWaits(await poll(id))
    await say(id, "deny")
  })

  test("auth-req-id-expired, of two seconds instead of thirty, as a number and as a text", async () => {
    for (const expiry of [2, "2"]) {
      const { json } = await ask({ requested_expiry: expiry })
      assert.ok(Number(json["expires_in"]) <= 2)
      await sleep(2_500)
      assertRefused(await poll(json["auth_req_id"]), [400, "expired_token"])
    }
  })

  test("a binding message, another order of the scopes, an expiry as a text: each is asked, approved and granted", async () => {
    for (const claims of [{ binding_message: "1234" }, { scope: "openid openid" }, { requested_expiry: "30" }]) {
      const id = await asked(claims)
      await say(id, "allow")
      await assertTaken(one, await assertGranted(await poll(id), one))
    }
  })

  test("a potentially bad binding message is taken, or refused by its name", async () => {
    const message = "1234 \u{1F44D}\u{1F3FF} 品川 Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(6)
    assertRefused(await ask({ binding_message: message }), [400, "invalid_binding_message"])
  })

  const now = () => Math.floor(Date.now() / 1000)
  const foreign = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const requests: [string, () => object, (() => Changed)?][] = [
    ["missing-aud", () => ({ aud: undefined })],
    ["bad-aud", () => ({ aud: "https://www.other1.example.com/" })],
    ["missing-iss", () => ({ iss: undefined })],
    ["bad-iss", () => ({ iss: two.id })],
    ["missing-exp", () => ({ exp: undefined })],
    ["expired-exp", () => ({ exp: now() - 3_600 })],
    ["exp-is-70-minutes-in-future", () => ({ exp: now() + 4_200 })],
    ["missing-iat", () => ({ iat: undefined })],
    ["missing-nbf", () => ({ nbf: undefined })],
    ["nbf-is-10-minutes-in-future", () => ({ nbf: now() + 600 })],
    ["nbf-is-70-minutes-in-past", () => ({ nbf: now() - 4_200 })],
    ["missing-jti", () => ({ jti: undefined })],
    ["signature-algorithm-is-none", () => ({}), () => ({ mangle: unsigned })],
    ["signature-is-bad", () => ({}), () => ({ mangle: broken })],
    ["signed-by-other-client", () => ({}), () => ({ key: two.key, header: { kid: "other" } })],
    ["signed by nobody's key", () => ({}), () => ({ key: foreign })],
    ["multiple-hints", () => ({ login_hint: "join@example.com", login_hint_token: "x".repeat(20) })],
  ]
  for (const [name, claims, changed = () => ({})] of requests) {
    test(`ensure-request-object-${name} fails`, async () => {
      assertRefused(await ask(claims(), changed()), [400, "invalid_request"])
    })
  }

  test("ensure-wrong-authentication-request-id-in-token-endpoint-request fails: another client's", async () => {
    const id = await asked()
    assertRefused(await poll(id, two), [400, "invalid_grant"])
    await say(id, "deny")
  })

  test("another client's name beside the certificate fails, at both endpoints", async () => {
    const client_id = two.id
    assertRefused(await ask({}, { form: { client_id } }), [401, "invalid_client"])
    assertRefused(await ask({ iss: client_id }, { form: { client_id } }), [401, "invalid_client"])
    const id = await asked()
    assertRefused(await poll(id, one, { client_id }), [401, "invalid_client"])
    await say(id, "deny")
  })

  test("ensure-backchannel-authorization-request-without-request fails", async () => {
    const plain = { client_id: one.id, scope: one.scope, login_hint: one.hint, binding_message: "1234" }
    assertRefused(await post("backchannel_authentication_endpoint", plain, one), [400, "invalid_request"])
  })

  test("ensure-mtls-holder-of-key-required: a token request without a certificate fails", async () => {
    const id = await asked()
    const form = { grant_type: CIBA, auth_req_id: id, client_id: one.id }
    assertRefused(await post("token_endpoint", form, null), [401, "invalid_client"])
    await say(id, "deny")
  })
})

/** The same claims under `alg: none`, with no signature. */
function unsigned(jwt: string): string {
  return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${jwt.split(".")[1]}.`
}

/** Every byte of the signature is another one. */
function broken(jwt: string): string {
  const [header, payload, signature] = jwt.split(".")
  const bytes = Buffer.from(signature!, "base64url").map((byte) => byte ^ 0x5a)
  return `${header}.${payload}.${Buffer.from(bytes).toString("base64url")}`
}

function partyOf({ client_id: id, jwks, scope, hint_value: hint }: SuiteClient, tls: SuiteCertificate): Party {
  const key = createPrivateKey({ key: jwks.keys[0]! as never, format: "jwk" })
  return { id, key, tls, scope, hint }
}

type Sent = { method?: string; headers?: Record<string, string>; body?: string; tls?: SuiteCertificate | null }

/** Whose certificate the other side has the suite does not look at. */
async function visit(url: string, { method = "GET", headers = {}, body = "", tls = null }: Sent = {}): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>()
  const own = tls === null ? {} : { cert: tls.cert, key: tls.key }
  const sent = request(url, { method, headers, agent: false, rejectUnauthorized: false, ...own })
  sent.on("response", async (answer) => {
    const said = JSON.parse(await text(answer)) as Said["json"]
    resolve({ status: answer.statusCode!, json: said, headers: new Headers(answer.headers as Record<string, string>) })
  })
  sent.on("error", reject)
  sent.end(body)
  return await promise
}
