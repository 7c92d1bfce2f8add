import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { type Browser, noBrowser, openBrowser, type Sight, type Window } from "./fixtures/browser.ts"
import { type Acting, openPhoneGround, type PhoneGround } from "./fixtures/phone-ground.ts"

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
  await using window = await browser.window()
  await at.allow(window, "Alice")
  await using _device = await at.device(window, "Alice")
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

/** Alice's card for something that she has to sign, in her window. */
async function toSign(window: Window): Promise<{ acting: Acting; approval: string }> {
  const acting = await at.allow(window, "Alice")
  const { approval } = await at.act(acting, offboarding)
  await window.page.goto(`${at.issuer}/approvals/${approval}`)
  await window.page.locator("[data-sign][aria-disabled]").waitFor()
  return { acting, approval: approval! }
}

/** Requests that change something, from now on. */
function changing({ page }: Window): string[] {
  const seen: string[] = []
  page.on("request", (request) => {
    if (request.method() !== "GET")
      seen.push(`${request.method()} ${new URL(request.url()).pathname.split("/").at(-1)}`)
  })
  return seen
}

test("nobody approves what they have not read: the button leads to the rest of the card first", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  await using _device = await at.device(window, "Alice")
  const { approval } = await toSign(window)
  const sent = changing(window)
  const focused = await page.evaluate("document.activeElement === document.body")
  assert.ok(focused, "nothing has the focus, least of all to approve")
  await page.locator("[data-sign]").click({ force: true })
  await page.locator("[data-sign]:not([aria-disabled])").waitFor()
  assert.deepEqual(sent, [])
  assert.ok(await page.evaluate(`document.querySelector("[data-end]").getBoundingClientRect().top < innerHeight`))
  assert.equal(await stateOf(approval), "requested")
  await page.keyboard.press("Tab")
  await page.locator("[data-sign]").press("Enter")
  await page.getByRole("heading", { name: "Approved" }).waitFor()
  assert.deepEqual(sent, ["POST challenge", "POST decision"])
})

test("who needs longer hears that little time is left, takes more with one press of a key, and signs then", {
  skip,
}, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  await using _device = await at.device(window, "Alice")
  const { acting, approval } = await toSign(window)
  assert.equal(
    await page.getByRole("button", { name: "I need more time" }).count(),
    1,
    "in the foot, until it is urgent",
  )
  assert.equal(await page.locator("[data-say]").isHidden(), true)
  const pass = `update approvals.requests set requested_at = requested_at - make_interval(secs => $2),
    expires_at = expires_at - make_interval(secs => $2) where id = $1`
  await at.ground.ours.query(pass, [approval, 245])
  await page.reload()
  await page.getByRole("alert").getByText("Less than a minute is left").waitFor()
  await assertFit(window, "card-soon-over")
  await page.locator("[data-bar]").getByRole("button", { name: "I need more time" }).press("Enter")
  await page.getByText(/^5:[0-5]\d$/).waitFor()
  await assertFit(window, "card-with-more-time")
  assert.equal(await page.locator("[data-say]").isHidden(), true)
  assert.equal(await stateOf(approval), "requested")
  await page.locator("[data-end]").scrollIntoViewIfNeeded()
  await page.locator("[data-sign]:not([aria-disabled])").click()
  await page.getByRole("heading", { name: "Approved" }).waitFor()
  assert.equal((await at.act(acting, offboarding, approval)).verdict, "allow")
})

test("a page that shows something else than what is to be signed has nothing signed", { skip }, async () => {
  await using window = await browser.window({ size: "tall-phone" })
  const { page } = window
  await using device = await at.device(window, "Alice")
  const [before] = await device.keys()
  const forgeries = [
    `document.querySelector("[data-line=headline]").textContent = "Order a cake"`,
    `document.querySelector("[data-line=said]").remove()`,
    `document.querySelector("[data-card]").dataset.locale = "de"`,
    `document.querySelector("[data-action]").textContent = document.querySelector("[data-action]").textContent.replace("November", "June")`,
  ]
  for (const forgery of forgeries) {
    const { approval } = await toSign(window)
    const sent = changing(window)
    await page.locator("[data-end]").scrollIntoViewIfNeeded()
    await page.evaluate(forgery)
    await page.locator("[data-sign]:not([aria-disabled])").click()
    await page.getByText("Nothing was signed: what was to be signed is not what you see.").waitFor()
    assert.deepEqual(sent, ["POST challenge"], forgery)
    assert.equal(await stateOf(approval), "requested")
  }
  const [after] = await device.keys()
  assert.equal(after!.signCount, before!.signCount, "the passkey was not asked")
})

