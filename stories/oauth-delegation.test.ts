import assert from "node:assert/strict"
import { createPrivateKey, generateKeyPairSync, type KeyObject, type webcrypto } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { connect, SafeconductError, signStatement } from "@safeconduct/sdk"
import { decodeJwt } from "jose"
import * as oauth from "oauth4webapi"
import { openPerson, type Person } from "../examples/2-personalized/person.ts"
import { begin, redeem } from "../provider/src/testing/relying-party.ts"
import { openBalancer } from "./fixtures/balancer.ts"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { openShop, openStoryProvider, type Provider, type Shop } from "./fixtures/provider.ts"
import { webClientOf } from "./fixtures/web-client.ts"

const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
const CALLBACK = "http://127.0.0.1/callback"

const overHttp = { [oauth.allowInsecureRequests]: true }

/** Everything that a client needs is discovered; nothing of it, or of who signs in, is ours. */
describe("a client that nobody here wrote acts for a user", { timeout: 240_000 }, () => {
  const stack = new AsyncDisposableStack()
  let ground: Ground
  let issuer: string
  let shop: Shop
  let provider: Provider
  let server: oauth.AuthorizationServer
  /** The shop's key, which signs statements and authenticates the shop. */
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })

  before(async () => {
    const balancer = stack.use(await openBalancer({ isPlain: true }))
    issuer = balancer.url
    ground = stack.use(await openGround({ agents: ["bot", "other"], issuer }))
    balancer.lead(ground.first)
    shop = stack.use(await openShop())
    provider = stack.use(await openStoryProvider({ servers: [issuer], shop }))
    await applyDelegation()
    const found = await oauth.discoveryRequest(new URL(issuer), { ...overHttp, algorithm: "oauth2" })
    server = await oauth.processDiscoveryResponse(new URL(issuer), found)
  })
  after(() => stack.disposeAsync())

  async function applyDelegation() {
    const { document } = ground
    const mayRead = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
    const parameters = { order: { description: "The order that it is about", isRequired: false } }
    const allowed = {
      ...document,
      providers: { shop: { issuer: provider.issuer, network: "loopback", clientId: "safeconduct" } },
      applications: {
        "shop-web": {
          description: "The shop's web site",
          agents: ["bot"],
          providers: { shop: [shop.client.clientId] },
          keys: [{ ...publicKey.export({ format: "jwk" }), kid: "shop-1" }],
          resources: ["kb"],
        },
      },
      purposes: {
        answer: { description: "Answer your questions", actions: [mayRead], consent: "required", parameters },
      },
      agents: {
        bot: { ...document.agents["bot"], purposes: ["answer"], redirectUris: [CALLBACK], ceiling: [mayRead] },
        other: { ...document.agents["other"], purposes: ["answer"], ceiling: [mayRead] },
      },
      policies: [
        ...document.policies,
        { file: "people.cedar", text: `@id("people") permit (principal is sessions::User, action, resource);` },
      ],
    }
    await ground.apply(allowed as unknown as typeof document)
  }

  /** Signs somebody in at the shop, by the provider's own page, and returns their ID token, which is the shop's. */
  async function idTokenOf(person: Person, name: string): Promise<string> {
    const begun = await begin(provider, shop.client)
    let page = await person.visit(begun.url.href)
    if (page.url.startsWith(provider.issuer)) page = await person.press(page, `person=${name}`)
    const client = { client_id: shop.client.clientId }
    const answer = oauth.validateAuthResponse(begun.server, client, new URL(page.url), begun.state)
    return (await redeem(shop.client, begun, answer)).id_token!
  }

  /** An agent as a client of that library, by its enrolled key; each call asks again when the nonce has changed. */
  async function clientOf(agent: string) {
    const { identity, ...sdk } = await ground.enrolled(agent)
    const keys = await keyPair(identity.privateKey)
    const client: oauth.Client = { client_id: identity.spiffeId }
    const auth = oauth.PrivateKeyJwt({ key: keys.privateKey, kid: await thumbprint(keys.publicKey) })
    const DPoP = oauth.DPoP(client, keys)
    const options = { ...overHttp, DPoP }
    const again = async <T>(ask: () => Promise<T>): Promise<T> =>
      await ask().catch((error: unknown) => {
        if (oauth.isDPoPNonceError(error)) return ask()
        throw error
      })
    const exchange = (subject: string, more: Record<string, string> = {}) =>
      again(async () => {
        const form = { subject_token: subject, subject_token_type: ID_TOKEN, safeconduct_purpose: "answer", ...more }
        const answer = await oauth.genericTokenEndpointRequest(server, client, auth, EXCHANGE, form, options)
        return await oauth.processGenericTokenEndpointResponse(server, client, answer)
      })
    const ask = async (token: string, method: string, path: string, body?: object) => {
      const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" })
      const text = body === undefined ? null : JSON.stringify(body)
      return await oauth.protectedResourceRequest(token, method, new URL(path, issuer), headers, text, options)
    }
    return { identity, sdk, client, auth, options, again, exchange, ask, web: await webClientOf(identity, issuer) }
  }

  const refusedWith = (code: string) => (error: unknown) => {
    assert.ok(error instanceof oauth.ResponseBodyError, String(error))
    assert.equal(error.error, code, error.error_description)
    return true
  }

  test("by the shop's ID token, once they have agreed on the page that the refusal names", async () => {
    const bot = await clientOf("bot")
    const alice = openPerson(CALLBACK)
    const idToken = await idTokenOf(alice, "alice")
    const page = await bot.exchange(idToken).then(
      () => assert.fail("Alice has not agreed to anything"),
      (error: unknown) => {
        refusedWith("consent_required")(error)
        return (error as oauth.ResponseBodyError).cause["safeconduct_consent_uri"] as string
      },
    )
    assert.ok(page.startsWith(`${issuer}/oauth2/authorize?`))
    const asked = await alice.visit(page)
    assert.match(asked.html, /Answer your questions/)
    assert.match((await alice.press(asked, "Allow")).html, /Your answer is remembered/)

    const details = [{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }]
    const statement = signStatement(
      { privateKey, kid: "shop-1" },
      { ...{ issuer, application: "shop-web", agent: "bot", purpose: "answer" }, request: "Where is my order?" },
    )
    const granted = await bot.exchange(idToken, { safeconduct_statement: statement })
    const { access_token: token, issued_token_type, token_type, authorization_details, scope } = granted
    assert.deepEqual([issued_token_type, token_type], [ACCESS_TOKEN, "dpop"])
    assert.deepEqual([authorization_details, scope, granted.refresh_token], [details, undefined, undefined])
    const session = granted["safeconduct_session"] as string
    await assert.rejects(bot.exchange(idToken, { safeconduct_statement: statement }), refusedWith("invalid_request"))

    const action = { type: "credential", resource: "kb", operation: "read" }
    const acted = await bot.ask(token, "POST", "/v1/actions", { session, action })
    assert.equal(((await acted.json()) as { verdict: string }).verdict, "allow")

    // Somebody who guards the resource asks what the token is, and then its holder gives it back.
    const guard: oauth.Client = { client_id: "shop-web" }
    const key = await keyPair(privateKey)
    const proof = oauth.PrivateKeyJwt({ key: key.privateKey, kid: "shop-1" })
    const introspected = async () => {
      const answer = await oauth.introspectionRequest(server, guard, proof, token, overHttp)
      return await oauth.processIntrospectionResponse(server, guard, answer)
    }
    const said = await introspected()
    assert.equal(said.active, true)
    const { act, sub_id, client_id, cnf, safeconduct_session } = said as { [name: string]: unknown }
    assert.deepEqual([act, client_id], [{ sub: bot.identity.spiffeId }, bot.identity.spiffeId])
    assert.deepEqual(sub_id, { format: "iss_sub", iss: provider.issuer, sub: decodeJwt(idToken).sub })
    assert.deepEqual([Object.keys(cnf as object), safeconduct_session], [["jkt"], session])
    // The library has no DPoP at this endpoint; the key is proven by it all the same.
    const dpop = await bot.web.proofFor(ground.first, "POST", "/oauth2/revoke")
    const revoked = await oauth.revocationRequest(server, bot.client, bot.auth, token, {
      ...overHttp,
      headers: { dpop },
    })
    await oauth.processRevocationResponse(revoked)
    assert.deepEqual(await introspected(), { active: false })
    assert.notEqual((await bot.ask(token, "POST", "/v1/actions", { session, action }).catch(() => null))?.status, 200)
    const path = `/v1/sessions/${session}`
    const ended = await ground.operator.json<{ state: string; endReason: string }>({ method: "GET", path })
    assert.deepEqual([ended.state, ended.endReason], ["ended", "ended"])
  })

  test("by a code that the user was sent back with, pushed, with PKCE and bound to the key", async () => {
    const bot = await clientOf("bot")
    const { client, auth, options, again } = bot
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const pushed = await again(async () => {
      const form = {
        ...{ response_type: "code", redirect_uri: CALLBACK, state, safeconduct_purpose: "answer" },
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      }
      const answer = await oauth.pushedAuthorizationRequest(server, client, auth, form, options)
      return await oauth.processPushedAuthorizationResponse(server, client, answer)
    })
    const url = new URL(server.authorization_endpoint!)
    url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri }).toString()
    const bob = openPerson(CALLBACK)
    let page = await bob.visit(url.href)
    if (page.url.startsWith(provider.issuer)) page = await bob.press(page, "person=bob")
    page = await bob.press(page, "Allow")
    const answer = oauth.validateAuthResponse(server, client, new URL(page.url), state)
    const granted = await again(async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        auth,
        answer,
        CALLBACK,
        verifier,
        options,
      )
      return await oauth.processAuthorizationCodeResponse(server, client, response)
    })
    assert.match(String(granted["safeconduct_session"]), /^session_/)
    const session = granted["safeconduct_session"] as string
    const action = { type: "credential", resource: "kb", operation: "read" }
    const acted = await bot.ask(granted.access_token, "POST", "/v1/actions", { session, action })
    assert.equal(((await acted.json()) as { verdict: string }).verdict, "allow")
    const replay = async () => {
      const again = await oauth.authorizationCodeGrantRequest(server, client, auth, answer, CALLBACK, verifier, options)
      return await oauth.processAuthorizationCodeResponse(server, client, again)
    }
    await assert.rejects(replay, refusedWith("invalid_grant"))
  })

  test("and gets nothing for a token of somebody else's, of another agent's user, or of ours", async () => {
    const [bot, other] = [await clientOf("bot"), await clientOf("other")]
    const alice = openPerson(CALLBACK)
    const idToken = await idTokenOf(alice, "alice")
    await assert.rejects(other.exchange(idToken), refusedWith("invalid_request"), "the shop may not invoke it")
    const { access_token: own, safeconduct_session: session } = await bot.exchange(idToken)
    for (const type of [ACCESS_TOKEN, ID_TOKEN, "urn:ietf:params:oauth:token-type:jwt"]) {
      await assert.rejects(bot.exchange(own, { subject_token_type: type }), refusedWith("invalid_request"), type)
    }
    const cut = `${idToken.slice(0, -6)}AAAAAA`
    for (const forged of [cut, idToken.split(".").slice(0, 2).concat("").join("."), "a.b.c", "opaque"]) {
      await assert.rejects(bot.exchange(forged), refusedWith("invalid_request"), forged.slice(-20))
    }
    const asked = { actor_token: own, actor_token_type: ACCESS_TOKEN }
    await assert.rejects(bot.exchange(idToken, asked), refusedWith("invalid_request"), "a session's token as actor")
    const stolen = await other.ask(own, "GET", `/v1/sessions/${session}`).catch((error: Error) => error)
    assert.ok(stolen instanceof oauth.WWWAuthenticateChallengeError, "another agent's key")
  })

  test("as the SDK does, over mutual TLS and by DPoP", async () => {
    const alice = openPerson(CALLBACK)
    const subjectToken = await idTokenOf(alice, "alice")
    const mtls = await ground.enrolled("bot")
    const web = await connect({ webUrl: issuer, folder: mtls.identity.folder!, onProblem: () => undefined })
    for (const agent of [mtls, web]) {
      const about = { issuer, application: "shop-web", agent: "bot", purpose: "answer", parameters: { order: "4711" } }
      const statement = signStatement({ privateKey, kid: "shop-1" }, about)
      await using session = await agent.exchange({ purpose: "answer", subjectToken, statement, lifetimeSeconds: 60 })
      await using lease = await session.lease("kb", { operation: "read" })
      assert.ok(lease.settings.user.startsWith("sc_"))
      assert.ok(session.expiresAt.getTime() <= Date.now() + 60_000)
    }
    const writing = [{ type: "safeconduct_action" as const, actions: ["credential:write"], locations: ["kb"] }]
    const refused = mtls.exchange({ purpose: "answer", subjectToken, authorizationDetails: writing })
    await assert.rejects(refused, (error) => error instanceof SafeconductError && error.code === "token-refused")
    await web.close()
  })
})

async function keyPair(privateKey: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const usage = { name: "ECDSA", namedCurve: "P-256" }
  const jwk = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" })).export({ format: "jwk" })
  const { d: _, ...published } = jwk
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk, usage, true, ["sign"]),
    publicKey: await crypto.subtle.importKey("jwk", published, usage, true, ["verify"]),
  }
}

/** RFC 7638 §3.2 */
async function thumbprint(key: webcrypto.CryptoKey): Promise<string> {
  const { crv, kty, x, y } = (await crypto.subtle.exportKey("jwk", key)) as Record<string, string>
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify({ crv, kty, x, y })))
  return Buffer.from(digest).toString("base64url")
}
