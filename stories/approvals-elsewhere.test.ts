import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, test } from "node:test"
import { type Browser, noBrowser, openBrowser } from "./fixtures/browser.ts"
import { openPhoneGround, type PhoneGround } from "./fixtures/phone-ground.ts"
import { until } from "./fixtures/until.ts"

/** Another site's page, in the browser in which Alice is signed in, tries what a page can. A notification's tap is phone-worker.test.ts's. */
const skip = noBrowser
const stack = new AsyncDisposableStack()
let browser: Browser
let at: PhoneGround
/** What the other site's page is, and that it was loaded to its end. */
let html = ""
let loaded = 0
let site = ""

before(async () => {
  if (skip) return
  browser = stack.use(await openBrowser())
  at = stack.use(await openPhoneGround())
  const server = createServer((request, response) => {
    if (request.url === "/loaded") loaded += 1
    response.writeHead(200, { "content-type": "text/html" }).end(request.url === "/" ? html : "")
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  stack.defer(() => void server.close())
  // An address: to the browser another site than localhost.
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => stack.disposeAsync())

test("a card that is prefetched, prerendered, framed, loaded as something else or posted to from elsewhere decides nothing", {
  skip,
  timeout: 180_000,
}, async () => {
  await using window = await browser.window({ size: "phone" })
  const { page } = window
  const acting = await at.allow(window, "Alice")
  const { approval } = await at.act(acting, { operation: "tell", arguments: { to: "all", text: "Goodbye" } })
  const card = `${at.issuer}/approvals/${approval}`
  const urls = [card, `${card}/decision`, `${card}/decision?decision=approve&locale=en`, `${at.issuer}/approvals`]
  const each = (draw: (url: string) => string) => urls.map((url) => draw(url.replaceAll("&", "&amp;"))).join("\n")
  const sent = '<input name="decision" value="approve"><input name="locale" value="en"><input name="form" value="x">'
  html = `<!doctype html><title>A prize</title>
${each((url) => `<link rel="prefetch" href="${url}"><link rel="prerender" href="${url}"><link rel="preload" as="fetch" href="${url}">`)}
<script type="speculationrules">${JSON.stringify({ prefetch: [{ urls }], prerender: [{ urls }] })}</script>
${each((url) => `<img src="${url}" alt=""><iframe src="${url}"></iframe><script src="${url}"></script>`)}
<iframe name="inner"></iframe>
<form method="post" action="${card}/decision" target="inner">${sent}</form>
<script>
document.forms[0].submit()
const tries = ${JSON.stringify(urls)}.flatMap((url) => ["GET", "POST"].map((method) =>
  fetch(url, { method, mode: "no-cors", credentials: "include" }).catch(() => undefined)))
Promise.all(tries).then(() => fetch("/loaded"))
</script>`
  await page.goto(`${site}/`)
  await until("loaded", () => loaded > 0, { everyMs: 50, withinMs: 60_000 })
  await page.waitForLoadState("networkidle")
  const { rows } = await at.ground.ours.query("select state from approvals.requests where id = $1", [approval])
  assert.deepEqual(rows, [{ state: "requested" }])
  assert.equal((await at.ground.ours.query("select from approvals.decisions")).rowCount, 0)

  // A whole window of ours, led there by that site, is the card, and waits for her.
  await page.evaluate(`location.href = ${JSON.stringify(card)}`)
  await page.waitForURL(card)
  await page.getByRole("button", { name: "Approve once" }).waitFor()
  assert.equal((await at.ground.ours.query("select from approvals.decisions")).rowCount, 0)
  await page.getByRole("button", { name: "Approve once" }).click()
  await page.getByRole("heading", { name: "Approved" }).waitFor()
})
