import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { noticing } from "#approvals"
import { type Id, newId, type RefusalCode, refusalCode, Secret } from "#kernel"
import { openPushService, openSmsGateway, type PushService, type SmsGateway } from "#testing"
import { document, fieldsOf, openTestConsent, type TestBrowser, type TestConsent } from "../consent/fixture.ts"
import { formToken } from "../consent/form.ts"
import { dataOf } from "./phone.fixture.ts"

const page = "/me/notifications"
let at: TestConsent
let far: { push: PushService; sms: SmsGateway }
const stack = new AsyncDisposableStack()
before(async () => {
  at = stack.use(await openTestConsent())
  far = { push: stack.use(await openPushService()), sms: stack.use(await openSmsGateway()) }
  const channels = {
    push: { contact: "mailto:operator@example.org", network: "loopback" },
    // Nobody listens there: what is sent is tested where a mail server is.
    email: { smtp: "127.0.0.1", port: 1, tls: "none", from: "safeconduct@example.org" },
    sms: { from: "+15005550006", accountSid: far.sms.accountSid, baseUrl: far.sms.url, network: "loopback" },
    fallbackSeconds: 3_600,
  }
  const groups = { leads: { members: [{ provider: "shop", subject: "olga" }] } }
  const providers = { shop: { issuer: "https://id.shop.example", clientId: "safeconduct" } }
  await at.gate.apply({ ...document, providers, approvals: { channels, groups } } as never)
  await at.rooms.approvals.channels.setSecret("sms", new Secret(far.sms.token), at.gate.operator.spiffeId)
})
after(() => stack.disposeAsync())

