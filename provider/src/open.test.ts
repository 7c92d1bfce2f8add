import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, request as send } from "node:http"
import type { AddressInfo } from "node:net"
import { test } from "node:test"
import { createRemoteJWKSet, jwtVerify } from "jose"
import * as oauth from "oauth4webapi"
import { type Client, openProvider, type Provider } from "./index.ts"
import {
  begin,
  clientOf,
  newClientKey,
  overHttp,
  REDIRECT_URI,
  redeem,
  SECRET,
  signInTo,
  Visitor,
} from "./testing/relying-party.ts"

const keysOf = (provider: Provider) => createRemoteJWKSet(new URL(`${provider.issuer}/jwks`))

test("a person signs in by a click, and the client gets an ID token with the person's claims", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const begun = await begin(provider, client)
  const tokens = await redeem(client, begun, await signInTo(provider, client, begun))
  const { payload, protectedHeader } = await jwtVerify(tokens.id_token!, keysOf(provider))
  assert.equal(protectedHeader.alg, "ES256")
  assert.deepEqual(
    { ...payload, iat: 0, exp: 0, auth_time: 0, at_hash: "" },
    {
      iss: provider.issuer,
      aud: "shop-web",
      sub: "alice",
      name: "Alice",
      customer_id: 1001,
      groups: ["customers"],
      nonce: begun.nonce,
      iat: 0,
      exp: 0,
      auth_time: 0,
      at_hash: "",
    },
  )
  assert.equal(typeof payload["auth_time"], "number")
  assert.equal(tokens.refresh_token, undefined)
})

test("each person is told apart by sub and claims, never by what they have in common", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const claims = async (person: string) => {
    const begun = await begin(provider, client)
    const tokens = await redeem(client, begun, await signInTo(provider, client, begun, { person }))
    const { sub, customer_id, groups } = oauth.getValidatedIdTokenClaims(tokens)!
    return [sub, customer_id, groups]
  }
  assert.deepEqual(await claims("bob"), ["bob", 1002, ["customers"]])
  assert.deepEqual(await claims("olga"), ["olga", undefined, ["sec-admins"]])
})

test("a client that proves itself by a key pushes its request, and gets access tokens for its audience", async () => {
  const { privateKey, jwk } = await newClientKey()
  const authentication = { method: "private_key_jwt", jwks: { keys: [jwk as { kty: string }] } } as const
  const client = clientOf({ authentication, audience: "https://api.shop.example" })
  await using provider = await openProvider({ clients: [client] })
  const proof = oauth.PrivateKeyJwt(privateKey)
  const begun = await begin(provider, client)
  const as = { client_id: client.clientId }
  const pushed = await oauth.pushedAuthorizationRequest(begun.server, as, proof, begun.url.searchParams, overHttp)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(begun.server, as, pushed)
  begun.url.search = new URLSearchParams({ client_id: client.clientId, request_uri }).toString()
  const tokens = await redeem(client, begun, await signInTo(provider, client, begun), proof)
  const { payload } = await jwtVerify(tokens.access_token, keysOf(provider), {
    issuer: provider.issuer,
    audience: "https://api.shop.example",
    typ: "at+jwt",
  })
  assert.deepEqual([payload.sub, payload["client_id"]], ["alice", "shop-web"])
})

test("an opaque access token is answered for by introspection and at the userinfo endpoint, until it is revoked", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const begun = await begin(provider, client)
  const tokens = await redeem(client, begun, await signInTo(provider, client, begun))
  const as = { client_id: client.clientId }
  const proof = oauth.ClientSecretPost(SECRET)
  const introspect = async () => {
    const response = await oauth.introspectionRequest(begun.server, as, proof, tokens.access_token, overHttp)
    return await oauth.processIntrospectionResponse(begun.server, as, response)
  }
  const { active, sub, client_id } = await introspect()
  assert.deepEqual({ active, sub, client_id }, { active: true, sub: "alice", client_id: "shop-web" })
  const told = await oauth.userInfoRequest(begun.server, as, tokens.access_token, overHttp)
  assert.equal((await oauth.processUserInfoResponse(begun.server, as, "alice", told))["customer_id"], 1001)
  const revoked = await oauth.revocationRequest(begun.server, as, proof, tokens.access_token, overHttp)
  await oauth.processRevocationResponse(revoked)
  assert.deepEqual(await introspect(), { active: false })
})

