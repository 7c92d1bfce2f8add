import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { refusalCode } from "#kernel"
import { fieldsOf, issuer, openTestConsent, type TestBrowser, type TestConsent } from "./fixture.ts"
import { providerLogout } from "./logout.ts"
import { redeemCode } from "./redeem.ts"

let at: TestConsent
before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const somebody = () => {
  const sub = `user-${crypto.randomUUID()}`
  at.next.person = { sub, sid: `sid-${sub}` }
  return sub
}
const redeem = (code: string) => redeemCode(at.rooms, at.bot, { code, code_verifier: at.verifier })
/** A session of whoever signs in with the browser. */
const opened = async (browser: TestBrowser, more = {}) => (await redeem(await at.code(more, browser))).session
const stateOf = async (id: string) => {
  const { state, endReason } = await at.rooms.sessions.find(id, at.gate.operator)
  return { state, endReason }
}
const withdrawn = { state: "ended", endReason: "withdrawn" }
/** A logout token as the fake provider takes it. */
const logoutToken = (more: object) =>
  JSON.stringify({
    iss: "https://id.shop.example",
    sub: null,
    sid: null,
    jti: crypto.randomUUID(),
    expiresAtMs: Date.now() + 600_000,
    ...more,
  })
const tap = async (browser: TestBrowser, action: string) => {
  const { text } = await browser.get("/me")
  return await browser.post(action, fieldsOf(text, action))
}

test("a stranger to the page is sent to sign in, and comes back to it", async () => {
  const sub = somebody()
  const browser = at.browser()
  const sent = await browser.get("/me")
  const state = new URL(sent.location!).searchParams.get("state")!
  const back = await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
  assert.equal(back.location, `${issuer}/me`)
  const { text } = await browser.get("/me")
  assert.ok(text.includes("Nothing is remembered") && !text.includes(sub), "a long subject is a name for machines")
})

test("one tap ends a session with its leases, and no other of the user's", async () => {
  somebody()
  const browser = at.browser()
  const [first, second] = [await opened(browser), await opened(browser, { safeconduct_request: "Refund it" })]
  const { lease } = await at.gate.lease(first.id).then(({ handed }) => handed!)
  const { text } = await browser.get("/me")
  assert.match(text, /2 agents act for you now/)
  assert.match(text, /Allowed to read in kb/)
  assert.equal((await tap(browser, `/me/sessions/${first.id}/end`)).location, `${issuer}/me`)
  assert.deepEqual(await stateOf(first.id), withdrawn)
  assert.equal((await stateOf(second.id)).state, "open")
  assert.equal((await at.rooms.credentials.settled(lease.id)).state, "revoked")
  const entry = (await at.gate.entries("sessions.ended")).at(-1)!
  assert.deepEqual([entry.by, entry.session], [first.user!.id, first.id])
})