function refusedWith(code: RefusalCode) {
  return (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
}

let count = 0
async function signedIn(
  sub = `person-${++count}`,
  claims: { [name: string]: string[] } = {},
  ageSeconds = 5,
): Promise<{ browser: TestBrowser; user: Id<"user"> }> {
  const browser = at.browser()
  const iss = "https://id.shop.example"
  at.next.person = {
    provider: "shop",
    iss,
    sub,
    sid: `sid-${sub}`,
    authTimeMs: Date.now() - ageSeconds * 1_000,
    claims,
  }
  const { location } = await browser.get(page)
  const state = new URL(location!).searchParams.get("state")
  const back = await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
  assert.equal(new URL(back.location!).pathname, page)
  return { browser, user: (await at.rooms.sessions.findUser({ iss, sub }))!.id }
}
const reach = (user: Id<"user">) => at.rooms.approvals.people.reach(user)
/** Fills in a form of the page, and sends it. */
async function send(browser: TestBrowser, action: string, fields: { [name: string]: string } = {}) {
  const { text } = await browser.get(page)
  return await browser.post(action, { ...fieldsOf(text, action), ...fields })
}
const reachable = async (user: Id<"user">) => (await at.rooms.approvals.notices.whenReachable(user)).state
/** Names a number; the contact, and the code that came there. */
async function offer(browser: TestBrowser, user: Id<"user">, value: string) {
  const before = far.sms.caught.all.length
  await send(browser, `${page}/contacts`, { kind: "sms", value })
  const text = (await far.sms.caught.until(before + 1)).at(-1)!
  const [contact] = (await reach(user)).contacts
  return [contact!, /\b\d{6}\b/.exec(text.body)![0]] as const
}
const subscriptionOf = ({ endpoint, p256dh, auth }: { endpoint: string; p256dh: string; auth: string }) =>
  JSON.stringify({ endpoint, expirationTime: null, keys: { p256dh, auth } })

test("a browser that subscribes is kept once, and where it is reached stands on no page", async () => {
  const { browser, user } = await signedIn()
  const { text } = await browser.get(page)
  assert.equal(dataOf(text, "key"), await at.rooms.approvals.channels.pushKey())
  const subscription = far.push.subscribe()
  const { status } = await send(browser, `${page}/push`, { subscription: subscriptionOf(subscription) })
  assert.equal(status, 303)
  assert.deepEqual(
    (await reach(user)).contacts.map(({ contact }) => contact),
    [subscription],
  )
  // Another visit of the same browser changes nothing.
  await send(browser, `${page}/push`, { subscription: subscriptionOf(subscription) })
  assert.equal((await reach(user)).contacts.length, 1)
  assert.match((await browser.get(page)).text, /Browser 1/)
  assert.ok(!(await browser.get(page)).text.includes(subscription.endpoint))
})

test("a device that has the message says so without a cookie, and whoever guesses learns nothing", async () => {
  const { browser, user } = await signedIn()
  await send(browser, `${page}/push`, { subscription: subscriptionOf(far.push.subscribe()) })
  const before = far.push.caught.all.length
  await at.rooms.audit.commit(noticing({ user, kind: "asked" }))
  const { notification } = (await far.push.caught.until(before + 1)).at(-1)!
  const receipt = new URL(notification.data!.receipt).pathname
  const device = at.browser()
  for (const path of [receipt, `/approvals/notices/${newId("notice")}/receipt`, "/approvals/notices/x/receipt"]) {
    const { status, text } = await device.post(path, {}, { origin: "null" })
    assert.deepEqual([status, text], [204, ""])
  }
  const rows = await at.gate.store.owner.query(
    "select received_at is not null as received, state from approvals.notices where user_id = $1",
    [user],
  )
  assert.deepEqual(rows, [{ received: true, state: "waiting" }])
})

test("a number counts once the code that was sent there is entered, and not by guessing", async () => {
  const { browser, user } = await signedIn()
  const number = "+4930123456789"
  const [offered, code] = await offer(browser, user, number)
  assert.deepEqual([offered.isVerified, await reachable(user)], [false, "unannounced"])
  const action = `${page}/contacts/${offered.id}/code`
  const refused = await send(browser, action, { code: code === "000000" ? "111111" : "000000" })
  assert.deepEqual([refused.status, /not the code/.test(refused.text)], [422, true])
  assert.equal((await send(browser, action, { code })).status, 303)
  assert.equal((await reach(user)).contacts[0]!.isVerified, true)
  assert.equal(await reachable(user), "now")
  const { text } = await browser.get(page)
  assert.match(text, /\+49…89/)
  assert.ok(!text.includes(number))

  const { browser: other, user: mallory } = await signedIn()
  const [theirs, right] = await offer(other, mallory, "+4930999999999")
  const own = `${page}/contacts/${theirs.id}/code`
  for (let nth = 0; nth < 5; nth++) {
    const guess = String((Number(right) + nth + 1) % 1_000_000).padStart(6, "0")
    assert.equal((await send(other, own, { code: guess })).status, 422)
  }
  assert.equal((await send(other, own, { code: right })).status, 422)
  assert.equal((await reach(mallory)).contacts[0]!.isVerified, false)
})

test("a code is good for who asked for it, and for that contact alone", async () => {
  const { browser, user } = await signedIn()
  const [offered, code] = await offer(browser, user, "+4930111111111")
  const { browser: other } = await signedIn()
  const path = `${page}/contacts/${offered.id}/code`
  const cookie = other.cookies.get("__Host-safeconduct-signed-in")!
  assert.equal((await other.post(path, { form: formToken(cookie, path), code })).status, 422)
  assert.equal((await reach(user)).contacts[0]!.isVerified, false)
})

test("a code that cannot be sent leaves a contact that counts for nothing", async () => {
  const { browser, user } = await signedIn()
  const sent = send(browser, `${page}/contacts`, { kind: "email", value: "alice@example.org" })
  await assert.rejects(sent, refusedWith("not-ready"))
  assert.deepEqual(
    (await reach(user)).contacts.map(({ isVerified }) => isVerified),
    [false],
  )
})

test("a number is one in the form of E.164", async () => {
  const { browser, user } = await signedIn()
  await offer(browser, user, "+49 (30) 123-456 78")
  assert.equal(far.sms.caught.all.at(-1)!.to, "+493012345678")
  for (const value of ["030 123456", "", "+0", "a@b.example"]) {
    await assert.rejects(send(browser, `${page}/contacts`, { kind: "sms", value }), refusedWith("invalid-request"))
  }
})

test("strangers are not flooded with codes", async () => {
  const { browser } = await signedIn()
  for (let nth = 0; nth < 2; nth++) {
    for (let each = 0; each < 5; each++) {
      await send(browser, `${page}/contacts`, { kind: "sms", value: `+493000000000${each}` })
    }
  }
  const again = send(browser, `${page}/contacts`, { kind: "sms", value: "+4930000000000" })
  await assert.rejects(again, refusedWith("rate-limited"))
})

test("an address of the provider's is taken without a code where the provider says that it is verified", async () => {
  const claims = { email: ["bo@shop.example"], emailVerified: ["true"] }
  const { browser, user } = await signedIn(undefined, claims)
  assert.match((await browser.get(page)).text, /Use bo@shop\.example/)
  await send(browser, `${page}/provider-address`)
  assert.deepEqual(
    (await reach(user)).contacts.map(({ contact, isVerified }) => [contact, isVerified]),
    [[{ kind: "email", address: "bo@shop.example" }, true]],
  )
  const unsure = [{}, { email: ["c@shop.example"] }, { email: ["c@shop.example"], emailVerified: ["false"] }]
  const two = { email: ["c@shop.example", "d@shop.example"], emailVerified: ["true"] }
  // Nothing could be sent there, and they would think that they are reached.
  const odd = { email: ["c@shop.example\r\nBcc: d@shop.example"], emailVerified: ["true"] }
  for (const said of [...unsure, two, odd]) {
    const { browser: other } = await signedIn(undefined, said as { [name: string]: string[] })
    const path = `${page}/provider-address`
    assert.doesNotMatch((await other.get(page)).text, /your provider knows/)
    const cookie = other.cookies.get("__Host-safeconduct-signed-in")!
    await assert.rejects(other.post(path, { form: formToken(cookie, path) }), refusedWith("invalid-request"))
  }
})

test("quiet hours and language are kept, and what is no time or no place is refused", async () => {
  const { browser, user } = await signedIn()
  const wishes = { language: "de", from: "22:00", to: "07:30", timeZone: "Europe/Berlin" }
  await send(browser, page, wishes)
  const { locale, quietHours } = await reach(user)
  assert.deepEqual([locale, quietHours], ["de", { from: "22:00", to: "07:30", timeZone: "Europe/Berlin" }])
  for (const wrong of [
    { from: "25:00" },
    { from: "" },
    { timeZone: "Berlin" },
    { timeZone: "+01:00" },
    { to: "22:00" },
  ]) {
    await assert.rejects(send(browser, page, { ...wishes, ...wrong }), refusedWith("invalid-request"))
  }
  await send(browser, page, { ...wishes, from: "", to: "", timeZone: "" })
  assert.equal((await reach(user)).quietHours, null)
})

test("a member of a group lets somebody stand in, both see it, and either ends it", async () => {
  const olga = await signedIn("olga")
  const otto = await signedIn("otto")
  const path = `${page}/stand-ins`
  for (const subject of ["nobody", "no\u0000body"]) {
    const unknown = await send(olga.browser, path, { subject, days: "7", "group-leads": "yes" })
    assert.deepEqual([unknown.status, /Nobody of that name/.test(unknown.text)], [422, true])
  }
  assert.equal((await send(olga.browser, path, { subject: "otto", days: "7", "group-leads": "yes" })).status, 303)
  assert.match((await olga.browser.get(page)).text, /otto stands in for you in leads/)
  const { text } = await otto.browser.get(page)
  assert.match(text, /You stand in for olga in leads/)
  assert.doesNotMatch(text, /name="subject"/)
  const places = (doneFor: Id<"user"> | null) =>
    at.rooms.approvals.people.standIns.placesOf(otto.user, "leads", doneFor)
  assert.deepEqual(await places(null), [olga.user])
  assert.deepEqual([await places(otto.user), await places(olga.user)], [[], []])
  const ending = /action="([^"]*\/revocation)"/.exec(text)![1]!
  assert.equal((await send(otto.browser, ending)).status, 303)
  assert.deepEqual(await places(null), [])
})

