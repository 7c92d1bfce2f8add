import assert from "node:assert/strict"
import { randomBytes, X509Certificate } from "node:crypto"
import { after, before, beforeEach, test } from "node:test"
import { newSigningRequest } from "#agents"
import { base64url, generateKey, Refusal, refusalCode, sha256 } from "#kernel"
import { fieldsOf, issuer, openTestConsent, type TestBrowser, type TestConsent } from "../consent/fixture.ts"
import { providerLogout } from "../consent/logout.ts"
import { comparedText } from "./answer.ts"
import { redeemOperator } from "./redeem.ts"

let at: TestConsent

before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

const idp = "https://id.shop.example"
const roles = { claim: "groups", values: { "sec-admins": ["admin"], auditors: ["auditor"], none: [] } }
const withRoles = (more: object = { roles }) => ({
  ...at.document,
  providers: { shop: { issuer: idp, clientId: "safeconduct", ...more } },
})
const configure = async (more?: object) => {
  await at.gate.apply(withRoles(more) as never)
}

let people = 0
beforeEach(async () => {
  await configure()
  people += 1
  // Somebody new each time.
  at.next.person = { sub: `olga-${people}`, sid: `sid-${people}`, roleValues: ["sec-admins"] }
})

/** A command line: what it keeps, and what it opens. */
function commandLine(more: { [name: string]: string | undefined } = {}) {
  const verifier = base64url(randomBytes(32))
  const challenge = base64url(sha256(verifier))
  const state = base64url(randomBytes(16))
  const asked = { redirect_uri: "http://127.0.0.1:40123/signed-in", state, code_challenge: challenge, ...more }
  const there = Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const { privateKey } = generateKey()
  const csr = newSigningRequest(privateKey)
  return { verifier, challenge, state, csr, path: `/sign-in/shop/operator?${new URLSearchParams(there)}` }
}

/** Signs in, and is at the page that asks. */
async function toPage(browser: TestBrowser, path: string) {
  const begun = await browser.get(path)
  const state = new URL(begun.location!).searchParams.get("state")
  const back = await browser.get(`/sign-in/shop/callback?state=${state}&code=c`)
  if (back.location === null) return { path: "", text: back.text, status: back.status }
  const page = new URL(back.location)
  if (page.origin !== issuer) return { path: back.location, text: "", status: back.status }
  const { text, status } = await browser.get(page.pathname)
  return { path: page.pathname, text, status }
}

async function allow(browser: TestBrowser, page: { path: string; text: string }) {
  const { location } = await browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" })
  return new URL(location!)
}

/** From nothing to a code. */
async function coded(line = commandLine(), browser = at.browser()) {
  const back = await allow(browser, await toPage(browser, line.path))
  return { line, code: back.searchParams.get("code")!, back }
}

const redeem = ({ line, code }: Awaited<ReturnType<typeof coded>>, more: object = {}) =>
  redeemOperator(at.rooms, { code, codeVerifier: line.verifier, csr: line.csr, ...more })

/** Roles by a certificate, now. */
async function rolesBy(svid: string) {
  const blocks = svid.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)!
  const principal = await at.rooms.agents.identify(blocks.map((block) => new X509Certificate(block).raw))
  return principal.kind === "operator" ? principal.roles : null
}

const refused = (code: string) => (error: unknown) => refusalCode(error) === code

test("a command line is shown with its roles and what to compare; a yes leads back with a code, which is a certificate", async () => {
  const line = commandLine()
  const browser = at.browser()
  const page = await toPage(browser, line.path)
  assert.match(page.text, new RegExp(comparedText(line.challenge)))
  assert.match(page.text, /<dt>admin<\/dt>/)
  assert.match(page.text, /If you did not just type/)
  const back = await allow(browser, page)
  assert.equal(back.origin + back.pathname, "http://127.0.0.1:40123/signed-in")
  assert.deepEqual([back.searchParams.get("state"), back.searchParams.get("iss")], [line.state, issuer])
  const enrolment = await redeem({ line, code: back.searchParams.get("code")!, back })
  assert.match(enrolment.spiffeId, /^spiffe:\/\/example\.org\/operator\/shop\.[0-9a-z]{12}$/)
  assert.deepEqual(await rolesBy(enrolment.svid), ["admin"])
  const [allowed] = (await at.gate.entries("sessions.operator-allowed")).slice(-1)
  const [signedIn] = (await at.gate.entries("agents.operator-signed-in")).slice(-1)
  assert.equal(allowed!.user, signedIn!.user)
  assert.doesNotMatch(JSON.stringify([allowed, signedIn]), /olga|sec-admins/)
})

