import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { decodeJwt, SignJWT } from "jose"
import { type Asking, type CibaGround, type Form, fetchWith, openCibaGround, raise } from "./fixtures/ciba-ground.ts"
import type { Said } from "./fixtures/web-client.ts"

/** One test for each requirement of CIBA Core 1.0 and FAPI-CIBA that shows on the wire, by a client that may do all of it wrong. */
const CIBA = "urn:openid:params:grant-type:ciba"

let at: CibaGround
let bot: Asking
let other: Asking
let hint: string
before(async () => {
  at = await openCibaGround()
  bot = await at.asking()
  other = await at.asking("other")
  hint = await tokenOf(bot)
})
after(() => at?.[Symbol.asyncDispose]())

/** The access token of its session. */
async function tokenOf({ form, session }: Asking): Promise<string> {
  const { json } = await form("/oauth2/token", { grant_type: "client_credentials", safeconduct_session: session.id })
  return String(json["access_token"])
}

let amount = 0
/** A request with everything right that is not replaced; `undefined` leaves a parameter out. */
const ask = (more: Form = {}, as = bot, server = at.one) => {
  amount += 1
  const right = { scope: "openid", login_hint_token: hint, authorization_details: raise(amount) }
  return as.form("/oauth2/bc-authorize", { ...right, ...more }, server)
}
const poll = (authReqId: unknown, as = bot, server = at.one) =>
  as.form("/oauth2/token", { grant_type: CIBA, auth_req_id: String(authReqId) }, server)

/** Asked, and approved. */
async function approved(): Promise<string> {
  const { json } = await ask()
  await at.decide(await at.newest(bot.session.id))
  return String(json["auth_req_id"])
}

/** RFC 6749 §5.2: an error is this status, JSON, and in no cache. */
function assertError({ status, json, headers }: Said, expected: number, error: string, what = "") {
  assert.deepEqual([status, json["error"]], [expected, error], `${what} ${JSON.stringify(json)}`)
  assert.equal(headers.get("content-type"), "application/json")
  assert.equal(headers.get("cache-control"), "no-store")
  assert.match(String(json["error_description"]), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
}

test("CIBA Core §4, OpenID Connect Discovery §4: the metadata is where clients look for it, and the same in both places", async () => {
  const [openid, oauth] = await Promise.all(
    ["openid-configuration", "oauth-authorization-server"].map(async (name) => {
      const answer = await fetch(`${at.issuer}/.well-known/${name}`)
      return (await answer.json()) as Record<string, unknown>
    }),
  )
  assert.deepEqual(openid, oauth)
  assert.equal(openid!["backchannel_authentication_endpoint"], `${at.issuer}/oauth2/bc-authorize`)
  const aliases = openid!["mtls_endpoint_aliases"] as Record<string, string>
  assert.equal(aliases["backchannel_authentication_endpoint"], `${at.one.agentsUrl}/oauth2/bc-authorize`)
  assert.deepEqual(openid!["backchannel_token_delivery_modes_supported"], ["poll", "ping"])
  assert.deepEqual(openid!["backchannel_authentication_request_signing_alg_values_supported"], ["ES256"])
  assert.equal(openid!["backchannel_user_code_parameter_supported"], false)
  assert.ok((openid!["grant_types_supported"] as string[]).includes(CIBA))
})

test("CIBA Core §7.1: the client authenticates as at the token endpoint", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" }
  const bare = async (path: string) => {
    const body = "scope=openid&grant_type=x"
    const answer = await fetch(at.issuer + path, { method: "POST", headers, body })
    return [answer.status, ((await answer.json()) as { error: string }).error]
  }
  assert.deepEqual(await bare("/oauth2/bc-authorize"), await bare("/oauth2/token"))
  assert.equal((await bare("/oauth2/bc-authorize"))[0], 400)
  const assertion = await bot.web.newAssertion({ aud: "https://other.example" })
  assertError(await bot.webForm("/oauth2/bc-authorize", { client_assertion: assertion }), 401, "invalid_client")
  assertError(await ask({ client_id: other.sdk.spiffeId }), 401, "invalid_client")
  const byKey = await tokenByKey()
  const right = { scope: "openid", login_hint_token: byKey, authorization_details: raise(-1) }
  assert.equal((await bot.webForm("/oauth2/bc-authorize", right)).status, 200)
})

async function tokenByKey(): Promise<string> {
  return await bot.web.token({ webUrl: at.issuer }, bot.session.id)
}

test("CIBA Core §7.1: POST and a form, and each parameter once", async () => {
  const { identity } = bot
  const url = new URL("/oauth2/bc-authorize", at.one.agentsUrl)
  assert.equal((await fetchWith(identity, url, {})).status, 405)
  const json = await fetchWith(identity, url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  })
  assert.equal(json.status, 400)
  const headers = { "content-type": "application/x-www-form-urlencoded" }
  const body = `scope=openid&scope=openid&login_hint_token=${hint}`
  const twice = await fetchWith(identity, url, { method: "POST", headers, body })
  assert.deepEqual([twice.status, ((await twice.json()) as { error: string }).error], [400, "invalid_request"])
})

