import assert from "node:assert/strict"
import { generateKeyPairSync, randomUUID } from "node:crypto"
import { after, before, test } from "node:test"
import { exportJWK, SignJWT } from "jose"
import { refusalCode } from "#kernel"
import { fieldsOf, issuer, openTestConsent, type TestConsent } from "./fixture.ts"
import { formToken } from "./form.ts"
import { redeemCode } from "./redeem.ts"

let at: TestConsent
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
let applications: { [name: string]: object }
before(async () => {
  at = await openTestConsent()
  const keys = [{ ...(await exportJWK(publicKey)), kid: "k" }]
  applications = { "shop-web": { description: "The shop", agents: ["bot"], keys } }
  await configure()
})
after(() => at[Symbol.asyncDispose]())

/** The configuration with a part of it replaced. */
const configure = (part: object = {}) => at.gate.apply({ ...at.document, applications, ...part } as never)
const statement = (claims: object = {}) => {
  const seconds = Math.floor(Date.now() / 1000)
  const times = { jti: randomUUID(), iat: seconds, exp: seconds + 60 }
  return new SignJWT({ iss: "shop-web", sub: "bot", aud: issuer, safeconduct_purpose: "help", ...times, ...claims })
    .setProtectedHeader({ typ: "safeconduct-statement+jwt", alg: "ES256", kid: "k" })
    .sign(privateKey)
}
const somebody = () => {
  const sub = `user-${randomUUID()}`
  at.next.person = { sub, sid: `sid-${sub}` }
  return sub
}
const redeem = (code: string) => redeemCode(at.rooms, at.bot, { code, code_verifier: at.verifier })
const codeOf = ({ location }: { location: string | null }) => new URL(location!).searchParams.get("code")
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code

