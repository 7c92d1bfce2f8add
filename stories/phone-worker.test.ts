import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, test } from "node:test"
import { assets, workerPath } from "@safeconduct/console"
import type { Worker } from "playwright-core"
import { type Browser, noBrowser, openBrowser, type Window } from "./fixtures/browser.ts"
import { until } from "./fixtures/until.ts"

const skip = noBrowser
let stack: AsyncDisposableStack
let browser: Browser
let origin: string
/** What the worker asked of the server: method, path and cookies. */
const asked: string[] = []

before(async () => {
  stack = new AsyncDisposableStack()
  if (skip) return
  browser = stack.use(await openBrowser())
  const server = createServer((request, response) => {
    const { method, url = "", headers } = request
    if (!url.startsWith("/page")) asked.push(`${method} ${url} ${headers.cookie ?? ""}`.trim())
    const asset = assets().get(url)
    response.writeHead(asset === undefined && method === "POST" ? 204 : 200, {
      "content-type": asset?.type ?? "text/html",
      "set-cookie": "mine=1",
    })
    response.end(asset?.body ?? (method === "POST" ? undefined : "<!doctype html><title>A page</title>"))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  stack.defer(() => void server.close())
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
})
after(() => stack.disposeAsync())

/** What the worker did with the browser, which in this one may show no notification: the calls are written down in its place. */
type Seen = { shown: [title: string, options: Record<string, unknown>][]; opened: string[] }

async function installed(window: Window) {
  const { page } = window
  await page.goto(`${origin}/page`)
  const working = page.context().waitForEvent("serviceworker")
  await page.evaluate(
    `navigator.serviceWorker.register(${JSON.stringify(workerPath)}).then(() => navigator.serviceWorker.ready)`,
  )
  const worker = await working
  await worker.evaluate(`
    self.seen = { shown: [], opened: [] }
    self.registration.showNotification = async (title, options) => { self.seen.shown.push([title, options]) }
    self.clients.openWindow = async (url) => { self.seen.opened.push(url) }
  `)
  const tools = await page.context().newCDPSession(page)
  const registered = new Promise<string>((resolve) => {
    tools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => {
      if (first !== undefined) resolve(first.registrationId)
    })
  })
  await tools.send("ServiceWorker.enable")
  const registrationId = await registered
  return {
    seen: () => worker.evaluate<Seen>("self.seen"),
    push: (data: string) => tools.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data }),
    tap: (data: object) => tapOn(worker, data),
  }
}

/** As the browser does when a notification is tapped; resolves when the worker has done what it does then. */
async function tapOn(worker: Worker, data: object): Promise<void> {
  await worker.evaluate(`new Promise((resolve) => {
    const event = new ExtendableEvent("notificationclick")
    Object.defineProperty(event, "notification", { value: { close() {}, data: ${JSON.stringify(data)} } })
    Object.defineProperty(event, "waitUntil", { value: (work) => work.then(resolve, resolve) })
    self.dispatchEvent(event)
  })`)
}

// Without a badge: this browser, which has no icons to put one on, crashes when it is asked to.
const message = (notification: object) => {
  const shown = { title: "Safeconduct", body: "Something waits.", tag: "t1", silent: false, ...notification }
  return JSON.stringify({ web_push: 8030, notification: shown })
}

test("a push is shown as it says, leads to its card, and is acknowledged without a name", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { push, seen } = await installed(window)
  const navigate = `${origin}/approvals/approval_1`
  await push(message({ navigate, data: { receipt: `${origin}/v1/receipt/abc` } }))
  await until("acknowledged", () => asked.includes("POST /v1/receipt/abc"))
  const { shown } = await seen()
  assert.deepEqual(shown, [["Safeconduct", { body: "Something waits.", tag: "t1", silent: false, data: { navigate } }]])
  assert.ok(!asked.some((each) => each.startsWith("POST") && each.includes("mine=1")), "no cookie goes along")
})

test("whatever is pushed, something is shown, and it leads nowhere but to us", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { push, seen } = await installed(window)
  const before = asked.length
  const pushed = [
    "",
    "no JSON",
    JSON.stringify({ title: "Your bank" }),
    message({ navigate: "https://evil.example/approvals/x" }),
    message({ navigate: `${origin}/oauth2/authorize?x` }),
    message({ navigate: "javascript:alert(1)", data: { receipt: "https://evil.example/receipt" } }),
  ]
  for (const each of pushed) await push(each)
  await until("shown", async () => (await seen()).shown.length === pushed.length)
  for (const [title, { data }] of (await seen()).shown) {
    assert.equal(title, "Safeconduct")
    assert.deepEqual(data, { navigate: `${origin}/approvals` })
  }
  assert.deepEqual(asked.slice(before), [], "and nobody is told")
})

test("a tap on a notification opens its card, and does nothing else", { skip }, async () => {
  await using window = await browser.window({ size: "phone" })
  const { tap, seen } = await installed(window)
  const before = asked.length
  await tap({ navigate: `${origin}/approvals/approval_1` })
  await tap({ navigate: "https://evil.example/" })
  await tap({})
  const inbox = `${origin}/approvals`
  assert.deepEqual((await seen()).opened, [`${origin}/approvals/approval_1`, inbox, inbox])
  assert.deepEqual(asked.slice(before), [])
})
