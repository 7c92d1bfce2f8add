import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { choose, openShop, openStoryProvider, type Provider, type Shop } from "./fixtures/provider.ts"

const skip = noBrowser
const sights: Sight[] = [
  { size: "desktop" },
  { size: "phone" },
  { size: "desktop", scheme: "dark" },
  { size: "phone", scheme: "dark" },
]

let stack: AsyncDisposableStack
let browser: Browser
let shop: Shop
let provider: Provider

before(async () => {
  stack = new AsyncDisposableStack()
  if (skip) return
  browser = stack.use(await openBrowser())
  shop = stack.use(await openShop({ name: "The shop’s web site" }))
  provider = stack.use(await openStoryProvider({ servers: ["http://127.0.0.1:9"], shop }))
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

/** The `sub` of a token that was judged already. */
function subjectOf(token: string): string {
  return JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()).sub
}

for (const sight of sights) {
  const on = `on a ${sight.size}${sight.scheme === "dark" ? " in the dark" : ""}`
  test(`Alice signs in by a click, and out again, ${on}`, { skip }, async () => {
    await using window = await browser.window(sight)
    const { page } = window
    const authorize = new URL(`${provider.issuer}/auth`)
    authorize.search = new URLSearchParams({
      client_id: shop.client.clientId,
      redirect_uri: shop.client.redirectUris[0]!,
      response_type: "code",
      scope: "openid",
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
    }).toString()
    await page.goto(authorize.href)
    await assertFit(window, "provider-sign-in")
    await choose(page, "Alice")
    await page.waitForURL(`${shop.url}/callback?code=**`)

    await page.goto(`${provider.issuer}/session/end`)
    await assertFit(window, "provider-sign-out")
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByRole("heading", { name: "You are signed out" }).waitFor()
    await assertFit(window, "provider-signed-out")
  })
}

test("the keyboard is enough to sign in", { skip }, async () => {
  await using window = await browser.window()
  const signedIn = shop.signIn(window, provider)
  await window.page.getByRole("heading", { name: "Sign in to The shop’s web site" }).waitFor()
  await window.page.keyboard.press("Tab")
  await window.page.keyboard.press("Tab")
  await window.page.keyboard.press("Enter")
  assert.ok((await signedIn).id_token)
})

test("who is signed in is not asked again, and each window is somebody of its own", { skip }, async () => {
  await using alice = await browser.window()
  await using bob = await browser.window()
  const subjects = [
    await shop.signIn(alice, provider, "Alice"),
    await shop.signIn(bob, provider, "Bob"),
    await shop.signIn(alice, provider),
  ].map(({ id_token }) => subjectOf(id_token!))
  assert.deepEqual(subjects, ["alice", "bob", "alice"])
})

test("somebody else who signs in signs out who was there before, and the clients are told", { skip }, async () => {
  await using window = await browser.window()
  await shop.signIn(window, provider, "Alice")
  const told = shop.nextLogout()
  const bob = await shop.signIn(window, provider, "Bob", { prompt: "login" })
  assert.equal(subjectOf(bob.id_token!), "bob")
  assert.equal(subjectOf(await told), "alice")
})

test("a refused request is said in words, and sends nobody anywhere", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  await window.page.goto(`${provider.issuer}/auth?client_id=nobody&redirect_uri=https://other.example/`)
  await window.page.getByRole("heading", { name: "This request was refused" }).waitFor()
  await window.screenshot("provider-refused")
  assert.deepEqual(await window.violations(), [])
  assert.equal(new URL(window.page.url()).origin, provider.issuer)
})