test("a device that does not know who holds it signs nothing, and its holder can deny", { skip }, async () => {
  await using window = await browser.window({ size: "tall-phone" })
  const { page } = window
  await using device = await at.device(window, "Alice")
  const { approval } = await toSign(window)
  await device.setVerified(false)
  await page.locator("[data-end]").scrollIntoViewIfNeeded()
  await page.locator("[data-sign]:not([aria-disabled])").click()
  await page.getByText("Nothing was signed. You can try again, or deny.").waitFor()
  assert.equal(await stateOf(approval), "requested")
  await page.getByRole("button", { name: "Deny", exact: true }).click()
  await page.getByRole("heading", { name: "Denied" }).waitFor()
  assert.equal(await stateOf(approval), "denied")
})

test("without scripts one can deny, and approve what is only tapped", { skip }, async () => {
  await using window = await browser.window({ size: "phone", hasScripts: false })
  const { page } = window
  const acting = await at.allow(window, "Alice")
  const [tap, sign] = [await at.act(acting, telling), await at.act(acting, offboarding)]
  await page.goto(`${at.issuer}/approvals/${tap.approval}`)
  await page.getByRole("button", { name: "Approve once" }).click()
  await page.getByRole("heading", { name: "Approved" }).waitFor()
  await page.goto(`${at.issuer}/approvals/${sign.approval}`)
  await window.screenshot("card-without-scripts")
  await page.locator("noscript .why").waitFor()
  assert.ok(await page.getByRole("button", { name: "Approve once" }).isDisabled())
  await page.getByRole("button", { name: "Deny", exact: true }).click()
  await page.getByRole("heading", { name: "Denied" }).waitFor()
})

test("an open card says so when it is decided elsewhere, and a list when it is out of date", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const acting = await at.allow(window, "Alice")
  await page.goto(`${at.issuer}/approvals`)
  const { approval } = await at.act(acting, offboarding)
  await page.locator(`a[href="/approvals/${approval}"]`).waitFor()
  await page.goto(`${at.issuer}/approvals/${approval}`)
  const other = await page.context().newPage()
  await other.goto(`${at.issuer}/approvals/${approval}`)
  await other.getByRole("button", { name: "Deny", exact: true }).click()
  await other.getByRole("heading", { name: "Denied" }).waitFor()
  await other.close()
  await page.getByRole("heading", { name: "Denied" }).waitFor()
})

test("what is alike is one card, of which a part can be signed; the rest waits", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  // Somebody of whom nothing else is asked.
  const acting = await at.allow(window, "Olga")
  await using _device = await at.device(window, "Olga")
  const people = ["Bob Ender", "Carla Diaz", "Dan Wu"]
  const asked = []
  for (const employee of people) {
    const action = { ...offboarding, arguments: { employee, month: "November" } }
    asked.push({ action, approval: (await at.act(acting, action)).approval! })
  }
  await page.goto(`${at.issuer}/approvals`)
  await page.getByText("3 alike").waitFor()
  await assertFit(window, "inbox-alike")
  await page.getByText("3 alike").click()
  await page.locator("[data-sign][aria-disabled]").waitFor()
  await assertFit(window, "card-alike")
  await page.locator(`input[name="item-${asked[1]!.approval}"]`).uncheck()
  await page.locator("[data-end]").scrollIntoViewIfNeeded()
  await page.locator("[data-sign]:not([aria-disabled])").click()
  await page.getByRole("heading", { name: "Approved" }).waitFor()
  const states = await Promise.all(asked.map(({ approval }) => stateOf(approval)))
  assert.deepEqual(states, ["approved", "requested", "approved"])
  assert.equal((await at.act(acting, asked[2]!.action, asked[2]!.approval)).verdict, "allow")
  assert.equal((await at.act(acting, asked[1]!.action, asked[1]!.approval)).verdict, "ask")
})

test("at twice the size nothing is cut, and the buttons leave room for the card", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  await toSign(window)
  // As a browser zooms: half as many pixels of its own (WCAG 2.2, 1.4.4).
  await page.setViewportSize({ width: 180, height: 320 })
  const cut = await page.evaluate<string[]>(`
    [...document.querySelectorAll("main *")].filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 80))`)
  assert.deepEqual(cut, [])
  assert.equal(await page.evaluate(`getComputedStyle(document.querySelector("[data-bar]")).position`), "static")
  await window.screenshot("card-zoomed")
})

// Last, because the agent is stopped for everybody.
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