test("nobody passes on what is not theirs to pass on, and not to themselves", async () => {
  const olga = await signedIn("olga")
  const path = `${page}/stand-ins`
  const appoint = (fields: { [name: string]: string }) =>
    send(olga.browser, path, { subject: "otto", days: "7", ...fields })
  await assert.rejects(appoint({ "group-leads": "yes", "group-others": "yes" }), refusedWith("invalid-request"))
  await assert.rejects(appoint({ subject: "olga", "group-leads": "yes" }), refusedWith("invalid-request"))
  await assert.rejects(appoint({ days: "91", "group-leads": "yes" }), refusedWith("invalid-request"))
  const { browser } = await signedIn()
  const cookie = browser.cookies.get("__Host-safeconduct-signed-in")!
  const form = { form: formToken(cookie, path), subject: "otto", days: "7", "group-leads": "yes" }
  await assert.rejects(browser.post(path, form), refusedWith("invalid-request"))
})

test("a cookie alone lets nobody stand in: whoever does that signed in just now", async () => {
  await signedIn("otto")
  const path = `${page}/stand-ins`
  const { browser, user } = await signedIn("olga", {}, 600)
  const { text } = await browser.get(page)
  assert.doesNotMatch(text, /name="subject"/)
  const cookie = browser.cookies.get("__Host-safeconduct-signed-in")!
  const form = { form: formToken(cookie, path), subject: "otto", days: "7", "group-leads": "yes" }
  await assert.rejects(browser.post(path, form), refusedWith("login-required"))
  assert.deepEqual(await at.rooms.approvals.people.standIns.list(user), [])
  // The page leads to the provider, and back to itself.
  const { location } = await browser.get(/href="([^"]*anew=yes)"/.exec(text)![1]!)
  at.next.person = { ...at.next.person, authTimeMs: Date.now() } as typeof at.next.person
  const state = new URL(location!).searchParams.get("state")
  const back = await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
  assert.equal(new URL(back.location!).pathname, page)
  assert.match((await browser.get(page)).text, /name="subject"/)
})

