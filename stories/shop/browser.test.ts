import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Browser, noBrowser, openBrowser } from "../fixtures/browser.ts"
import { openShopHouse, type ShopHouse } from "./house.ts"

// What person.ts does in the demo and in the stories, done by a browser.

describe("Alice in a browser", { skip: noBrowser, timeout: 180_000 }, () => {
  let house: ShopHouse
  let browser: Browser
  before(async () => {
    ;[house, browser] = await Promise.all([openShopHouse(), openBrowser()])
  })
  after(async () => {
    await browser?.[Symbol.asyncDispose]()
    await house?.[Symbol.asyncDispose]()
  })

  test("signs in, is shown what the bot wants, allows less of it, asks again, and ends it on her page", async () => {
    const { shop } = house
    await using window = await browser.window()
    const { page, complaints } = window
    await page.goto(`${shop.siteUrl}/sign-in`)
    await page.getByRole("button", { name: "Alice" }).click()
    await page.getByText("Hello Alice").waitFor()

    await page.getByLabel("Ask about 7001").fill("Where is my parcel?")
    await page.getByRole("button", { name: "Ask about 7001" }).click()
    await page.getByRole("heading", { name: "Let support-bot act for you?" }).waitFor()
    assert.ok(page.url().startsWith(shop.webUrl))
    for (const words of ["Where is my parcel?", "The order that you ask about", "7001", "support@shop.example"]) {
      await page.getByText(words, { exact: false }).first().waitFor()
    }
    await window.screenshot("example-2-consent")
    assert.deepEqual(await window.violations(), [])
    await page.getByRole("checkbox", { name: /delivery note/ }).uncheck()
    await page.getByRole("button", { name: "Allow" }).click()
    await page.getByText("PA-1 (Snail Express) is on the van").waitFor()
    assert.ok(page.url().startsWith(`${shop.siteUrl}/bot/callback`))

    // She is asked no more for what she allowed; what she left out, the bot is told no.
    await page.goto(shop.siteUrl)
    await page.getByLabel("Ask about 7001").fill("What did I order?")
    await page.getByRole("button", { name: "Ask about 7001" }).click()
    await page.getByText("7001 Kettle, 7003 Hammock").waitFor()
    await page.goto(shop.siteUrl)
    await page.getByLabel("Ask about 7001").fill("Please leave it with Mr Grey")
    await page.getByRole("button", { name: "Ask about 7001" }).click()
    await page.getByText("I may not do that for you. The mandate of this session").waitFor()

    const session = await shop.sessionFor("alice", shop.agents.support, { request: "Wait", order: "7001" })
    await page.goto(`${shop.webUrl}/me`)
    await page.getByRole("button", { name: "End support-bot" }).click()
    await page.getByText("No agent acts for you now").waitFor()
    await window.screenshot("example-2-me")
    await assert.rejects(session.lease("shop", { operation: "read" }))
    assert.deepEqual(complaints, [])
  })

  test("on a phone, Alice says no, and the bot is told", async () => {
    const { shop } = house
    await using window = await browser.window({ size: "phone" })
    const { page } = window
    const callback = `${shop.siteUrl}/bot/callback`
    const statement = shop.state("Where is my parcel?", "7002")
    const asked = await shop.agents.support.ask({ purpose: "order-help", redirectUri: callback, statement })
    await page.goto(asked.url)
    await page.getByRole("button", { name: "Bob" }).click()
    await page.getByRole("button", { name: "Deny" }).waitFor()
    await window.screenshot("example-2-consent")
    const [back] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(callback)),
      page.getByRole("button", { name: "Deny" }).click(),
    ])
    await assert.rejects(asked.redeem(back.url()), { code: "consent-denied" })
  })
})
