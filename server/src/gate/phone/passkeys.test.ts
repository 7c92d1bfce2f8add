import assert from "node:assert/strict"
import { createECDH } from "node:crypto"
import { after, before, test } from "node:test"
import { vouchingChallenge } from "#approvals"
import { base64url, newId, type RefusalCode, random, refusalCode } from "#kernel"
import { softwarePasskey } from "#testing"
import { document, fieldsOf, issuer, openTestConsent, type TestBrowser, type TestConsent } from "../consent/fixture.ts"
import { formToken } from "../consent/form.ts"

let at: TestConsent
before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

function refusedWith(code: RefusalCode) {
  return (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
}

let count = 0
/** A browser that somebody with a name of their own is signed in with, since so many seconds; null where the provider does not say. */
async function signedIn(
  ageSeconds: number | null = 5,
  sub = `person-${++count}`,
): Promise<{ browser: TestBrowser; sub: string }> {
  const browser = at.browser()
  await signIn(browser, sub, ageSeconds)
  return { browser, sub }
}

async function signIn(browser: TestBrowser, sub: string, ageSeconds: number | null): Promise<string> {
  at.next.person = { sub, sid: `sid-${sub}`, authTimeMs: ageSeconds === null ? null : Date.now() - ageSeconds * 1000 }
  const { location } = await browser.get("/me/passkeys")
  return await comeBack(browser, location!)
}

async function comeBack(browser: TestBrowser, location: string): Promise<string> {
  const state = new URL(location).searchParams.get("state")
  return new URL((await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)).location!).pathname
}

/** Plays the page's script: what it asks for, and the form that it fills in. */
async function filled(browser: TestBrowser, passkey = softwarePasskey(), older?: ReturnType<typeof softwarePasskey>) {
  const { text } = await browser.get("/me/new-passkey")
  const data = (name: string) => new RegExp(`data-${name}="([^"]+)"`).exec(text)?.[1]
  const { options } = JSON.parse((await browser.post(data("options")!, { form: data("token")! })).text)
  const answer = passkey.create(options, issuer)
  const form = { ...fieldsOf(text, "/me/passkeys"), label: "My phone", answer: JSON.stringify(answer) }
  const path = data("vouching")
  if (path === undefined || older === undefined) return { form, answer, hasToVouch: path !== undefined }
  const sent = { form: data("vouching-token")!, answer: answer as never }
  const asked = JSON.parse((await browser.post(path, sent)).text)
  assert.equal(asked.options.challenge, base64url(vouchingChallenge(answer)))
  return { form: { ...form, vouching: JSON.stringify(older.get(asked.options, issuer)) }, answer, hasToVouch: true }
}

async function add(
  browser: TestBrowser,
  ...more: Parameters<typeof filled> extends [unknown, ...infer Rest] ? Rest : never
) {
  const { form } = await filled(browser, ...more)
  return await browser.post("/me/passkeys", form)
}

test("somebody without a passkey signs in, adds one, and sees it", async () => {
  const { browser } = await signedIn()
  assert.match((await browser.get("/me/passkeys")).text, /You have no passkey yet/)
  const { status, location } = await add(browser)
  assert.deepEqual([status, new URL(location!).pathname], [303, "/me/passkeys"])
  const { text, headers } = await browser.get("/me/passkeys")
  assert.match(text, /<h3>My phone<\/h3>/)
  assert.match(headers.get("content-security-policy")!, /default-src 'none'/)
  assert.match((await browser.get("/me")).text, /href="\/me\/passkeys"/)
})

test("a second one is vouched for by the first, and not let in without", async () => {
  const { browser } = await signedIn()
  const [first, second] = [softwarePasskey(), softwarePasskey({ isSynced: false })]
  await add(browser, first)
  await assert.rejects(add(browser, second), refusedWith("passkey-required"))
  assert.equal((await add(browser, second, first)).status, 303)
  const { text } = await browser.get("/me/passkeys")
  assert.match(text, /On one device only/)
  assert.equal(text.match(/<h3>/g)!.length, 2)
})