test("what is another's is not there, and a form of another page or site changes nothing", async () => {
  const { browser, user } = await signedIn()
  await send(browser, `${page}/push`, { subscription: subscriptionOf(far.push.subscribe()) })
  const { id } = (await reach(user)).contacts[0]!
  const { browser: other } = await signedIn()
  const path = `${page}/contacts/${id}/removal`
  const cookie = other.cookies.get("__Host-safeconduct-signed-in")!
  await assert.rejects(other.post(path, { form: formToken(cookie, path) }), refusedWith("not-found"))
  const { text } = await browser.get(page)
  const own = fieldsOf(text, path)
  await assert.rejects(browser.post(path, { form: fieldsOf(text, page)["form"]! }), refusedWith("invalid-request"))
  await assert.rejects(browser.post(path, own, { origin: "https://evil.example" }), refusedWith("invalid-request"))
  await assert.rejects(browser.post(path, own, { "sec-fetch-site": "cross-site" }), refusedWith("invalid-request"))
  assert.equal((await reach(user)).contacts.length, 1)
  assert.equal((await browser.post(path, own)).status, 303)
  assert.equal((await reach(user)).contacts.length, 0)
})

test("what is no push subscription, or leads into our own network, is refused", async () => {
  const { browser, user } = await signedIn()
  const right = far.push.subscribe()
  const wrong = [
    "",
    "{",
    "[]",
    '"x"',
    "{}",
    subscriptionOf({ ...right, p256dh: "AAAA" }),
    subscriptionOf({ ...right, auth: "" }),
  ]
  const elsewhere = ["file:///etc/passwd", "https://user:secret@127.0.0.1/", "x"].map((endpoint) =>
    subscriptionOf({ ...right, endpoint }),
  )
  for (const subscription of [...wrong, ...elsewhere]) {
    await assert.rejects(send(browser, `${page}/push`, { subscription }), refusedWith("invalid-request"), subscription)
  }
  assert.deepEqual((await reach(user)).contacts, [])
})

test("the page is drawn for who is signed in, in their language, and names no channel's secret", async () => {
  const stranger = at.browser()
  const { status, location } = await stranger.get(page)
  assert.deepEqual([status, new URL(location!).origin], [303, "https://id.shop.example"])
  const { browser } = await signedIn()
  const { text, headers } = await browser.get(`${page}?language=de`)
  assert.match(text, /<html lang="de">/)
  assert.match(text, /Wie Sie benachrichtigt werden/)
  assert.match(headers.get("content-security-policy")!, /default-src 'none'/)
  assert.ok(!text.includes(far.sms.token))
})