const refusedRequests: { [what: string]: [Record<string, string>, string] } = {
  "without PKCE": [{ code_challenge: "", code_challenge_method: "" }, "invalid_request"],
  "with PKCE in the clear": [{ code_challenge_method: "plain" }, "invalid_request"],
  "for a token by the front channel": [{ response_type: "token" }, "unsupported_response_type"],
  "for another resource": [{ resource: "https://other.example" }, "invalid_target"],
  "of nobody who is signed in, with prompt=none": [{ prompt: "none" }, "login_required"],
}
for (const [what, [parameters, error]] of Object.entries(refusedRequests)) {
  test(`a request ${what} is refused`, async () => {
    const client = clientOf()
    await using provider = await openProvider({ clients: [client] })
    const begun = await begin(provider, client, parameters)
    for (const [name, value] of Object.entries(parameters)) if (value === "") begun.url.searchParams.delete(name)
    const visitor = new Visitor()
    const { left } = await visitor.follow(provider, await visitor.send(begun.url))
    const answered = new URLSearchParams(left!.search || left!.hash.slice(1))
    assert.equal(answered.get("error"), error)
    assert.equal(answered.get("iss"), provider.issuer)
    assert.equal(answered.get("code"), null)
  })
}

test("nobody is sent to an address that the client did not register", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  for (const redirect_uri of [`${REDIRECT_URI}/`, `${REDIRECT_URI}?x=1`, "https://other.example/callback"]) {
    const { url } = await begin(provider, client, { redirect_uri })
    const response = await fetch(url, { redirect: "manual" })
    assert.equal(response.status, 400)
    assert.match(await response.text(), /invalid_redirect_uri|redirect_uri did not match/)
  }
})

test("a code is redeemed once, also by requests that run at the same time", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const begun = await begin(provider, client)
  const answer = await signInTo(provider, client, begun)
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => redeem(client, begun, answer)))
  const refused = all.flatMap((each) => (each.status === "rejected" ? [each.reason.error] : []))
  assert.deepEqual(refused, Array(7).fill("invalid_grant"))
})

test("a client's assertion is used once, for this issuer alone, and signed by its key", async () => {
  const [{ privateKey, jwk }, stranger] = await Promise.all([newClientKey(), newClientKey()])
  const client = clientOf({ authentication: { method: "private_key_jwt", jwks: { keys: [jwk as { kty: string }] } } })
  await using provider = await openProvider({ clients: [client] })
  const begun = await begin(provider, client)
  const as = { client_id: client.clientId }
  const push = async (key = privateKey, change: { [claim: string]: unknown } = {}) => {
    const modify = { [oauth.modifyAssertion]: (_: unknown, payload: object) => void Object.assign(payload, change) }
    const proof = oauth.PrivateKeyJwt(key, modify)
    const { searchParams } = begun.url
    const response = await oauth.pushedAuthorizationRequest(begun.server, as, proof, searchParams, overHttp)
    return response.ok ? "taken" : ((await response.json()) as { error: string }).error
  }
  assert.equal(await push(), "taken")
  assert.equal(await push(stranger.privateKey), "invalid_client")
  assert.equal(await push(privateKey, { aud: [provider.issuer, "https://other.example"] }), "invalid_client")
  assert.equal(await push(privateKey, { aud: begun.server.token_endpoint! }), "invalid_client")
  const together = await Promise.all(Array.from({ length: 8 }, () => push(privateKey, { jti: "the same" })))
  assert.equal(together.filter((each) => each === "taken").length, 1)
})