test("whoever signed in a while ago, or nobody knows when, proves anew who they are and comes back to the page", async () => {
  for (const age of [600, null]) {
    const { browser, sub } = await signedIn(age)
    for (const path of ["/me/new-passkey", "/me/lost-device"]) {
      const { location } = await browser.get(path)
      assert.match(location!, /^https:\/\/id\.shop\.example\/authorize/)
      assert.equal(at.next.asked!.maxAgeSeconds, 0)
      at.next.person = { sub, authTimeMs: Date.now() }
      assert.equal(await comeBack(browser, location!), path)
      assert.equal((await browser.get(path)).status, 200)
      await at.gate.store.owner.query("update sessions.browsers set signed_in_at = now() - interval '6 minutes'")
    }
  }
})

test("a page that was left open makes no passkey, and loses no device", async () => {
  const { browser } = await signedIn()
  const { form } = await filled(browser)
  const { text } = await browser.get("/me/lost-device")
  await at.gate.store.owner.query("update sessions.browsers set signed_in_at = now() - interval '6 minutes'")
  await assert.rejects(browser.post("/me/passkeys", form), refusedWith("login-required"))
  await assert.rejects(browser.post("/me/lost-device", fieldsOf(text)), refusedWith("login-required"))
})

test("a form of another page, of another site, of another browser or of nobody's does nothing", async () => {
  const { browser } = await signedIn()
  await add(browser)
  const { text } = await browser.get("/me/passkeys")
  const [, revocation] = /action="(\/me\/passkeys\/[^"]+\/revocation)"/.exec(text)!
  const [name, form] = [revocation!.replace("revocation", "name"), fieldsOf(text, revocation!)]
  const { text: lost } = await browser.get("/me/lost-device")
  const paths: [string, { [field: string]: string }][] = [
    [revocation!, form],
    [name, { ...fieldsOf(text, name), label: "x" }],
    ["/me/lost-device", fieldsOf(lost)],
    ["/me/passkeys/options", {}],
    ["/me/passkeys", { label: "x", answer: "{}" }],
  ]
  for (const [path, fields] of paths) {
    const { form: token = "x" } = fields
    for (const headers of [
      {},
      { origin: "https://evil.example" },
      { origin: issuer, "sec-fetch-site": "cross-site" },
    ]) {
      await assert.rejects(
        browser.post(path, { ...fields, form: token }, headers as never),
        refusedWith("invalid-request"),
      )
    }
    await assert.rejects(browser.post(path, { ...fields, form: "x" }), refusedWith("invalid-request"))
    await assert.rejects(at.browser().post(path, { ...fields, form: token }), refusedWith("invalid-request"))
  }
  const { browser: other } = await signedIn()
  await assert.rejects(other.post(revocation!, form), refusedWith("invalid-request"))
  assert.match((await browser.get("/me/passkeys")).text, /<h3>My phone<\/h3>/)
})

test("nobody revokes or renames another's passkey", async () => {
  const [{ browser: alice }, { browser: mallory }] = [await signedIn(), await signedIn()]
  await add(alice)
  await add(mallory)
  const pathIn = async (browser: TestBrowser) => {
    const { text } = await browser.get("/me/passkeys")
    return { path: /action="(\/me\/passkeys\/[^"]+\/revocation)"/.exec(text)![1]!, text }
  }
  const { path: hers } = await pathIn(alice)
  // Even with a token for that very path, which only this browser could have.
  const cookie = mallory.cookies.get("__Host-safeconduct-signed-in")!
  await assert.rejects(mallory.post(hers, { form: formToken(cookie, hers) }), refusedWith("passkey-unknown"))
  assert.match((await alice.get("/me/passkeys")).text, /<h3>My phone<\/h3>/)
})

test("a passkey is renamed and revoked by its owner", async () => {
  const { browser } = await signedIn()
  await add(browser)
  const { text } = await browser.get("/me/passkeys")
  const [, naming] = /action="(\/me\/passkeys\/[^"]+\/name)"/.exec(text)!
  await browser.post(naming!, { ...fieldsOf(text, naming!), label: "<b>Tablet</b>" })
  const { text: renamed } = await browser.get("/me/passkeys")
  assert.match(renamed, /<h3>&lt;b&gt;Tablet&lt;\/b&gt;<\/h3>/)
  const revocation = naming!.replace("/name", "/revocation")
  await browser.post(revocation, fieldsOf(renamed, revocation))
  assert.match((await browser.get("/me/passkeys")).text, /You have no passkey yet/)
})