test("a request that somebody else made at the application is not let through by what Alice allowed before (pitfall 3)", async () => {
  const sub = somebody()
  const alice = at.browser()
  await at.code({ safeconduct_statement: await statement() }, alice)
  const silent = await alice.get(await at.push({ safeconduct_statement: await statement() }))
  assert.ok(codeOf(silent) !== null, "nothing new is in it")
  for (const words of [{ safeconduct_request: "Refund order 666" }, { safeconduct_parameters: { order: "666" } }]) {
    const lured = await alice.get(await at.push({ safeconduct_statement: await statement(words) }))
    assert.match(lured.location!, /\/consent\//)
    const safeconduct_user = { iss: "https://id.shop.example", sub }
    const own = await alice.get(
      await at.push({ safeconduct_statement: await statement({ ...words, safeconduct_user }) }),
    )
    assert.ok(codeOf(own) !== null, "her own, as the application says")
  }
})

test("a request that says whose it is is shown to nobody else (pitfall 3)", async () => {
  const sub = somebody()
  const said = (of: string) => statement({ safeconduct_user: { iss: "https://id.shop.example", sub: of } })
  const own = await at.toConsent(at.browser(), await at.push({ safeconduct_statement: await said(sub) }))
  assert.match(own.text, /Let bot act for you/)
  const alice = at.browser()
  const begun = await alice.get(await at.push({ safeconduct_statement: await said("mallory") }))
  const state = new URL(begun.location!).searchParams.get("state")
  const back = await alice.get(`/sign-in/shop/callback?state=${state}&code=c`)
  assert.equal(new URL(back.location!).searchParams.get("error"), "invalid_request")
})

test("what an application signed is read as it was said, whatever turns or hides in it (pitfall 7)", async () => {
  somebody()
  const said = { safeconduct_request: "Pay \u202e71-A\u200b now", safeconduct_parameters: { order: "A\u2066-17" } }
  const { text } = await at.toConsent(at.browser(), await at.push({ safeconduct_statement: await statement(said) }))
  assert.ok(text.includes("Pay [U+202E]71-A[U+200B] now") && text.includes("A[U+2066]-17"))
  assert.doesNotMatch(text, /[\u200b\u202a-\u202e\u2066-\u2069]/)
})

test("a page that is drawn into another, or fetched ahead, begins nothing and gives nothing (pitfall 29)", async () => {
  somebody()
  const alice = at.browser()
  await at.code({}, alice)
  const link = await at.push()
  for (const headers of [
    { "sec-fetch-dest": "iframe", "sec-fetch-site": "same-site" },
    { "sec-fetch-dest": "image" },
    { "sec-fetch-dest": "empty" },
    { "sec-fetch-dest": "document", "sec-purpose": "prefetch;prerender" },
    { purpose: "prefetch" },
  ] as { [name: string]: string }[]) {
    await assert.rejects(alice.get(link, headers), refusedWith("invalid-request"), JSON.stringify(headers))
  }
  const visited = await alice.get(link, { "sec-fetch-dest": "document", "sec-fetch-site": "cross-site" })
  assert.ok(codeOf(visited) !== null)
})

test("what Alice ended is not begun again behind her back", async () => {
  somebody()
  const alice = at.browser()
  const { session } = await redeem(await at.code({}, alice))
  const mine = await alice.get("/me")
  const end = `/me/sessions/${session.id}/end`
  await alice.post(end, fieldsOf(mine.text, end))
  const lured = await alice.get(await at.push())
  assert.match(lured.location!, /\/consent\//)
  const page = await alice.get(new URL(lured.location!).pathname)
  assert.equal(page.status, 200)
  const { searchParams } = await at.allow(alice, { path: new URL(lured.location!).pathname, text: page.text })
  await redeem(searchParams.get("code")!)
  assert.ok(codeOf(await alice.get(await at.push())) !== null, "she has said yes since")
})

test("what is granted is what was shown, also where something else has the same words (pitfall 8)", async () => {
  somebody()
  const alice = at.browser()
  const page = await at.toConsent(alice, await at.push())
  const { help } = at.document.purposes
  const [reading, writing] = help.actions
  const swapped = { ...help, actions: [reading, { ...writing, actions: ["tool:write", "tool:ask"] }] }
  const bot = { ...at.document.agents.bot, ceiling: [...at.document.agents.bot.ceiling, swapped.actions[1]] }
  await configure({
    purposes: { ...at.document.purposes, help: swapped },
    agents: { ...at.document.agents, bot },
  })
  const again = await alice.post(page.path, { ...fieldsOf(page.text), decision: "allow" })
  await configure()
  assert.equal(again.status, 422)
})

test("an answer before anybody is known to have signed in is none", async () => {
  const stranger = at.browser()
  const begun = await stranger.get(await at.push())
  assert.match(begun.location!, /^https:\/\/id\.shop\.example\//)
  const rows = await at.gate.store.owner.query<{ id: string }>(
    "select id from sessions.authorization_requests where state = 'begun'",
  )
  const path = `/consent/${rows.at(-1)!.id}`
  const cookie = stranger.cookies.get("__Host-safeconduct-browser")!
  for (const decision of ["allow", "deny"]) {
    const form = { form: formToken(cookie, path), shown: "x", decision, seconds: "900" }
    await assert.rejects(stranger.post(path, form), refusedWith("not-found"))
  }
})

test("an application that is taken away between statement and yes, or yes and code, has said nothing", async () => {
  somebody()
  const alice = at.browser()
  const safeconduct_statement = () => statement({ safeconduct_request: "Where is it?" })
  const page = await at.toConsent(alice, await at.push({ safeconduct_statement: await safeconduct_statement() }))
  await configure({ applications: {} })
  const late = await alice.post(page.path, { ...fieldsOf(page.text), decision: "allow" }).catch((error) => error)
  await configure()
  assert.equal(refusalCode(late) ?? codeOf(late), "statement-invalid")
  const code = await at.code({ safeconduct_statement: await safeconduct_statement() }, alice)
  await configure({ applications: {} })
  await assert.rejects(redeem(code), refusedWith("statement-invalid"))
  await configure()
})

test("a place that is taken away while the page is open is led to no more (pitfall 18)", async () => {
  somebody()
  const alice = at.browser()
  const page = await at.toConsent(alice, await at.push())
  const bot = { ...at.document.agents.bot, redirectUris: ["https://new.shop.example/callback"] }
  await configure({ agents: { ...at.document.agents, bot } })
  for (const decision of ["allow", "deny"]) {
    const answer = await alice.post(page.path, { ...fieldsOf(page.text), decision }).catch((error: unknown) => error)
    assert.equal(refusalCode(answer), "invalid-request", decision)
  }
  await configure()
})

test("of two requests that are allowed at once one is remembered, and the other is allowed too or asked again", async () => {
  const sub = somebody()
  const alice = at.browser()
  const first = await at.toConsent(alice, await at.push())
  const begun = await alice.get(await at.push())
  const path = new URL(begun.location!).pathname
  const second = { path, text: (await alice.get(path)).text }
  const yes = ({ path: to, text }: typeof first) => alice.post(to, { ...fieldsOf(text), decision: "allow" })
  const statuses = (await Promise.all([yes(first), yes(second)])).map(({ status }) => status).sort()
  assert.ok(statuses[0] === 303 && [303, 422].includes(statuses[1]!), String(statuses))
  const user = await at.rooms.sessions.findUser({ iss: "https://id.shop.example", sub })
  assert.equal((await at.rooms.sessions.consents.ofUser(user!.id)).length, 1)
})

test("a login that is over at the provider before the browser is back signs nobody in (pitfall 10)", async () => {
  const sub = somebody()
  const alice = at.browser()
  const begun = await alice.get(await at.push())
  const state = new URL(begun.location!).searchParams.get("state")
  const token = { iss: "https://id.shop.example", sub, sid: `sid-${sub}`, jti: randomUUID(), issuedAtMs: Date.now() }
  const logout_token = JSON.stringify({ ...token, expiresAtMs: Date.now() + 60_000 })
  await at
    .browser()
    .post("/sign-in/shop/logout", { logout_token })
    .catch(() => undefined)
  const back = await alice.get(`/sign-in/shop/callback?state=${state}&code=c`).catch((error: unknown) => error)
  assert.equal(refusalCode(back), "sign-in-failed")
  assert.equal(alice.cookies.has("__Host-safeconduct-signed-in"), false)
})

test("no entry names anybody, or has a word, a value or a secret of theirs", async () => {
  const sub = somebody()
  const alice = at.browser()
  const asking = { type: "safeconduct_action", actions: ["tool:ask"], locations: ["kb"] }
  const details = JSON.stringify([{ ...asking, arguments: { topic: [{ constant: "Liddell" }] } }])
  const said = {
    safeconduct_request: "Rabbit hole",
    safeconduct_parameters: '{"order":"order-of-hers"}',
    state: "her-state",
  }
  const page = await at.toConsent(alice, await at.push({ ...said, authorization_details: details }))
  const code = (await at.allow(alice, page)).searchParams.get("code")!
  const opened = await redeem(code)
  assert.equal(JSON.stringify(opened.mandate.details).includes("Liddell"), true)
  await assert.rejects(redeem(code), refusedWith("grant-invalid"))
  const leaves = JSON.stringify(await at.gate.entries())
  assert.ok(leaves.includes(opened.session.id))
  const cookies = [...alice.cookies.values()]
  const words = ["Liddell", "Rabbit", "order-of-hers", "her-state", sub, code, at.verifier, opened.token.accessToken]
  for (const each of [...words, ...cookies]) assert.ok(!leaves.includes(each), each)
})

test("strangers who begin to sign in without end keep nobody out whom an agent has sent, and an agent's link fills nothing", async () => {
  const { owner } = at.gate.store
  await owner.query(
    `insert into sessions.sign_ins (state, browser, provider, pending, expires_at)
     select decode(lpad(to_hex(n), 64, '0'), 'hex'), decode(repeat('00', 32), 'hex'), 'flood', '', clock_timestamp() + interval '1 minute'
     from generate_series(1, 10000) n`,
  )
  await assert.rejects(at.browser().get("/me"), refusedWith("overloaded"))
  const [alice, link] = [at.browser(), await at.push()]
  const begin = async () => (await alice.get(link)).location!
  assert.match(await begin(), /^https:\/\/id\.shop\.example\//)
  const again = await Promise.all(Array.from({ length: 40 }, begin))
  assert.ok(again.some((location) => location.includes("error=temporarily_unavailable")))
  await owner.query("delete from sessions.sign_ins where provider = 'flood'")
})