test("a client's keys are fetched from where it publishes them", async () => {
  const { privateKey, jwk } = await newClientKey()
  const site = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ keys: [{ ...jwk, kid: "a-key" }] }))
  }).listen(0, "127.0.0.1")
  await once(site, "listening")
  await using _ = { [Symbol.asyncDispose]: async () => void site.close() }
  const jwksUri = `http://127.0.0.1:${(site.address() as AddressInfo).port}/jwks`
  const client = clientOf({ authentication: { method: "private_key_jwt", jwksUri } })
  await using provider = await openProvider({ clients: [client] })
  const begun = await begin(provider, client)
  const proof = oauth.PrivateKeyJwt({ key: privateKey, kid: "a-key" })
  assert.ok(await redeem(client, begun, await signInTo(provider, client, begun), proof))
})

/** Takes logout tokens, or refuses them. */
async function openListener(status = 200): Promise<AsyncDisposable & { uri: string; told: Promise<string> }> {
  const told = Promise.withResolvers<string>()
  const server = createServer(async (request, response) => {
    let body = ""
    for await (const part of request) body += part
    response.writeHead(status).end()
    told.resolve(new URLSearchParams(body).get("logout_token")!)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout`,
    told: told.promise,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function signedIn(provider: Provider, client: Client, visitor: Visitor): Promise<string> {
  const begun = await begin(provider, client)
  const tokens = await redeem(client, begun, await signInTo(provider, client, begun, { visitor }))
  return tokens.id_token!
}

/** What a request says that may not ask: null if somebody is signed in. */
async function errorOfSilence(provider: Provider, client: Client, visitor: Visitor): Promise<string | null> {
  const { url } = await begin(provider, client, { prompt: "none" })
  const { left } = await visitor.follow(provider, await visitor.send(url))
  return left!.searchParams.get("error")
}

test("signing out asks first, then tells the client, and the person is signed in no more", async () => {
  await using listener = await openListener()
  const client = clientOf({ backchannelLogoutUri: listener.uri, postLogoutRedirectUris: ["http://127.0.0.1:9/bye"] })
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  const idToken = await signedIn(provider, client, visitor)
  assert.equal(await errorOfSilence(provider, client, visitor), null)
  const endSession = new URL(`${provider.issuer}/session/end`)
  endSession.search = new URLSearchParams({
    id_token_hint: idToken,
    post_logout_redirect_uri: "http://127.0.0.1:9/bye",
    state: "s",
  }).toString()
  const page = await (await visitor.send(endSession)).text()
  assert.match(page, /<h1>Sign out\?<\/h1>/)
  assert.equal(await errorOfSilence(provider, client, visitor), null)
  const again = await (await visitor.send(endSession)).text()
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(again)![1]!
  const { left } = await visitor.follow(
    provider,
    await visitor.send(`${provider.issuer}/session/end/confirm`, { xsrf, logout: "yes" }),
  )
  assert.equal(left?.href, "http://127.0.0.1:9/bye?state=s")
  assert.equal(await errorOfSilence(provider, client, visitor), "login_required")

  const { payload } = await jwtVerify(await listener.told, keysOf(provider), {
    issuer: provider.issuer,
    audience: "shop-web",
    typ: "logout+jwt",
  })
  const { sid } = (await jwtVerify(idToken, keysOf(provider))).payload
  assert.equal(typeof sid, "string")
  assert.equal(payload["sid"], sid)
  assert.equal(payload.sub, "alice")
  assert.deepEqual(payload["events"], { "http://schemas.openid.net/event/backchannel-logout": {} })
  assert.equal(payload["nonce"], undefined)
})

test("an administrator ends all of a person's sign-ins, and nobody else's", async () => {
  await using listener = await openListener()
  const client = clientOf({ backchannelLogoutUri: listener.uri })
  await using provider = await openProvider({ clients: [client] })
  const [alice, bob] = [new Visitor(), new Visitor()]
  await signedIn(provider, client, alice)
  const begun = await begin(provider, client)
  await signInTo(provider, client, begun, { person: "bob", visitor: bob })
  await provider.signOut("alice")
  assert.ok(await listener.told)
  assert.equal(await errorOfSilence(provider, client, alice), "login_required")
  assert.equal(await errorOfSilence(provider, client, bob), null)
})

test("a client that does not take a logout token is named, and the sign-in has ended nevertheless", async () => {
  await using listener = await openListener(500)
  const client = clientOf({ backchannelLogoutUri: listener.uri })
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  await signedIn(provider, client, visitor)
  await assert.rejects(provider.signOut("alice"), (error: AggregateError) => /got: 500/.test(String(error.errors[0])))
  assert.equal(await errorOfSilence(provider, client, visitor), "login_required")
})

test("somebody who cancels is sent back without a code", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  const { page } = await visitor.follow(provider, await visitor.send((await begin(provider, client)).url))
  const { left } = await visitor.follow(provider, await visitor.send(page!.url, { cancel: "yes" }))
  assert.equal(left?.searchParams.get("error"), "access_denied")
})

test("somebody who is signed in is asked again only when the client wants that", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  await signedIn(provider, client, visitor)
  const isAsked = async (parameters: Record<string, string>) => {
    const begun = await begin(provider, client, parameters)
    const { page } = await visitor.follow(provider, await visitor.send(begun.url))
    return page !== undefined
  }
  assert.equal(await isAsked({}), false)
  assert.equal(await isAsked({ prompt: "login" }), true)
  assert.equal(await isAsked({ max_age: "0" }), true)
  // Whoever signed in consents, asked or not.
  assert.equal(await isAsked({ prompt: "consent" }), false)
})

test("a form that is long, or does not say how long it is, is not read", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  const { page } = await visitor.follow(provider, await visitor.send((await begin(provider, client)).url))
  assert.equal((await visitor.send(page!.url, { person: "a".repeat(5000) })).status, 413)
})

test("a sign-in belongs to the browser that began it", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const [alice, thief] = [new Visitor(), new Visitor()]
  const { page } = await alice.follow(provider, await alice.send((await begin(provider, client)).url))
  for (const form of [undefined, { person: "alice" }]) {
    const response = await thief.send(page!.url, form)
    assert.equal(response.status, 404)
    assert.match(await response.text(), /This sign-in is over/)
  }
})

test("somebody whom the provider does not know is not signed in", async () => {
  const client = clientOf()
  await using provider = await openProvider({ clients: [client] })
  const visitor = new Visitor()
  const { page } = await visitor.follow(provider, await visitor.send((await begin(provider, client)).url))
  const response = await visitor.send(page!.url, { person: "mallory" })
  assert.equal(response.status, 200)
  assert.match(await response.text(), /Who are you today\?/)
})

for (const address of ["0.0.0.0", "::", "192.168.1.10", "::ffff:0.0.0.0", "localhost", "127.1", ""]) {
  test(`it does not listen on ${JSON.stringify(address)}`, async () => {
    await assert.rejects(openProvider({ clients: [], address }), /only this machine reaches it/)
  })
}

test("it does not start in production", async (t) => {
  const before = process.env["NODE_ENV"]
  process.env["NODE_ENV"] = "production"
  t.after(() => {
    if (before === undefined) delete process.env["NODE_ENV"]
    else process.env["NODE_ENV"] = before
  })
  await assert.rejects(openProvider({ clients: [] }), /NODE_ENV says production/)
})

test("a name that was made to lead here gets nothing", async () => {
  await using provider = await openProvider({ clients: [] })
  const { port } = new URL(provider.issuer)
  const [response] = await once(
    send({ port, host: "127.0.0.1", path: "/jwks", headers: { host: `rebound.example:${port}` } }).end(),
    "response",
  )
  response.resume()
  assert.equal(response.statusCode, 421)
})

test("names of people and clients are shown as they are, and run nothing", async () => {
  const client = clientOf({ name: `<script>alert("1")</script>` })
  const people = [{ sub: `x" onclick="y`, name: "<b>Eve</b>", claims: { groups: ["<i>"] } }]
  await using provider = await openProvider({ clients: [client], people })
  const visitor = new Visitor()
  const { page } = await visitor.follow(provider, await visitor.send((await begin(provider, client)).url))
  const text = await page!.text()
  assert.doesNotMatch(text, /<script|<b>|<i>|" onclick/)
  assert.match(page!.headers.get("content-security-policy")!, /^default-src 'none'/)
})
