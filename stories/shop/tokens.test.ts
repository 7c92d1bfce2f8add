import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { after, before, describe, test } from "node:test"
import { SafeconductError, type Session, signStatement } from "@safeconduct/sdk"
import { decodeJwt } from "jose"
import { openPerson } from "../../examples/2-personalized/person.ts"
import { newSigner, unsigned } from "../../server/src/sessions/proof.fixture.ts"
import { type Said, type WebClient, webClientOf } from "../fixtures/web-client.ts"
import { openShopHouse, type ShopHouse } from "./house.ts"

// The hijacked bot has its own enrolled key, every token that it was given, and whatever the web site handed to it. It also has
// the shipping bot's key, in these tests: nobody can give a token to a thief who cannot prove a key.

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const everything = (...actions: string[]) => [{ type: "safeconduct_action", actions, locations: ["shop"] }]

type Detail = { actions: string[]; arguments?: { order?: object[] }; limits?: object[] }
type Refused = { entries: { leaf: { by: string; data: { code: string } } }[] }
type Granted = { safeconduct_session: string; authorization_details: Detail[] }

describe("the hijacked bot's tokens", { timeout: 180_000 }, () => {
  let house: ShopHouse
  let support: WebClient
  let shipping: WebClient
  let at: { webUrl: string }
  let alice: { session: Session; token: string; idToken: string }
  let bob: { session: Session; token: string }
  before(async () => {
    house = await openShopHouse()
    const { shop } = house
    const { agents, webUrl } = shop
    at = { webUrl }
    support = await webClientOf(agents.support.identity, webUrl)
    shipping = await webClientOf(agents.shipping.identity, webUrl)
    const opened = async (user: string, order: string) => {
      const session = await shop.sessionFor(user, agents.support, { request: "What did I order?", order })
      return { session, token: await support.token(at, session.id) }
    }
    alice = { ...(await opened("alice", "7001")), idToken: await shop.idTokenOf("alice") }
    bob = await opened("bob", "7002")
  })
  after(() => house?.[Symbol.asyncDispose]())

  /** Asks the token endpoint as the support bot, over mutual TLS. */
  const exchange = (form: Record<string, string>) =>
    house.shop.agents.support.transport.form<Granted>("/oauth2/token", {
      grant_type: EXCHANGE,
      safeconduct_purpose: "order-help",
      ...form,
    })
  const refusal = async (form: Record<string, string>) => {
    const error = await exchange(form).then(
      (granted) => assert.fail(`it was granted ${JSON.stringify(granted.authorization_details)}`),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof SafeconductError)
    return error.detail["error"]
  }
  const stateOf = (order: string) => house.shop.state("What did I order?", order)
  const read = { type: "credential", resource: "shop", operation: "read", arguments: {} }
  const act = (client: WebClient, token: string, session: string, action: object = read) =>
    client.ask(at, "POST /v1/actions", token, { body: { session, action } })
  const openSessions = async () => {
    const path = "/v1/sessions?state=open&limit=500"
    const { sessions } = await house.operator.json<{ sessions: { id: string }[] }>({ method: "GET", path })
    return sessions.map(({ id }) => id).sort()
  }

  test("a session's token is exchanged for nothing, wider or not", async () => {
    const before = await openSessions()
    const mine = { subject_token: alice.token, subject_token_type: ACCESS_TOKEN }
    const wider = JSON.stringify(everything("credential:read", "credential:write", "credential:track"))
    assert.equal(await refusal(mine), "invalid_request")
    assert.equal(await refusal({ ...mine, authorization_details: wider }), "invalid_request")
    assert.equal(await refusal({ ...mine, safeconduct_statement: stateOf("7002") }), "invalid_request")
    assert.equal(await refusal({ ...mine, subject_token_type: ID_TOKEN }), "invalid_request")
    assert.deepEqual(await openSessions(), before)
    const path = "/v1/audit/entries?event=gate.session-refused&limit=100"
    const { entries } = await house.operator.json<Refused>({ method: "GET", path })
    assert.deepEqual(
      entries.slice(-4).map(({ leaf }) => [leaf.by, leaf.data.code]),
      Array.from({ length: 4 }, () => [support.client, "subject-token-invalid"]),
    )
  })

  test("what is asked for without rules and limits comes with them, and what is beyond a purpose comes not at all", async () => {
    const mine = { subject_token: alice.idToken, subject_token_type: ID_TOKEN }
    const free = JSON.stringify(everything("credential:write", "credential:read"))
    const granted = await exchange({ ...mine, safeconduct_statement: stateOf("7001"), authorization_details: free })
    const write = granted.authorization_details.find(({ actions }) => actions.includes("credential:write"))!
    assert.deepEqual(write.arguments?.order, [{ parameter: "order" }])
    assert.ok((write.limits?.length ?? 0) > 0)
    for (const { actions } of granted.authorization_details) assert.ok(!actions.includes("delegate:track-parcel"))
    const token = await support.token(at, granted.safeconduct_session)
    const change = { ...read, operation: "write", arguments: { order: "7003" } }
    const { json } = await act(support, token, granted.safeconduct_session, change)
    assert.equal(json["verdict"], "deny")
    await support.ask(at, `DELETE /v1/sessions/${granted.safeconduct_session}`, token)
    const statement = { safeconduct_statement: stateOf("7001") }
    const refused = [
      await refusal({ ...mine, ...statement, safeconduct_purpose: "track-parcel" }),
      await refusal({ ...mine, ...statement, authorization_details: JSON.stringify(everything("credential:delete")) }),
    ]
    assert.deepEqual(refused, ["invalid_request", "unauthorized_client"])
  })

  test("what a user left out on the consent page, no exchange brings back", async () => {
    const { shop } = house
    const callback = `${shop.siteUrl}/bot/callback`
    const browser = openPerson(callback)
    const me = await browser.press(await browser.visit(`${at.webUrl}/me`), "person=bob")
    const purpose = "Answer your questions about your orders, and change the delivery note of the one you ask about"
    await browser.press(me, `Take back what support-bot may do: ${purpose}`)
    await assert.rejects(bob.session.lease("shop", { operation: "read" }))
    const statement = stateOf("7002")
    const asked = await shop.agents.support.ask({ purpose: "order-help", redirectUri: callback, statement })
    const consent = await browser.visit(asked.url)
    const ticks = [...consent.html.matchAll(/<input type="checkbox" name="([^"]+)"[^>]*>([\s\S]*?)<\/label>/g)]
    const write = ticks.find(([, , words]) => words!.includes("delivery note"))![1]!
    const back = await browser.press(consent, "Allow", { [write]: false })
    const session = await asked.redeem(back.url)
    await assert.rejects(session.lease("shop", { operation: "write", arguments: { order: "7002" } }), {
      code: "denied-by-policy",
    })
    const mine = { subject_token: await shop.idTokenOf("bob"), subject_token_type: ID_TOKEN }
    const granted = await exchange({ ...mine, safeconduct_statement: stateOf("7002") })
    for (const { actions } of granted.authorization_details) assert.ok(!actions.includes("credential:write"))
    const wanted = JSON.stringify(everything("credential:write"))
    const required = await refusal({ ...mine, safeconduct_statement: stateOf("7002"), authorization_details: wanted })
    assert.equal(required, "consent_required")
    await session.end()
  })

  test("another session's token, replayed, opens nothing", async () => {
    const { session, token } = alice
    assert.equal((await act(support, token, session.id)).status, 200, "and by whom it is for, it is good")
    const replays: { [what: string]: Said } = {
      "by another agent, with its own proof": await act(shipping, token, session.id),
      "as a bearer token": await support.ask(at, "POST /v1/actions", token, {
        ...{ scheme: "Bearer", body: { session: session.id, action: read } },
      }),
      "with the proof of another token": await support.ask(at, "POST /v1/actions", token, {
        proof: await support.proofFor(at, "POST", "/v1/actions", { ath: "x".repeat(43) }),
        body: { session: session.id, action: read },
      }),
    }
    for (const [what, { status }] of Object.entries(replays)) assert.equal(status, 401, what)
    const shop = await house.shop.idTokenOf("alice")
    assert.equal((await act(support, shop, session.id)).status, 401, "an ID token is no access token")
  })

  test("a token for Alice's session says nothing in another session", async () => {
    const other = await house.shop.sessionFor("alice", house.shop.agents.support, { request: "Where?", order: "7003" })
    for (const id of [other.id, bob.session.id]) {
      const { status, code } = await act(support, alice.token, id)
      assert.deepEqual([status, code], [401, "token-invalid"])
    }
    await other.end()
  })

  test("who acts for whom cannot be swapped in a token", async () => {
    const { session, token } = alice
    const [header, payload, signature] = token.split(".") as [string, string, string]
    const claims = decodeJwt(token)
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const actAs = (sub: string) => ({ ...claims, act: { sub } })
    const { privateKey } = house.shop.agents.support.identity
    const own = await newSigner({ privateKey, publicKey: createPublicKey(privateKey) })
    const forged: { [what: string]: string } = {
      "another actor": `${header}.${encode(actAs(shipping.client))}.${signature}`,
      "no actor": `${header}.${encode({ ...claims, act: undefined })}.${signature}`,
      "another user": `${header}.${encode({ ...claims, sub: decodeJwt(bob.token).sub })}.${signature}`,
      "more details": `${header}.${encode({ ...claims, authorization_details: everything("credential:delete") })}.${signature}`,
      "an outer actor": `${header}.${encode({ ...claims, act: { sub: support.client, act: { sub: shipping.client } } })}.${signature}`,
      "no signature": unsigned({ typ: "at+jwt", alg: "none" }, claims),
      "another's signature": `${header}.${payload}.${token.split(".")[2]!.split("").reverse().join("")}`,
      "the agent's own signature": await own.assertion(claims as never, { typ: "at+jwt" } as never),
    }
    for (const [what, text] of Object.entries(forged)) {
      assert.equal((await act(support, text, session.id)).status, 401, what)
    }
    assert.equal((await act(support, token, session.id)).status, 200)
  })

  test("an agent signs no statement for an application, and is no other agent's actor", async () => {
    const { shop } = house
    const mine = { subject_token: alice.idToken, subject_token_type: ID_TOKEN }
    const said = {
      ...{ issuer: at.webUrl, application: "shop-web", agent: "support-bot", purpose: "order-help" },
      ...{ request: "All of it", parameters: { order: "7002" } },
    }
    const forged = signStatement({ privateKey: shop.agents.support.identity.privateKey, kid: "mine" }, said)
    assert.equal(await refusal({ ...mine, safeconduct_statement: forged }), "invalid_request")
    const used = stateOf("7001")
    const granted = await exchange({ ...mine, safeconduct_statement: used })
    assert.equal(await refusal({ ...mine, safeconduct_statement: used }), "invalid_request", "a statement is used once")
    const actor = { actor_token: await shipping.token(at), actor_token_type: ACCESS_TOKEN }
    assert.equal(await refusal({ ...mine, ...actor, safeconduct_statement: stateOf("7001") }), "invalid_request")
    // The statement is about the support bot: no other agent's.
    const asShipping = shop.agents.shipping.transport.form("/oauth2/token", {
      ...{ grant_type: EXCHANGE, safeconduct_purpose: "track-parcel", ...mine },
      safeconduct_statement: stateOf("7001"),
    })
    await assert.rejects(asShipping, SafeconductError)
    await support.ask(
      at,
      `DELETE /v1/sessions/${granted.safeconduct_session}`,
      await support.token(at, granted.safeconduct_session),
    )
  })

  test("no right is read from an inner act", async () => {
    const { agents } = house.shop
    const session = await house.shop.sessionFor("alice", agents.support, { request: "Where?", order: "7001" })
    const authorizationDetails = everything("credential:track") as never
    const { delegation } = await session.delegate({
      agent: "shipping-bot",
      purpose: "track-parcel",
      authorizationDetails,
    })
    const beneath = await agents.shipping.open({ delegation })
    const token = await shipping.token(at, beneath.id)
    // RFC 8693 §4.1: the newest is outermost, and those inside are history.
    assert.deepEqual(decodeJwt(token)["act"], { sub: shipping.client, act: { sub: support.client } })
    const verdictOf = async (operation: string) => {
      const action = { ...read, operation, arguments: operation === "write" ? { order: "7001" } : {} }
      return (await act(shipping, token, beneath.id, action)).json["verdict"]
    }
    assert.deepEqual(await Promise.all(["read", "write", "track"].map(verdictOf)), ["deny", "deny", "allow"])
    // Nor does whoever stands inside act by it.
    assert.equal((await act(support, token, beneath.id)).status, 401)
    assert.equal((await act(support, await support.token(at, session.id), beneath.id)).status, 401)
    await session.end()
    assert.notEqual((await act(shipping, token, beneath.id)).status, 200)
  })
})