test("what is compared is eight plain letters, and another for another command line", () => {
  const texts = [commandLine(), commandLine()].map(({ challenge }) => comparedText(challenge))
  for (const text of texts) assert.match(text, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  assert.notEqual(texts[0], texts[1])
})

test("nobody is sent anywhere but to a command line on their own machine (pitfall 18)", async () => {
  const elsewhere = [
    undefined,
    "https://evil.example/signed-in",
    "http://127.0.0.1.evil.example/signed-in",
    "http://127.0.0.1:1/other",
    "http://127.0.0.1:1/signed-in/",
    "http://127.0.0.1:1/signed-in?x=y",
    "http://127.0.0.1:1/signed-in#x",
    "http://localhost:1/signed-in",
    "http://127.0.0.2:1/signed-in",
    "https://127.0.0.1:1/signed-in",
    "http://user@127.0.0.1:1/signed-in",
    "http://0x7f.1:1/signed-in",
  ]
  for (const redirect_uri of elsewhere) {
    await assert.rejects(at.browser().get(commandLine({ redirect_uri }).path), refused("invalid-request"), redirect_uri)
  }
  const begun = await at.browser().get(commandLine({ redirect_uri: "http://[::1]:9/signed-in" }).path)
  assert.equal(new URL(begun.location!).host, "id.shop.example")
})

test("a request without a state or a challenge begins nothing (pitfall 19)", async () => {
  for (const more of [
    { state: undefined },
    { state: "short" },
    { code_challenge: undefined },
    { code_challenge: "x" },
  ]) {
    await assert.rejects(at.browser().get(commandLine(more).path), refused("invalid-request"), JSON.stringify(more))
  }
})

test("where the configuration maps no roles, no operator signs in", async () => {
  await configure({})
  await assert.rejects(at.browser().get(commandLine().path), refused("sign-in-failed"))
})

test("operators prove as much as the configuration asks of operators", async () => {
  await configure({ roles: { ...roles, acrValues: ["mfa"], maxAgeSeconds: 0 } })
  await at.browser().get(commandLine().path)
  assert.deepEqual([at.next.asked!.acrValues, at.next.asked!.maxAgeSeconds], [["mfa"], 0])
})

test("who has no role is told so, and recorded, and gets no code", async () => {
  for (const roleValues of [[], ["none"], ["toString"]]) {
    at.next.person = { sub: `eve-${roleValues}`, roleValues }
    const before = (await at.gate.entries("sessions.operator-without-role")).length
    const line = commandLine()
    const page = await toPage(at.browser(), line.path)
    assert.equal(page.status, 403)
    assert.match(page.text, /You have no role here/)
    assert.equal((await at.gate.entries("sessions.operator-without-role")).length, before + 1)
  }
})

test("a sign-in that fails leads back to the command line without a code", async () => {
  at.next.person = new Refusal("sign-in-failed", "The sign-in did not succeed.")
  const line = commandLine()
  const { path } = await toPage(at.browser(), line.path)
  const { searchParams } = new URL(path)
  assert.deepEqual([searchParams.get("error"), searchParams.get("code")], ["access_denied", null])
})

test("a no leads back without a code, and is recorded", async () => {
  const browser = at.browser()
  const page = await toPage(browser, commandLine().path)
  const { location } = await browser.post(page.path, { ...fieldsOf(page.text), decision: "deny" })
  assert.equal(new URL(location!).searchParams.get("error"), "access_denied")
  assert.equal(new URL(location!).searchParams.get("code"), null)
  await assert.rejects(browser.get(page.path), refused("not-found"))
  assert.equal((await at.gate.entries("sessions.operator-denied")).length, 1)
})

test("another browser neither comes back, nor sees, nor answers (pitfall 3)", async () => {
  const browser = at.browser()
  const begun = await browser.get(commandLine().path)
  const state = new URL(begun.location!).searchParams.get("state")
  const callback = `/sign-in/shop/callback?state=${state}&code=c`
  await assert.rejects(at.browser().get(callback), refused("sign-in-failed"))
  const { pathname } = new URL((await browser.get(callback)).location!)
  const { text } = await browser.get(pathname)
  const stranger = at.browser()
  await assert.rejects(stranger.get(pathname), refused("not-found"))
  await assert.rejects(stranger.post(pathname, { ...fieldsOf(text), decision: "allow" }), refused("not-found"))
  await assert.rejects(browser.get(pathname.replace("/shop/", "/bank/")), refused("not-found"))
})

test("a page of another site, or with another browser's form, says yes to nothing (pitfall 29)", async () => {
  const browser = at.browser()
  const { path, text } = await toPage(browser, commandLine().path)
  const form: { [field: string]: string } = { ...fieldsOf(text), decision: "allow" }
  const forged: [object, object][] = [
    [{}, { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    [{}, {}],
    [{}, { origin: issuer, "sec-fetch-site": "same-site" }],
    [{ form: "x" }, { origin: issuer }],
  ]
  for (const [change, headers] of forged) {
    const sent = browser.post(path, { ...form, ...change }, headers as { [name: string]: string })
    await assert.rejects(sent, refused("invalid-request"))
  }
  await assert.rejects(browser.post(path, { form: form["form"]!, decision: "" }), refused("invalid-request"))
  assert.notEqual((await browser.post(path, form)).location, null)
  await assert.rejects(browser.post(path, form), refused("not-found"))
})

test("coming for a command line signs nobody in with the browser, and signs nobody out", async () => {
  const browser = at.browser()
  await toPage(browser, commandLine().path)
  assert.deepEqual([...browser.cookies.keys()], ["__Host-safeconduct-browser"])
})

test("a code is for who has the verifier (pitfall 12)", async () => {
  const held = await coded()
  for (const codeVerifier of [base64url(randomBytes(32)), commandLine().verifier]) {
    await assert.rejects(redeem(held, { codeVerifier }), refused("grant-invalid"))
  }
  const other = await coded()
  await assert.rejects(redeem(held, { code: other.code }), refused("grant-invalid"))
  for (const code of ["", "x", base64url(randomBytes(32))]) {
    await assert.rejects(redeem(held, { code }), refused("grant-invalid"))
  }
  assert.deepEqual(await rolesBy((await redeem(held)).svid), ["admin"])
})

test("a code with the same key again is the same instance; with another key, all that was made of it ends", async () => {
  const held = await coded()
  const [first, again] = [await redeem(held), await redeem(held)]
  assert.equal(again.instance, first.instance)
  const thief = newSigningRequest(generateKey().privateKey)
  await assert.rejects(redeem(held, { csr: thief }), refused("grant-invalid"))
  await assert.rejects(rolesBy(first.svid), refused("svid-expired"))
  const [entry] = (await at.gate.entries("agents.operator-signed-out")).slice(-1)
  assert.deepEqual([entry!.data!["instance"], entry!.data!["reason"]], [first.instance, "code-replayed"])
  await assert.rejects(redeem(held), refused("grant-invalid"))
})

test("of many at once with one code and keys of their own, not one is left that acts by it", async () => {
  const held = await coded()
  const keys = Array.from({ length: 6 }, () => newSigningRequest(generateKey().privateKey))
  const outcomes = await Promise.allSettled(keys.map((csr) => redeem(held, { csr })))
  const given = outcomes.filter((each) => each.status === "fulfilled")
  assert.ok(given.length <= 1)
  for (const { value } of given) await assert.rejects(rolesBy(value.svid), refused("svid-expired"))
})

const older = (text: string) => at.gate.store.owner.query(`update sessions.operator_requests set ${text}`)

test("a code is over after a minute, and a late retry by its own key takes nothing away", async () => {
  const [unused, used] = [await coded(), await coded()]
  const { svid } = await redeem(used)
  await older("expires_at = now() - interval '1 second'")
  await assert.rejects(redeem(unused), refused("grant-invalid"))
  await assert.rejects(redeem(used), refused("grant-invalid"))
  assert.deepEqual(await rolesBy(svid), ["admin"])
  await assert.rejects(redeem(used, { csr: unused.line.csr }), refused("grant-invalid"))
  await assert.rejects(rolesBy(svid), refused("svid-expired"))
})

test("who takes too long at the provider or at the page begins again", async () => {
  const browser = at.browser()
  const begun = await browser.get(commandLine().path)
  await older("expires_at = now() - interval '1 second'")
  const state = new URL(begun.location!).searchParams.get("state")
  await assert.rejects(browser.get(`/sign-in/shop/callback?state=${state}&code=c`), refused("sign-in-failed"))
  const page = await toPage(browser, commandLine().path)
  await older("expires_at = now() - interval '1 second'")
  await assert.rejects(browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" }), refused("not-found"))
})

test("a configuration that takes roles away takes them from who signed in, at once and on every server", async () => {
  at.next.person = { sub: "both", sid: "both", roleValues: ["auditors", "sec-admins"] }
  const both = await redeem(await coded())
  at.next.person = { sub: "one", sid: "one", roleValues: ["sec-admins"] }
  const one = await redeem(await coded())
  assert.deepEqual(await rolesBy(both.svid), ["admin", "auditor"])
  await configure({ roles: { ...roles, values: { auditors: ["auditor", "admin"] } } })
  // By the groups that they had: auditors are admins now, but were none when they signed in with that group alone.
  assert.deepEqual(await rolesBy(both.svid), ["admin", "auditor"])
  await assert.rejects(rolesBy(one.svid), refused("svid-expired"))
  await configure({ roles: { ...roles, values: { auditors: ["auditor"] } } })
  assert.deepEqual(await rolesBy(both.svid), ["auditor"])
  await configure()
  assert.deepEqual(await rolesBy(both.svid), ["auditor"])
  await assert.rejects(rolesBy(one.svid), refused("svid-expired"))
})

for (const [what, change] of [
  ["without roles", {}],
  ["with another issuer", { roles, issuer: "https://id.bank.example" }],
  ["that reads roles from another claim", { roles: { ...roles, claim: "teams" } }],
] as const) {
  test(`a provider ${what} by now is worth nothing: not to who signed in, and not to a code`, async () => {
    const { svid } = await redeem(await coded())
    const held = await coded()
    await configure(change)
    await assert.rejects(rolesBy(svid), refused("svid-expired"))
    await assert.rejects(redeem(held), refused("grant-invalid"))
  })
}

test("a code is never worth more than was shown, whatever the configuration says by then", async () => {
  at.next.person = { sub: "auditor", sid: "auditor", roleValues: ["auditors"] }
  const held = await coded()
  await configure({ roles: { ...roles, values: { auditors: ["auditor", "admin"] } } })
  assert.deepEqual(await rolesBy((await redeem(held)).svid), ["auditor"])
})

let logouts = 0
const logout = (of: { sub: string | null; sid: string | null }) => {
  logouts += 1
  const token = {
    provider: "shop",
    iss: idp,
    jti: `logout-${logouts}`,
    issuedAtMs: Date.now(),
    expiresAtMs: Date.now() + 60_000,
  }
  return providerLogout(at.rooms, "shop", JSON.stringify({ ...token, ...of }))
}

test("signed out at the provider, an operator's certificates and codes are good for nothing (back-channel logout)", async () => {
  for (const by of ["sid", "sub"] as const) {
    const [sub, sid] = [`left-${by}`, `sid-left-${by}`]
    at.next.person = { sub, sid, roleValues: ["sec-admins"] }
    const { svid } = await redeem(await coded())
    const held = await coded()
    at.next.person = { sub: "stays", sid: "stays", roleValues: ["sec-admins"] }
    const other = await redeem(await coded())
    await logout(by === "sid" ? { sub: null, sid } : { sub, sid: null })
    await assert.rejects(rolesBy(svid), refused("svid-expired"))
    await assert.rejects(redeem(held), refused("grant-invalid"))
    assert.deepEqual(await rolesBy(other.svid), ["admin"])
  }
})

test("whoever waits at the page while they sign out at the provider says yes to nothing", async () => {
  at.next.person = { sub: "leaves", sid: "leaves", roleValues: ["sec-admins"] }
  const browser = at.browser()
  const page = await toPage(browser, commandLine().path)
  await logout({ sub: "leaves", sid: "leaves" })
  await assert.rejects(browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" }), refused("not-found"))
})

test("a login at the provider that is over before its browser is back brings nobody to the page", async () => {
  at.next.person = { sub: "early", sid: "early", roleValues: ["sec-admins"] }
  const browser = at.browser()
  const begun = await browser.get(commandLine().path)
  await logout({ sub: "early", sid: "early" })
  const state = new URL(begun.location!).searchParams.get("state")
  await assert.rejects(browser.get(`/sign-in/shop/callback?state=${state}&code=c`), refused("sign-in-failed"))
})

test("neither framed nor fetched ahead is a page of a sign-in shown, or begun (pitfall 29)", async () => {
  const browser = at.browser()
  const line = commandLine()
  const { path } = await toPage(browser, line.path)
  for (const headers of [{ "sec-fetch-dest": "iframe" }, { "sec-purpose": "prefetch" }]) {
    await assert.rejects(browser.get(path, headers), refused("invalid-request"))
    await assert.rejects(browser.get(line.path, headers), refused("invalid-request"))
  }
})
