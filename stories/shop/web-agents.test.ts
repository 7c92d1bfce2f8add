import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { after, before, test } from "node:test"
import { connect, type Safeconduct } from "@safeconduct/sdk"
import { listOrders } from "../../examples/2-personalized/bot.ts"
import { openPerson } from "../../examples/2-personalized/person.ts"
import { openShippingBot } from "../../examples/2-personalized/shipping-bot.ts"
import { openShopHouse, type ShopHouse } from "./house.ts"

// As behind something that ends TLS: what a token is bound to is the enrolled key, not a connection.

let house: ShopHouse
before(async () => {
  house = await openShopHouse()
})
after(() => house?.[Symbol.asyncDispose]())

/** The same instance, by its key. */
const overTheWeb = ({ identity }: Safeconduct) =>
  connect({ webUrl: house.shop.webUrl, folder: identity.folder, onProblem: (problem) => assert.fail(problem) })

test("agents that prove a key with each request act for Alice, hand on, and are known in every entry", async () => {
  const { shop, operator } = house
  await using support = await overTheWeb(shop.agents.support)
  await using shipping = await overTheWeb(shop.agents.shipping)
  const session = await shop.sessionFor("alice", support, { request: "Where is my parcel?", order: "7001" })
  assert.equal(await listOrders(session), "7001 Kettle, 7003 Hammock")
  const { delegation } = await session.delegate({
    ...{ agent: "shipping-bot", purpose: "track-parcel" },
    authorizationDetails: [{ type: "safeconduct_action", actions: ["credential:track"], locations: ["shop"] }],
  })
  assert.match(await openShippingBot(shipping)(delegation), /^PA-1 \(Snail Express\) is on the van/)
  await session.end()
  const path = `/v1/audit/entries?session=${session.id}&limit=100`
  type Entries = { entries: { leaf: { event: string; agent?: { proof: string } } }[] }
  const { entries } = await operator.json<Entries>({ method: "GET", path })
  const events = ["sessions.opened", "sessions.token-issued", "gate.action-begun", "sessions.delegation-offered"]
  const proofs = entries.filter(({ leaf }) => events.includes(leaf.event)).map(({ leaf }) => leaf.agent?.proof)
  assert.ok(proofs.length >= 5)
  assert.deepEqual(new Set(proofs), new Set(["dpop"]))
})

test("a code is worth nothing to another instance of the agent, and to none a second time", async () => {
  const { shop } = house
  await using support = await overTheWeb(shop.agents.support)
  await using twin = await house.enrolled("support-bot")
  const redirectUri = `${shop.siteUrl}/bot/callback`
  const verifier = "v".repeat(43)
  const { request_uri: requestUri } = await support.transport.form<{ request_uri: string }>("/oauth2/par", {
    ...{ client_id: support.spiffeId, response_type: "code", redirect_uri: redirectUri },
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    safeconduct_purpose: "order-help",
    safeconduct_statement: shop.state("Where is my parcel?", "7002"),
  })
  const browser = openPerson(shop.siteUrl)
  const question = new URLSearchParams({ client_id: support.spiffeId, request_uri: requestUri })
  const asked = await browser.visit(`${shop.webUrl}/oauth2/authorize?${question}`)
  const consent = await browser.press(asked, "person=bob")
  const { url } = await browser.press(consent, "Allow")
  const redeem = ({ transport }: Safeconduct) =>
    transport.form<{ safeconduct_session: string }>("/oauth2/token", {
      ...{ grant_type: "authorization_code", client_id: support.spiffeId, redirect_uri: redirectUri },
      ...{ code: new URL(url).searchParams.get("code")!, code_verifier: verifier },
    })
  // The twin has all that the agent knew; its key is its own.
  await assert.rejects(redeem(twin), { code: "token-refused", detail: { error: "invalid_grant" } })
  const { safeconduct_session: session } = await redeem(support)
  await assert.rejects(redeem(support), { code: "token-refused", detail: { error: "invalid_grant" } })
  // RFC 6749 §4.1.2: a code that is shown again may be in two hands; what was made of it ends.
  const path = `/v1/sessions/${session}`
  assert.equal((await house.operator.json<{ state: string }>({ method: "GET", path })).state, "ended")
})
