import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { openPhoneGround, type PhoneGround } from "./fixtures/phone-ground.ts"

const skip = noBrowser
const sights: Sight[] = [
  { size: "phone" },
  { size: "phone", scheme: "dark", locale: "de-DE" },
  { size: "tall-phone", locale: "de-DE" },
  { size: "tall-phone", scheme: "dark" },
]
const offboarding = {
  operation: "offboard",
  arguments: { employee: "Bob Ender", month: "November", note: ["badge", "laptop"] },
}
const telling = { operation: "tell", arguments: { to: "bob@shop.example", text: "Goodbye \u202eand thanks" } }

let stack: AsyncDisposableStack
let browser: Browser
let at: PhoneGround

before(async () => {
  stack = new AsyncDisposableStack()
  if (skip) return
  browser = stack.use(await openBrowser())
  at = stack.use(await openPhoneGround())
})
after(() => stack.disposeAsync())

/** Nothing to complain of, nobody stumbles, and nothing is wider than the screen; a picture for whoever wants to look. */
async function assertFit(window: Window, name: string): Promise<void> {
  await window.screenshot(name)
  assert.deepEqual(await window.violations(), [])
  assert.deepEqual(window.complaints, [])
  const { scrollWidth, width } = await window.page.evaluate<{ scrollWidth: number; width: number }>(
    "({ scrollWidth: document.documentElement.scrollWidth, width: innerWidth })",
  )
  assert.ok(scrollWidth <= width, `${name} is wider than its window: ${scrollWidth} of ${width} pixels`)
}

const stateOf = async (approval: string | null) => {
  const { rows } = await at.ground.ours.query("select state from approvals.requests where id = $1", [approval])
  return rows[0]?.state as string
}

for (const sight of sights) {
  const isGerman = sight.locale === "de-DE"
  const on = `on a ${sight.size}${sight.scheme === "dark" ? " in the dark" : ""}${isGerman ? " in German" : ""}`
  test(`somebody sees what an agent wants, signs it, and it is done once, ${on}`, { skip }, async () => {
    await using window = await browser.window(sight)
    const { page } = window
    const acting = await at.allow(window, "Alice")
    await using _device = await at.device(window, "Alice")
    const { verdict, approval } = await at.act(acting, offboarding)
    assert.equal(verdict, "ask")
    await page.goto(`${at.issuer}/approvals`)
    await assertFit(window, "inbox")
    await page.locator(`a[href="/approvals/${approval}"]`).click()
    await page.locator("[data-sign][aria-disabled]").waitFor()
    await assertFit(window, "card")
    await page.locator("[data-end]").scrollIntoViewIfNeeded()
    await page.locator("[data-sign]:not([aria-disabled])").click()
    await page.getByRole("heading", { name: isGerman ? "Zugestimmt" : "Approved" }).waitFor()
    assert.equal(await stateOf(approval), "approved")
    assert.equal((await at.act(acting, offboarding, approval!)).verdict, "allow")
    await page.reload()
    await assertFit(window, "approved")
    await page.goto(`${at.issuer}/approvals/history`)
    await assertFit(window, "history")
  })
}

test("what only has to be tapped is approved by being signed in; what is denied is not done, and not asked again at once", {
  skip,
}, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const acting = await at.allow(window, "Alice")
  const tap = await at.act(acting, telling)
  await page.goto(`${at.issuer}/approvals/${tap.approval}`)
  await page.getByText("[U+202E]").first().waitFor()
  await assertFit(window, "card-tap")
  await page.getByRole("button", { name: "Approve once" }).click()
  await page.getByRole("heading", { name: "Approved" }).waitFor()
  assert.equal((await at.act(acting, telling, tap.approval!)).verdict, "allow")

  const { approval } = await at.act(acting, offboarding)
  await page.goto(`${at.issuer}/approvals/${approval}`)
  await page.getByRole("button", { name: "Deny", exact: true }).click()
  await page.getByRole("heading", { name: "Denied" }).waitFor()
  await assertFit(window, "denied")
  assert.equal((await at.act(acting, offboarding, approval!)).verdict, "deny")
})

test("whoever reports what they did not ask for stops the agent", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const acting = await at.allow(window, "Bob")
  const { approval } = await at.act(acting, offboarding)
  await page.goto(`${at.issuer}/approvals/${approval}`)
  await page.getByRole("button", { name: /I did not ask for this/ }).click()
  await page.getByRole("heading", { name: "Denied and reported" }).waitFor()
  await assertFit(window, "reported")
  await assert.rejects(at.act(acting, telling), /not answered: 40[13]/)
})
