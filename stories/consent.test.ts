import assert from "node:assert/strict"
import { createHash, randomBytes } from "node:crypto"
import { after, before, test } from "node:test"
import { choosePage } from "../server/src/gate/consent/pages/choose.ts"
import { pageResponse } from "../server/src/gate/consent/pages/page.ts"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { type ConsentGround, openConsentGround } from "./fixtures/consent-ground.ts"
import { choose } from "./fixtures/provider.ts"
import { connected } from "./fixtures/resource.ts"

const skip = noBrowser
const sights: Sight[] = [
  { size: "desktop" },
  { size: "phone" },
  { size: "desktop", scheme: "dark" },
  { size: "phone", scheme: "dark" },
]

let stack: AsyncDisposableStack
let browser: Browser
let at: ConsentGround

before(async () => {
  stack = new AsyncDisposableStack()
  if (skip) return
  browser = stack.use(await openBrowser())
  at = stack.use(await openConsentGround())
})
after(() => stack.disposeAsync())

/** Nothing to complain of, and nobody stumbles; a picture for whoever wants to look. */
async function assertFit(window: Window, name: string): Promise<void> {
  await window.screenshot(name)
  assert.deepEqual(await window.violations(), [])
  assert.deepEqual(window.complaints, [])
  const { scrollWidth, width } = await window.page.evaluate<{ scrollWidth: number; width: number }>(
    "({ scrollWidth: document.documentElement.scrollWidth, width: innerWidth })",
  )
  assert.ok(scrollWidth <= width, `${name} is wider than its window: ${scrollWidth} of ${width} pixels`)
}

const asked = {
  safeconduct_request: "My parcel A-17 came without the blue lamp.\nPlease send it again, or refund 49.90 EUR.",
  safeconduct_parameters: JSON.stringify({ order: "A-17" }),
}

for (const sight of sights) {
  const on = `on a ${sight.size}${sight.scheme === "dark" ? " in the dark" : ""}`
  test(`Alice signs in, sees what is wanted, allows it, and ends it again, ${on}`, { skip }, async () => {
    const client = await at.agent()
    const sent = await at.push(client, asked)
    await using window = await browser.window(sight)
    const { page } = window
    await page.goto(sent.url)
    await choose(page, "Alice")
    await page.waitForURL(`${at.issuer}/consent/**`)
    await assertFit(window, "consent")
    await page.getByRole("button", { name: "Allow" }).click()
    await page.waitForURL(`${at.shop.url}/back?**`)
    const { status, json } = await at.redeem(client, sent, page.url())
    assert.equal(status, 200)
    const session = String(json["safeconduct_session"])

    const action = { type: "credential", resource: "kb", operation: "read" }
    await client.ask(at.one, "POST /v1/actions", String(json["access_token"]), { body: { session, action } })

    await page.goto(`${at.issuer}/me`)
    await page.getByText("Allowed to read your orders").waitFor()
    await assertFit(window, "me")
    await page.getByRole("button", { name: /^End support-bot/ }).click()
    await page.getByText("No agent acts for you now.").waitFor()
    const [ended] = await at.ground.ours
      .query("select state, end_reason from sessions.sessions where id = $1", [session])
      .then(({ rows }) => rows)
    assert.deepEqual(ended, { state: "ended", end_reason: "withdrawn" })
    await page.getByRole("button", { name: /^Take back/ }).click()
    await page.getByText("Nothing is remembered.").waitFor()
    await assertFit(window, "me-empty")
  })
}

/** Signs somebody in at the provider, and is at the consent page. */
async function toConsent({ page }: Window, url: string, person: string): Promise<void> {
  await page.goto(url)
  await choose(page, person)
  await page.waitForURL(`${at.issuer}/consent/**`)
}

async function allow({ page }: Window): Promise<string> {
  await page.getByRole("button", { name: "Allow" }).click()
  await page.waitForURL(`${at.shop.url}/back?**`)
  return page.url()
}

const stateOf = async (session: unknown) => {
  const { rows } = await at.ground.ours.query("select state, end_reason from sessions.sessions where id = $1", [
    session,
  ])
  return rows[0] as { state: string; end_reason: string | null }
}

test("whoever has a choice of providers is asked where they sign in", { skip }, async () => {
  const places = ["shop", "partners"].map((name) => ({
    name,
    host: `id.${name}.example`,
    url: `${at.issuer}/sign-in/${name}`,
  }))
  for (const sight of sights) {
    await using window = await browser.window(sight)
    await window.page.setContent(await pageResponse(choosePage(places)).text())
    await assertFit(window, "choose")
  }
})

test("Bob denies, and the shop is told so, and nothing else", { skip }, async () => {
  const client = await at.agent()
  const sent = await at.push(client, asked)
  await using window = await browser.window()
  await toConsent(window, sent.url, "Bob")
  await window.page.getByRole("button", { name: "Deny" }).click()
  await window.page.waitForURL(`${at.shop.url}/back?**`)
  const { searchParams } = new URL(window.page.url())
  assert.deepEqual([...searchParams.keys()], ["error", "error_description", "state", "iss"])
  assert.equal(searchParams.get("error"), "access_denied")
  assert.equal((await at.redeem(client, sent, window.page.url())).code, "invalid_request")
})

