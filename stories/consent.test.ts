import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { type ConsentGround, openConsentGround } from "./fixtures/consent-ground.ts"
import { choose } from "./fixtures/provider.ts"

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

    await page.goto(`${at.issuer}/me`)
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
