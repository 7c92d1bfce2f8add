import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import type { CDPSession } from "playwright-core"
import { type Browser, noBrowser, openBrowser, type Window } from "./fixtures/browser.ts"
import { type ConsentGround, openConsentGround } from "./fixtures/consent-ground.ts"
import { choose } from "./fixtures/provider.ts"

const skip = noBrowser
let stack: AsyncDisposableStack
let browser: Browser
let at: ConsentGround

before(async () => {
  stack = new AsyncDisposableStack()
  if (skip) return
  browser = stack.use(await openBrowser())
  at = stack.use(await openConsentGround({ host: "localhost" }))
})
after(() => stack.disposeAsync())

/** Opens a page of ours, signing in where it is asked for. */
async function open({ page }: Window, path: string, person: string): Promise<void> {
  await page.goto(`${at.issuer}${path}`)
  for (let times = 0; times < 2 && !page.url().startsWith(at.issuer); times++) await choose(page, person)
  await page.waitForURL(`${at.issuer}${path}`)
}

/** A device in the window's hands; with `isTouched` false it waits for its owner. */
async function deviceIn({ page }: Window, transport: "internal" | "usb") {
  const tools: CDPSession = await page.context().newCDPSession(page)
  await tools.send("WebAuthn.enable")
  const options = { protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true } as const
  const { authenticatorId } = await tools.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified: true, automaticPresenceSimulation: true },
  })
  return {
    touch: (enabled: boolean) => tools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled }),
    verify: (isUserVerified: boolean) => tools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
  }
}

const make = (window: Window) => window.page.locator("form[data-enrol] button:not([disabled])").click()

test("a person adds a passkey with their phone, and a second device that the first vouches for", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const phone = await deviceIn(window, "internal")
  await open(window, "/me/passkeys", "alice")
  await page.getByRole("link", { name: "Add a passkey" }).click()
  if (!page.url().startsWith(at.issuer)) await choose(page, "alice")
  await page.waitForURL(`${at.issuer}/me/new-passkey`)
  assert.deepEqual(await window.violations(), [])
  await window.screenshot("new-passkey")
  await make(window)
  await page.waitForURL(`${at.issuer}/me/passkeys`)
  await page.getByRole("heading", { name: "My phone" }).waitFor()
  assert.deepEqual(await window.violations(), [])
  await window.screenshot("passkeys")

  const key = await deviceIn(window, "usb")
  await open(window, "/me/new-passkey", "alice")
  // The new device answers first, and by the time that the old one is asked it is touched.
  await phone.touch(false)
  await page.route("**/me/passkeys/vouching", async (asked) => {
    await Promise.all([key.touch(false), phone.touch(true)])
    await asked.continue()
  })
  await page.getByLabel("What you call it").fill("My key")
  await make(window)
  await page.waitForURL(`${at.issuer}/me/passkeys`)
  await page.getByRole("heading", { name: "My key" }).waitFor()
  assert.deepEqual(window.complaints, [])
})

test("a device whose owner is not there makes nothing, and the page says so", { skip }, async () => {
  await using window = await browser.window({ size: "phone", locale: "de-DE" })
  const { page } = window
  const phone = await deviceIn(window, "internal")
  await phone.verify(false)
  await open(window, "/me/new-passkey", "bob")
  await make(window)
  await page.getByRole("alert").filter({ hasText: "Es wurde kein Passkey erstellt" }).waitFor()
  assert.equal(page.url(), `${at.issuer}/me/new-passkey`)
  assert.deepEqual(await window.violations(), [])
})

test("whoever lost a device revokes everything with one tap, is signed out, and gets a key that waits", {
  skip,
}, async () => {
  await using window = await browser.window({ size: "phone", scheme: "dark" })
  const { page } = window
  await deviceIn(window, "internal")
  await open(window, "/me/new-passkey", "olga")
  await make(window)
  await page.waitForURL(`${at.issuer}/me/passkeys`)
  await open(window, "/me/lost-device", "olga")
  assert.deepEqual(await window.violations(), [])
  await window.screenshot("lost-device")
  await page.getByRole("button", { name: "Revoke everything" }).click()
  await page.getByRole("heading", { name: "Everything is revoked" }).waitFor()
  assert.deepEqual(await window.violations(), [])
  const cookies = await page.context().cookies(at.issuer)
  assert.ok(!cookies.some(({ name }) => name.includes("signed-in")))
  await open(window, "/me/new-passkey", "olga")
  await page.getByText("counts in 24 hours").waitFor()
  await make(window)
  await page.getByText("It was added after others were lost").waitFor()
  assert.deepEqual(await window.violations(), [])
  await window.screenshot("waiting-passkey")
})