test("Bob allows less, is not asked for the same again, and sees what is new when it is more", { skip }, async () => {
  const client = await at.agent()
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const reading = [{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }]
  const first = await at.push(client, { authorization_details: JSON.stringify(reading) })
  await toConsent(window, first.url, "Bob")
  await page.getByLabel("15 minutes").check()
  const { json } = await at.redeem(client, first, await allow(window))
  assert.deepEqual(
    (json["authorization_details"] as { actions: string[] }[]).map(({ actions }) => actions),
    [["credential:read"]],
  )

  const again = await at.push(client, { authorization_details: JSON.stringify(reading) })
  await page.goto(again.url)
  assert.match(page.url(), /\/back\?code=/)

  const more = await at.push(client)
  await page.goto(more.url)
  assert.match(page.url(), /\/consent\//)
  assert.equal(await page.getByText("New", { exact: true }).count(), 1)
  await assertFit(window, "consent-more")
  await page.getByLabel(/^refund/i).uncheck()
  await page.getByLabel(/^read/i).uncheck()
  await page.getByRole("button", { name: "Allow" }).click()
  await page.getByRole("alert").waitFor()
  assert.match(page.url(), /\/consent\//)
})

test("what the shop's application signed is the user's, and is shown as what it says", { skip }, async () => {
  const client = await at.agent()
  await using window = await browser.window({ size: "phone" })
  const statement = (more = {}) =>
    at.application.statement({
      ...more,
      safeconduct_request: "Where is my order A-17?",
      safeconduct_parameters: { order: "A-17" },
    })
  const first = await at.push(client, { safeconduct_statement: await statement() })
  await toConsent(window, first.url, "Bob")
  await window.page.getByText("What you asked for, as shop-web says").waitFor()
  assert.equal(await window.page.getByText("Nobody has checked").count(), 0)
  await assertFit(window, "consent-signed")
  await at.redeem(client, first, await allow(window))
  const others = await at.push(client, { safeconduct_statement: await statement() })
  await window.page.goto(others.url)
  assert.match(window.page.url(), /\/consent\//, "it may be another user's of the shop")
  const { rows: people } = await at.ground.ours.query(
    "select iss, sub from sessions.users order by last_seen_at desc limit 1",
  )
  const again = await at.push(client, { safeconduct_statement: await statement({ safeconduct_user: people[0] }) })
  await window.page.goto(again.url)
  const { status, json } = await at.redeem(client, again, window.page.url())
  assert.equal(status, 200)
  const { rows } = await at.ground.ours.query("select application from sessions.sessions where id = $1", [
    json["safeconduct_session"],
  ])
  assert.equal(rows[0].application, "shop-web")
})

test("a link that was used already says so, in a page, to whoever follows it next", { skip }, async () => {
  const client = await at.agent()
  const { url } = await at.push(client)
  await fetch(url, { redirect: "manual" })
  await using window = await browser.window({ size: "phone" })
  await window.page.goto(url)
  await window.page.getByText("This did not work").waitFor()
  await window.screenshot("problem")
  assert.deepEqual(await window.violations(), [])
})

test("what begins at one server goes on at the other, and a code is good once at both", { skip }, async () => {
  const client = await at.agent()
  const sent = await at.push(client, asked)
  await using window = await browser.window()
  await window.page.goto(sent.url)
  at.lead(at.two)
  await choose(window.page, "Alice")
  await window.page.waitForURL(`${at.issuer}/consent/**`)
  at.lead(at.one)
  const back = await allow(window)
  const { json } = await at.redeem(client, sent, back)
  assert.equal((await stateOf(json["safeconduct_session"])).state, "open")
  at.lead(at.two)
  const again = await at.redeem(client, sent, back)
  at.lead(at.one)
  assert.equal(again.code, "invalid_grant")
  assert.equal((await stateOf(json["safeconduct_session"])).state, "ended")
})

test("Alice signs out at her provider: her agent's connection is cut, at whichever server it was made", {
  skip,
}, async () => {
  const client = await at.agent()
  await using window = await browser.window()
  const sent = await at.push(client, asked)
  await toConsent(window, sent.url, "Alice")
  const { json } = await at.redeem(client, sent, await allow(window))
  const session = json["safeconduct_session"] as string
  const action = { type: "credential", resource: "kb", operation: "read" }
  const token = String(json["access_token"])
  const { json: acted } = await client.ask(at.two, "POST /v1/actions", token, { body: { session, action } })
  const connection = await connected(acted["credential"] as object)
  await connection.query("select 1")
  await at.provider.signOut("alice")
  await connection.lost
  assert.deepEqual(await stateOf(session), { state: "ended", end_reason: "logged-out" })
  for (const server of [at.one, at.two]) {
    const { status } = await client.ask(server, "POST /v1/actions", token, { body: { session, action } })
    assert.notEqual(status, 200)
  }
  await window.page.goto(`${at.issuer}/me`)
  assert.equal(new URL(window.page.url()).origin, new URL(at.provider.issuer).origin)
})

test("over mutual TLS the code is the instance's that pushed, and no other's", { skip }, async () => {
  const [mine, sibling] = [await at.ground.enrolled("support-bot"), await at.ground.enrolled("support-bot")]
  const verifier = randomBytes(32).toString("base64url")
  const { request_uri } = await mine.transport.form<{ request_uri: string }>("/oauth2/par", {
    response_type: "code",
    redirect_uri: `${at.shop.url}/back`,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    safeconduct_purpose: "order-help",
    prompt: "consent",
  })
  await using window = await browser.window()
  const query = new URLSearchParams({ client_id: mine.identity.spiffeId, request_uri })
  await toConsent(window, `${at.issuer}/oauth2/authorize?${query}`, "Alice")
  const code = new URL(await allow(window)).searchParams.get("code")!
  const form = { grant_type: "authorization_code", code, code_verifier: verifier }
  await assert.rejects(sibling.transport.form("/oauth2/token", form))
  const { token_type, safeconduct_session } = await mine.transport.form<{ [name: string]: string }>(
    "/oauth2/token",
    form,
  )
  assert.equal(token_type, "Bearer")
  assert.equal((await stateOf(safeconduct_session)).state, "open")
})