test("a lost device: every key is revoked, every browser signed out, and the next key waits", async () => {
  const { browser, sub } = await signedIn()
  const { browser: phone } = await signedIn(5, sub)
  await add(browser)
  const user = await at.rooms.sessions.findUser({ iss: "https://id.shop.example", sub })
  const leave = await givenLeave(user!.id)
  const { people } = at.rooms.approvals
  const seconds = 86_400
  const standing = { user: user!.id, standIn: newId("user"), groups: ["leads"], startsInSeconds: 0, seconds }
  await at.rooms.audit.commit(people.standIns.appoint(standing, ["leads"]))
  await at.gate.apply({ ...document, approvals: { channels: { push: { contact: "mailto:operator@example.org" } } } })
  const { endpoint, keys } = newSubscription()
  const pushed = { kind: "push", endpoint, ...keys } as const
  await at.rooms.audit.commit(people.subscribe(user!.id, pushed))
  await at.rooms.audit.commit(people.adopt(user!.id, { kind: "email", address: "person@example.org" }))
  const { text } = await browser.get("/me/lost-device")
  assert.match(text, /I lost a device/)
  assert.equal((await at.rooms.approvals.grants.find(leave))!.isStanding, true)
  assert.match((await browser.get("/me/passkeys")).text, /<h3>My phone<\/h3>/, "opening the page does nothing")
  const done = await browser.post("/me/lost-device", fieldsOf(text))
  assert.match(done.text, /Everything is revoked/)
  assert.match((await phone.get("/me/passkeys")).location!, /authorize/, "signed out elsewhere")
  const kinds = (await people.reach(user!.id)).contacts.map(({ contact }) => contact.kind)
  assert.deepEqual(kinds, ["email"], "the device is told of nothing any more")
  assert.deepEqual(await people.standIns.list(user!.id), [])
  const { isStanding, endedBy } = (await at.rooms.approvals.grants.find(leave))!
  assert.deepEqual([isStanding, endedBy], [false, user!.id])
  await signIn(browser, sub, 1)
  assert.match((await browser.get("/me/new-passkey")).text, /counts in 24 hours/)
  assert.equal((await add(browser)).status, 303)
  assert.match((await browser.get("/me/passkeys")).text, /counts from .* on/)
  const events = (await at.gate.entries()).map(({ event }) => event)
  assert.ok(events.includes("approvals.device-lost") && events.includes("approvals.passkey-revoked"))
})

test("the pages speak German to who reads it", async () => {
  const { browser } = await signedIn()
  const { text } = await browser.get("/me/passkeys", { "accept-language": "de-AT,de;q=0.9,en;q=0.5" })
  assert.match(text, /lang="de"/)
  assert.match(text, /Ihre Passkeys/)
})

test("nothing is drawn into another page, and scripts of other sites get nothing", async () => {
  const { browser } = await signedIn()
  for (const headers of [{ "sec-fetch-dest": "iframe" }, { "sec-purpose": "prefetch" }]) {
    await assert.rejects(browser.get("/me/new-passkey", headers as never), refusedWith("invalid-request"))
  }
  const headers = { origin: issuer, "sec-fetch-site": "same-site" }
  await assert.rejects(browser.post("/me/passkeys/options", { form: "x" }, headers), refusedWith("invalid-request"))
})

/** What a browser subscribes with. */
function newSubscription() {
  const point = createECDH("prime256v1").generateKeys("base64url")
  return { endpoint: "https://push.example/1", keys: { p256dh: point, auth: base64url(random(16)) } }
}

/** Leave that the user gave for more of something, in a session that does not matter here. */
async function givenLeave(user: string): Promise<string> {
  const [request, grant] = [newId("approval"), newId("grant")]
  await at.gate.store.owner.query(
    `insert into approvals.requests (id, nonce, session, root, agent, spiffe_id, instance, confirmation, purpose, user_id, chain,
       action_id, action_digest, action_salt, policies, requirements, bundle, entry, state, expires_at)
     values ($1, '', 's', 's', 'bot', 'x', 'i', '{}', 'answer', $2, '[]', 'a', 'd', 's', '[]', '[]', 'b', 'e', 'approved', now())`,
    [request, user],
  )
  await at.gate.store.owner.query(
    `insert into approvals.grants (id, request, user_id, agent, instance, session, type, resource, operation, rung, uses, until)
     values ($1, $2, $3, 'bot', 'i', 's', 'tool', 'hr', 'raise', 'sign', 5, now() + interval '1 hour')`,
    [grant, request, user],
  )
  return grant
}