test("nobody ends what is another's", async () => {
  somebody()
  const alices = at.browser()
  const session = await opened(alices)
  somebody()
  const bobs = at.browser()
  await opened(bobs)
  const { text } = await bobs.get("/me")
  const [ending] = /\/me\/sessions\/[^"]+/.exec(text)!
  const path = `/me/sessions/${session.id}/end`
  await assert.rejects(
    bobs.post(path, fieldsOf(text, ending)),
    refusedWith("invalid-request"),
    "a form is for one path",
  )
  assert.equal((await stateOf(session.id)).state, "open")
})

test("a form of another site, or a browser that nobody is signed in with, ends nothing (pitfall 29)", async () => {
  somebody()
  const browser = at.browser()
  const session = await opened(browser)
  const { text } = await browser.get("/me")
  const path = `/me/sessions/${session.id}/end`
  const form = fieldsOf(text, path)
  for (const headers of [{}, { origin: "https://evil.example" }, { origin: issuer, "sec-fetch-site": "cross-site" }]) {
    await assert.rejects(browser.post(path, form, headers as never), refusedWith("invalid-request"))
  }
  await assert.rejects(at.browser().post(path, form), refusedWith("invalid-request"))
  await at.gate.store.owner.query("update sessions.browsers set last_seen_at = last_seen_at - interval '31 minutes'")
  await assert.rejects(browser.post(path, form), refusedWith("login-required"))
  assert.equal((await stateOf(session.id)).state, "open")
})

test("a consent that is taken back ends what was opened by it and by older ones, and asks again", async () => {
  somebody()
  const browser = at.browser()
  const old = await opened(browser, { safeconduct_request: "The first thing" })
  const young = await opened(browser, { safeconduct_request: "The second thing" })
  const waiting = new URL((await browser.get(await at.push())).location!).searchParams.get("code")!
  const { text } = await browser.get("/me")
  const [path] = /\/me\/consents\/[^"]+/.exec(text)!
  await tap(browser, path)
  assert.deepEqual(await stateOf(old.id), withdrawn)
  assert.deepEqual(await stateOf(young.id), withdrawn)
  await assert.rejects(
    redeem(waiting),
    refusedWith("grant-invalid"),
    "a code that is on its way is worth nothing any more",
  )
  assert.match((await browser.get(await at.push())).location!, /\/consent\//)
  const revoked = (await at.gate.entries("sessions.consent-revoked")).slice(-2)
  assert.deepEqual(new Set(revoked.map(({ user }) => user)), new Set([old.user!.id]))
})

test("a consent that is taken back while a code is redeemed leaves no session open", async () => {
  somebody()
  const browser = at.browser()
  const code = await at.code({}, browser)
  const { text } = await browser.get("/me")
  const [path] = /\/me\/consents\/[^"]+/.exec(text)!
  const [redeemed] = await Promise.allSettled([redeem(code), tap(browser, path)])
  if (redeemed.status === "fulfilled") assert.deepEqual(await stateOf(redeemed.value.session.id), withdrawn)
  else assert.equal(refusalCode(redeemed.reason), "grant-invalid")
})

test("everything ends at once, and nothing is remembered", async () => {
  somebody()
  const browser = at.browser()
  const sessions = [await opened(browser), await opened(browser, { safeconduct_request: "Refund it" })]
  await tap(browser, "/me/everything")
  for (const { id } of sessions) assert.deepEqual(await stateOf(id), withdrawn)
  assert.match((await browser.get("/me")).text, /Nothing is remembered/)
})

test("whoever signs out is signed out here, sent to their provider, and decides nothing more", async () => {
  somebody()
  const browser = at.browser()
  await opened(browser)
  const page = await at.toConsent(browser, await at.push({ safeconduct_request: "Refund it" }))
  const jar = new Map(browser.cookies)
  assert.equal((await tap(browser, "/me/sign-out")).location, "https://id.shop.example/logout")
  assert.equal(browser.cookies.size, 0)
  browser.cookies = jar
  await assert.rejects(browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" }), refusedWith("not-found"))
  assert.match((await browser.get("/me")).location!, /^https:\/\/id\.shop\.example\/authorize/)
})

test("a logout at the provider ends that session's browsers, requests and agents, and no other's (pitfall 23)", async () => {
  const sub = somebody()
  const browser = at.browser()
  const session = await opened(browser)
  const code = await at.code({ safeconduct_request: "On its way" }, browser)
  at.next.person = { sub, sid: "another-sid" }
  const elsewhere = at.browser()
  const another = await opened(elsewhere, { safeconduct_request: "Elsewhere" })
  const token = logoutToken({ sid: `sid-${sub}` })
  await providerLogout(at.rooms, "shop", token)
  assert.deepEqual(await stateOf(session.id), { state: "ended", endReason: "logged-out" })
  assert.equal((await stateOf(another.id)).state, "open")
  await assert.rejects(redeem(code), refusedWith("grant-invalid"))
  assert.match((await browser.get("/me")).location!, /id\.shop\.example/)
  assert.equal((await elsewhere.get("/me")).status, 200)
  await assert.rejects(providerLogout(at.rooms, "shop", token), refusedWith("logout-token-invalid"))

  await providerLogout(at.rooms, "shop", logoutToken({ sub }))
  assert.deepEqual(await stateOf(another.id), { state: "ended", endReason: "logged-out" })
  await providerLogout(at.rooms, "shop", logoutToken({ sub: "nobody-known" }))
})