const requirements: { [requirement: string]: [Form, number, string] } = {
  "CIBA Core §7.1, §13: without scope": [{ scope: undefined }, 400, "invalid_request"],
  "CIBA Core §7.1, §13: scope without openid": [{ scope: "profile" }, 400, "invalid_request"],
  "CIBA Core §13: another scope beside openid": [{ scope: "openid payments" }, 400, "invalid_scope"],
  "CIBA Core §7.1: no hint": [{ login_hint_token: undefined }, 400, "invalid_request"],
  "CIBA Core §7.1: two hints": [{ login_hint: "alice" }, 400, "invalid_request"],
  "CIBA Core §13: a hint that names nobody": [{ login_hint_token: undefined, login_hint: "x" }, 400, "unknown_user_id"],
  "CIBA Core §13: an id_token_hint, of which none is accepted": [
    { login_hint_token: undefined, id_token_hint: "x" },
    400,
    "unknown_user_id",
  ],
  "CIBA Core §13: a binding message that nobody can read": [
    { binding_message: "a\u202Eb" },
    400,
    "invalid_binding_message",
  ],
  "CIBA Core §13: a user code": [{ user_code: "1234" }, 400, "invalid_user_code"],
  "CIBA Core §7.1: requested_expiry that is no positive whole number": [
    { requested_expiry: "-1" },
    400,
    "invalid_request",
  ],
  "CIBA Core §7.1.1: what is no signed request": [{ request: "x" }, 400, "invalid_request"],
  "FAPI-CIBA §5.2.2: no authorization context": [{ authorization_details: undefined }, 400, "invalid_request"],
  "RFC 9396 §5: details that are not understood": [
    { authorization_details: raise(1, { more: 1 }) },
    400,
    "invalid_authorization_details",
  ],
  "RFC 9396 §5: an action that nobody has to approve": [
    { authorization_details: raise(1, { actions: ["tool:look-up"] }) },
    400,
    "invalid_authorization_details",
  ],
  "RFC 8707 §2: another server's resource": [{ resource: "https://other.example" }, 400, "invalid_target"],
  "CIBA Core §13: an action that policy denies": [
    { authorization_details: raise(1, { actions: ["tool:dismiss"] }) },
    403,
    "access_denied",
  ],
}
for (const [requirement, [form, status, error]] of Object.entries(requirements)) {
  test(`${requirement}: ${status} ${error}`, async () => assertError(await ask(form), status, error, requirement))
}

test("CIBA Core §7.3: what is acknowledged is 200, JSON, in no cache, with a name of 160 bits or more", async () => {
  const { status, json, headers } = await ask()
  assert.equal(status, 200)
  assert.match(headers.get("content-type")!, /^application\/json/)
  assert.equal(headers.get("cache-control"), "no-store")
  assert.deepEqual(Object.keys(json).sort(), ["auth_req_id", "expires_in", "interval"])
  assert.match(String(json["auth_req_id"]), /^[A-Za-z0-9._-]{27,}$/)
  assert.ok(Number(json["expires_in"]) > 0)
  assert.equal(json["interval"], 5)
})

test("CIBA Core §7.1: requested_expiry is kept to where it is shorter", async () => {
  assert.ok(Number((await ask({ requested_expiry: "30" })).json["expires_in"]) <= 30)
})

test("FAPI-CIBA §5.2.2: of whom signed requests are required, an unsigned one is refused, and a signed one taken once", async () => {
  const token = await tokenOf(other)
  assertError(await ask({ login_hint_token: token }, other), 400, "invalid_request")
  const now = Math.floor(Date.now() / 1000)
  const client = other.sdk.spiffeId
  const made = { iss: client, aud: at.issuer, iat: now, nbf: now, exp: now + 60, jti: "request-of-a-story" }
  const given = { scope: "openid", login_hint_token: token, authorization_details: JSON.parse(raise(7)) as object[] }
  const request = await new SignJWT({ ...made, ...given })
    .setProtectedHeader({ alg: "ES256" })
    .sign(other.identity.privateKey)
  const send = (form: Form, server = at.one) => other.form("/oauth2/bc-authorize", form, server)
  assertError(await send({ request, scope: "openid" }), 400, "invalid_request", "a parameter beside it")
  const answers = await Promise.all(
    [at.one, at.two, at.one, at.two, at.one, at.two, at.one, at.two].map((server) => send({ request }, server)),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400, 400, 400, 400, 400, 400])
})

