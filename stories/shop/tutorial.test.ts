import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { openPerson } from "../../examples/2-personalized/person.ts"
import { listening, openTutorial, type Tutorial } from "../fixtures/tutorial.ts"

// docs/tutorials/acting-for-alice.md, by its own blocks.

describe("the tutorial on acting for Alice", { timeout: 180_000 }, () => {
  let here: Tutorial
  before(async () => {
    here = await openTutorial("acting-for-alice", "shop")
  })
  after(() => here?.[Symbol.asyncDispose]())

  test("plays as it is written", async () => {
    await here.sql(here.block("sql", 0))
    here.write("safeconduct.yaml", here.block("yaml"))
    here.write("policies/shop.cedar", here.block("cedar"))
    await here.play(here.block("sh", 1))
    await here.sql(here.block("sql", 1))
    here.write("bot.ts", here.block("ts"))

    const alice = await runBot(here.block("sh", 2), "alice")
    assert.match(alice.orders, /\[\{"id":1,"item":"Kettle"\},\{"id":3,"item":"Hammock"\}\]/)
    assert.match(await here.play(here.block("sh", 3)), new RegExp(alice.session))
    await alice.browser.press(await alice.browser.visit(`${here.webUrl}/me`), "End")
    assert.match(await alice.last(), /the database says: .*terminat/i)

    // It has an identity now; because she ended what it did, she is asked again.
    const again = await runBot("node bot.ts", "alice", alice.browser)
    assert.equal(again.wasAsked, true)
    await again.browser.press(await again.browser.visit(`${here.webUrl}/me`), "End")
    await again.last()

    const bob = await runBot("node bot.ts", "bob")
    assert.ok(bob.wasAsked)
    assert.match(bob.orders, /\[\{"id":2,"item":"Accordion"\}\]/)
    await bob.browser.press(await bob.browser.visit(`${here.webUrl}/me`), "End")
    await bob.last()
    await here.play(here.block("sh", 4))
  })

  /** Runs the bot until it waits in the database, its user having done in a browser what the page says. */
  async function runBot(script: string, user: string, browser = openPerson()) {
    const { line } = listening(here.shell(script))
    const url = (await line()).replace("Open ", "")
    let page = await browser.visit(url)
    if (page.url.startsWith(here.provider)) page = await browser.press(page, `person=${user}`)
    const wasAsked = page.url.startsWith(here.webUrl)
    if (wasAsked) page = await browser.press(page, "Allow")
    assert.match(page.html, /Thank you/)
    const session = /session_\w+/.exec(await line())![0]
    return { browser, wasAsked, session, orders: await line(), last: line }
  }
})