test("CIBA Core §11: authorization_pending, and slow_down for who polls too fast, at whatever server", async () => {
  const { json } = await ask()
  const first = await poll(json["auth_req_id"])
  assertError(first, 400, "authorization_pending")
  assert.equal(first.headers.get("retry-after"), null, "the interval says how long")
  assertError(await poll(json["auth_req_id"], bot, at.two), 400, "slow_down")
})

test("CIBA Core §11: access_denied, when somebody denied", async () => {
  const { json } = await ask()
  await at.decide(await at.newest(bot.session.id), "deny")
  assertError(await poll(json["auth_req_id"]), 400, "access_denied")
})

test("CIBA Core §11: expired_token, when nobody decided in time", async () => {
  const { json } = await ask()
  const approval = await at.newest(bot.session.id)
  await at.ground.ours.query("update approvals.requests set expires_at = now() where id = $1", [approval])
  assertError(await poll(json["auth_req_id"]), 400, "expired_token")
})

test("CIBA Core §11: invalid_grant, for a name that nobody has, somebody else's, and one that was redeemed", async () => {
  const id = await approved()
  assertError(await poll("x"), 400, "invalid_grant", "nobody's")
  assertError(await poll(id, other), 400, "invalid_grant", "another client's")
  assertError(await poll(id, await at.asking()), 400, "invalid_grant", "another instance's")
  assert.equal((await poll(id)).status, 200)
  assertError(await poll(id), 400, "invalid_grant", "redeemed")
})

test("CIBA Core §11: invalid_request without auth_req_id", async () => {
  assertError(await bot.form("/oauth2/token", { grant_type: CIBA }), 400, "invalid_request")
})

test("CIBA Core §10.1.1, FAPI-CIBA §5.2.2: the tokens are bound to the client, and say what was granted, to nobody by name", async () => {
  const { status, json, headers } = await poll(await approved())
  assert.equal(status, 200)
  assert.equal(headers.get("cache-control"), "no-store")
  assert.deepEqual([json["token_type"], json["scope"]], ["Bearer", "openid"])
  assert.ok(Number(json["expires_in"]) <= 120)
  assert.equal(json["refresh_token"], undefined)
  const access = decodeJwt(String(json["access_token"]))
  assert.ok((access["cnf"] as { "x5t#S256": string })["x5t#S256"])
  assert.match(String(access["txn"]), /^approval_/)
  assert.deepEqual(access["authorization_details"], json["authorization_details"])
  const id = decodeJwt(String(json["id_token"]))
  assert.deepEqual([id.iss, id.aud], [at.issuer, bot.sdk.spiffeId])
  assert.notEqual(id.sub, access.sub)
})

test("FAPI-CIBA §5.2.2: a token is worth nothing without its client's certificate", async () => {
  const { json } = await poll(await approved())
  const details = json["authorization_details"] as { arguments: object }[]
  const body = JSON.stringify({
    session: bot.session.id,
    action: { type: "tool", resource: "hr", operation: "raise-salary", arguments: details[0]!.arguments },
  })
  const headers = { authorization: `Bearer ${json["access_token"]}`, "content-type": "application/json" }
  const url = new URL("/v1/actions", at.one.agentsUrl)
  const stolen = await fetchWith(other.identity, url, { method: "POST", headers, body })
  assert.deepEqual([stolen.status, ((await stolen.json()) as { code: string }).code], [401, "token-invalid"])
  const own = await fetchWith(bot.identity, url, { method: "POST", headers, body })
  assert.equal(((await own.json()) as { verdict: string }).verdict, "allow")
})

test("pitfall 11: 64 parallel polls over two servers, while somebody decides twice, give one token", async () => {
  const { json } = await ask()
  const approval = await at.newest(bot.session.id)
  const deciding = Promise.allSettled([at.decide(approval), at.decide(approval, "deny"), at.decide(approval)])
  const decided = await deciding
  assert.equal(decided.filter(({ status }) => status === "fulfilled").length, 1)
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, nth) => poll(json["auth_req_id"], bot, nth % 2 === 0 ? at.one : at.two)),
  )
  const tokens = answers.filter(({ status }) => status === 200)
  const { state } = (await at.here.rooms.approvals.find(approval))!
  assert.equal(tokens.length, state === "approved" ? 1 : 0)
  const errors = new Set(answers.filter(({ status }) => status !== 200).map(({ code }) => code))
  assert.deepEqual([...errors], [state === "approved" ? "invalid_grant" : "access_denied"])
})

test("CIBA Core §13: an agent that is not registered for it, or not any more, is an unauthorized client", async () => {
  const id = await approved()
  const { bot: registered, ...agents } = at.configured.agents
  const { backchannel: _, ...bare } = registered as typeof registered & { backchannel: object }
  await at.ground.apply({ ...at.configured, agents: { ...agents, bot: bare as typeof registered } } as never)
  assertError(await ask(), 400, "unauthorized_client")
  assertError(await poll(id), 400, "unauthorized_client")
})
