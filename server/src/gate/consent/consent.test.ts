import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { after, before, test } from "node:test"
import { Refusal, refusalCode } from "#kernel"
import { narrower } from "#sessions"
import { callback, client, fieldsOf, issuer, openTestConsent, type TestConsent } from "./fixture.ts"
import { redeemCode } from "./redeem.ts"

let at: TestConsent
before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
/** Whoever signs in next is somebody of whom nothing is remembered. */
const somebody = () => {
  const sub = `user-${crypto.randomUUID()}`
  at.next.person = { sub, sid: `sid-${sub}` }
  return sub
}
const redeem = (code: string, caller = at.bot) => redeemCode(at.rooms, caller, { code, code_verifier: at.verifier })
const errorOf = ({ location }: { location: string | null }) => new URL(location!).searchParams.get("error")
const codeOf = ({ location }: { location: string | null }) => new URL(location!).searchParams.get("code")

test("a user who allows what was pushed sends the agent a code, and the agent gets a session in their name", async () => {
  const sub = somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  for (const shown of ["bot", client, "owner@example.org", "Answer questions about your orders", "read in kb"]) {
    assert.ok(page.text.includes(shown), shown)
  }
  const back = await at.allow(browser, page)
  assert.equal(back.origin + back.pathname, callback)
  assert.equal(back.searchParams.get("state"), "xyz")
  assert.equal(back.searchParams.get("iss"), issuer, "pitfall 1: who answers is said")
  const { session, token } = await redeem(back.searchParams.get("code")!)
  assert.equal(session.user?.sub, sub)
  assert.deepEqual(session.user?.claims, { customer: ["1001"] })
  assert.equal(session.providerSession, `sid-${sub}`)
  assert.ok(token.accessToken)
  const given = (await at.gate.entries("sessions.consent-given")).at(-1)!
  assert.equal(given.user, session.user!.id)
  const { consent, textDigest } = given.data as { consent: string; textDigest: string }
  assert.deepEqual(session.delegation, { kind: "consent", consent, textDigest })
})

test("what was shown is kept as it was, under the digest that the record names (pitfall 30)", async () => {
  somebody()
  const words = "Refund the blue lamp, 49.90 EUR"
  const { session } = await redeem(await at.code({ safeconduct_request: words }))
  assert.deepEqual((await at.rooms.sessions.standing(session.id, at.bot)).mandate.requestText, {
    kind: "consent",
    text: words,
  })
  const { consent } = session.delegation as { consent: string }
  const [row] = await at.gate.store.owner.query<{ text: string; text_digest: string }>(
    "select text, text_digest from sessions.consents where id = $1",
    [consent],
  )
  assert.equal(createHash("sha256").update(row!.text).digest("base64url"), row!.text_digest)
  assert.equal((JSON.parse(row!.text) as { request: { text: string } }).request.text, words)
  const leaf = JSON.stringify((await at.gate.entries("sessions.consent-given")).at(-1))
  assert.ok(
    !leaf.includes("blue lamp") && leaf.includes(row!.text_digest),
    "only a commitment to the words stands in the log",
  )
})

test("whoever follows a link that somebody sent is told who asks, and what the code is worth to others (pitfall 6)", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  for (const shown of ["owner@example.org", client, "the agent itself", "If you did not just ask for this, deny it."]) {
    assert.ok(page.text.includes(shown), shown)
  }
  const code = (await at.allow(browser, page)).searchParams.get("code")!
  const stranger = await at.gate.instance()
  await assert.rejects(redeem(code, stranger), "another key of the same agent gets nothing for it")
})

test("a user who takes ticks and time away grants that much less", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  assert.deepEqual(
    Object.keys(fieldsOf(page.text)).filter((name) => name.startsWith("action-")),
    ["action-0-0", "action-1-0", "action-1-1"],
  )
  const back = await at.allow(browser, page, { "action-0-0": undefined, "action-1-1": undefined, seconds: "900" })
  const { session } = await redeem(back.searchParams.get("code")!)
  const { mandate } = await at.rooms.sessions.standing(session.id, at.bot)
  const left = [{ type: "safeconduct_action", actions: ["credential:write"], locations: ["kb"] }]
  assert.ok(narrower(mandate.details, left) && narrower(left, mandate.details))
  assert.equal(session.hardEndAt.getTime() - session.openedAt.getTime(), 900_000)
})

test("nothing ticked is no answer, and a time that was not offered is none", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  const { form, shown, seconds } = fieldsOf(page.text) as { form: string; shown: string; seconds: string }
  const empty = await browser.post(page.path, { form, shown, seconds, decision: "allow" })
  assert.equal(empty.status, 422)
  assert.match(empty.text, /Nothing is ticked/)
  const longer = { ...fieldsOf(page.text), decision: "allow", seconds: "99999999" }
  await assert.rejects(browser.post(page.path, longer), refusedWith("invalid-request"))
  await assert.rejects(
    browser.post(page.path, { ...fieldsOf(page.text), decision: "maybe" }),
    refusedWith("invalid-request"),
  )
})

test("a user who denies sends access_denied, it is recorded, and the answer is final (pitfall 11)", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  const form = fieldsOf(page.text)
  const denied = await browser.post(page.path, { ...form, decision: "deny" })
  assert.equal(errorOf(denied), "access_denied")
  assert.ok((await at.gate.entries("sessions.consent-denied")).length > 0)
  await assert.rejects(browser.post(page.path, { ...form, decision: "allow" }), refusedWith("not-found"))
  await assert.rejects(browser.get(page.path), refusedWith("not-found"))
})

test("of eight answers at once one counts (pitfall 11)", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  const answers = Array.from({ length: 8 }, (_, nth) =>
    browser.post(page.path, { ...fieldsOf(page.text), decision: nth % 2 === 0 ? "allow" : "deny" }),
  )
  const settled = await Promise.allSettled(answers)
  const taken = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value.status] : []))
  // Whoever looks again once it is answered may be shown the page with what is remembered by then, and answers nothing by it.
  assert.deepEqual(
    taken.filter((status) => status !== 422),
    [303],
  )
})

test("what is asked for changes under the page: nothing is granted that was not shown (pitfall 8)", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  const purpose = { ...at.document.purposes.help, description: "Something else" }
  await at.gate.apply({ ...at.document, purposes: { ...at.document.purposes, help: purpose } })
  const again = await browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" })
  await at.gate.apply(at.document)
  assert.equal(again.status, 422)
  assert.match(again.text, /has just changed/)
  assert.match(again.text, /Something else/)
})

test("who finishes is who began: another browser can neither come back, nor look, nor decide (pitfall 3)", async () => {
  somebody()
  const [mine, theirs] = [at.browser(), at.browser()]
  const begun = await mine.get(await at.push())
  await theirs.get(await at.push())
  const state = new URL(begun.location!).searchParams.get("state")!
  await assert.rejects(theirs.get(`/sign-in/shop/callback?state=${state}&code=c`), refusedWith("sign-in-failed"))
  const back = await mine.get(`/sign-in/shop/callback?state=${state}&code=c`)
  const path = new URL(back.location!).pathname
  const { text } = await mine.get(path)
  await assert.rejects(theirs.get(path), refusedWith("not-found"))
  await assert.rejects(theirs.post(path, { ...fieldsOf(text), decision: "allow" }), refusedWith("not-found"))
  await assert.rejects(mine.get(`/sign-in/shop/callback?state=${state}&code=c`), refusedWith("sign-in-failed"))
})

test("an answer of one provider is none of another's (pitfall 2)", async () => {
  const browser = at.browser()
  const begun = await browser.get(await at.push())
  const state = new URL(begun.location!).searchParams.get("state")!
  await assert.rejects(browser.get(`/sign-in/bank/callback?state=${state}&code=c`), refusedWith("sign-in-failed"))
})

test("a form of another site, or of another page, decides nothing (pitfall 29)", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  const right: { [field: string]: string } = { ...fieldsOf(page.text), decision: "allow" }
  const own = { origin: issuer, "sec-fetch-site": "same-origin" }
  const wrong: [object, object][] = [
    [right, { ...own, origin: "https://evil.example" }],
    [right, { ...own, origin: "null" }],
    [right, { "sec-fetch-site": "same-origin" }],
    [right, { ...own, "sec-fetch-site": "cross-site" }],
    [right, { ...own, "sec-fetch-site": "same-site" }],
    [{ ...right, form: "" }, own],
    [{ ...right, form: right["form"]!.replace(/^./, (c) => (c === "A" ? "B" : "A")) }, own],
  ]
  for (const [form, headers] of wrong) {
    await assert.rejects(browser.post(page.path, form as never, headers as never), refusedWith("invalid-request"))
  }
  const { headers } = await browser.get(page.path)
  const policy = headers.get("content-security-policy")!
  for (const part of ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https://shop.example"]) {
    assert.ok(policy.split("; ").includes(part), part)
  }
  assert.equal(headers.get("cache-control"), "no-store")
  assert.equal(headers.get("referrer-policy"), "same-origin")
})

test("cookies are the host's own, behind TLS, and out of scripts' reach", async () => {
  somebody()
  const browser = at.browser()
  const { headers } = await browser.get(await at.push())
  const [line] = headers.getSetCookie()
  assert.match(line!, /^__Host-safeconduct-browser=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/)
  assert.equal(headers.getSetCookie().length, 1)
})

test("an agent's words stand apart and are never markup (pitfall 7)", async () => {
  somebody()
  const words = `</blockquote><script>alert(1)</script> "quoted" & 'said'`
  const { text } = await at.toConsent(at.browser(), await at.push({ safeconduct_request: words }))
  assert.ok(
    text.includes("&lt;/blockquote&gt;&lt;script&gt;alert(1)&lt;/script&gt; &quot;quoted&quot; &amp; &#39;said&#39;"),
  )
  assert.ok(!text.includes("<script"))
  assert.match(text, /What you asked for, as bot says/)
  assert.match(text, /Nobody has checked these words/)
})

test("what is remembered is not asked again, and never covers the agent's words (conventions)", async () => {
  somebody()
  const browser = at.browser()
  const first = await at.code({}, browser)
  const again = await browser.get(await at.push())
  const { session } = await redeem(codeOf(again)!)
  assert.deepEqual(session.delegation, (await redeem(first)).session.delegation)
  const details = JSON.stringify([{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }])
  const narrow = await redeem(codeOf(await browser.get(await at.push({ authorization_details: details })))!)
  const { mandate } = await at.rooms.sessions.standing(narrow.session.id, at.bot)
  assert.deepEqual(
    mandate.details.map(({ actions }) => actions),
    [["credential:read"]],
  )
  for (const more of [
    { safeconduct_request: "Refund it" },
    { safeconduct_parameters: '{"order":"A-17"}' },
    { prompt: "consent" },
  ]) {
    const asked = await browser.get(await at.push(more))
    assert.match(asked.location!, /\/consent\//, JSON.stringify(more))
  }
})

test("what is wider than what is remembered is asked, and says what is new (never widened silently)", async () => {
  somebody()
  const browser = at.browser()
  const details = (actions: string[]) => JSON.stringify([{ type: "safeconduct_action", actions, locations: ["kb"] }])
  await at.code({ authorization_details: details(["credential:read"]) }, browser)
  const wider = await browser.get(await at.push({ authorization_details: details(["credential:read", "tool:ask"]) }))
  const { text } = await browser.get(new URL(wider.location!).pathname)
  assert.equal(text.match(/class="new"/g)?.length, 1)
  assert.match(text, /What is new is marked/)
})

test("a user who took a part away is not asked for it again and again; when more could be granted they are", async () => {
  somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  await at.allow(browser, page, { "action-1-1": undefined })
  const again = await redeem(codeOf(await browser.get(await at.push()))!)
  const { mandate } = await at.rooms.sessions.standing(again.session.id, at.bot)
  assert.ok(!mandate.details.some(({ actions }) => actions.includes("tool:ask")))
  const { help } = at.document.purposes
  const more = {
    type: "safeconduct_action",
    actions: ["tool:ask"],
    locations: ["kb"],
    arguments: { topic: [{ constant: "lamps" }] },
  }
  const grown = {
    ...help,
    actions: [...help.actions.slice(0, 1), { ...help.actions[1], actions: ["credential:write"] }, more],
  }
  await at.gate.apply({ ...at.document, purposes: { ...at.document.purposes, help: grown } })
  const narrowed = await browser.get(await at.push())
  await at.gate.apply(at.document)
  assert.ok(codeOf(narrowed) !== null, "narrower arguments of what was offered before are nothing new")
})

test("a code is good once, for its instance, its key, its verifier and its place (pitfall 12)", async () => {
  somebody()
  const code = await at.code()
  const another = await at.gate.instance("bot")
  const other = await at.gate.instance("other")
  await assert.rejects(redeem(code, another), refusedWith("grant-invalid"))
  await assert.rejects(redeem(code, other), refusedWith("grant-invalid"))
  const form = { code, code_verifier: at.verifier }
  await assert.rejects(
    redeemCode(at.rooms, at.bot, { ...form, code_verifier: "x".repeat(43) }),
    refusedWith("grant-invalid"),
  )
  await assert.rejects(redeemCode(at.rooms, at.bot, { code }), refusedWith("invalid-request"))
  await assert.rejects(redeemCode(at.rooms, at.bot, { code_verifier: at.verifier }), refusedWith("invalid-request"))
  await assert.rejects(
    redeemCode(at.rooms, at.bot, { ...form, redirect_uri: "https://shop.example/other" }),
    refusedWith("grant-invalid"),
  )
  await assert.rejects(redeem("x".repeat(43)), refusedWith("grant-invalid"))
  assert.equal((await redeemCode(at.rooms, at.bot, { ...form, redirect_uri: callback })).session.state, "open")
})

test("a code with a key is good with a proof by that key alone (RFC 9449 §10)", async () => {
  somebody()
  const jkt = "k".repeat(43)
  const browser = at.browser()
  const unpushed = `/oauth2/authorize?${new URLSearchParams(at.parameters({ dpop_jkt: jkt }))}`
  const back = await at.allow(browser, await at.toConsent(browser, unpushed))
  const code = back.searchParams.get("code")!
  await assert.rejects(redeem(code), refusedWith("grant-invalid"))
  await assert.rejects(redeem(code, { ...at.bot, confirmation: { jkt: "l".repeat(43) } }), refusedWith("grant-invalid"))
  assert.equal((await redeem(code, { ...at.bot, confirmation: { jkt } })).session.state, "open")
})

test("a code that comes again ends what was opened with it, whoever brings it (RFC 6749 §4.1.2)", async () => {
  somebody()
  const code = await at.code()
  const { session } = await redeem(code)
  const thief = await at.gate.instance("other")
  await assert.rejects(redeem(code, thief), refusedWith("grant-invalid"))
  const ended = await at.rooms.sessions.find(session.id, at.gate.operator)
  assert.equal(ended.state, "ended")
  const replayed = (await at.gate.entries("sessions.code-replayed")).at(-1)!
  assert.equal(replayed.session, session.id)
  assert.equal(replayed.by, thief.spiffeId)
})

test("of four redemptions at once no session stays open (pitfall 11)", async () => {
  somebody()
  const code = await at.code()
  const settled = await Promise.allSettled(Array.from({ length: 4 }, () => redeem(code)))
  const opened = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value.session.id] : []))
  assert.ok(opened.length <= 1)
  for (const id of opened) assert.equal((await at.rooms.sessions.find(id, at.gate.operator)).state, "ended")
})

test("a code is over after a minute, and what is begun after a quarter of an hour, by the database's clock", async () => {
  somebody()
  const age = (seconds: number) =>
    at.gate.store.owner.query(
      "update sessions.authorization_requests set expires_at = expires_at - make_interval(secs => $1)",
      [seconds],
    )
  const code = await at.code()
  await age(61)
  await assert.rejects(redeem(code), refusedWith("grant-invalid"))
  const late = await at.push()
  await age(91)
  await assert.rejects(at.browser().get(late), refusedWith("request-uri-invalid"))
  const browser = at.browser()
  somebody()
  const page = await at.toConsent(browser, await at.push())
  await age(901)
  await assert.rejects(browser.post(page.path, { ...fieldsOf(page.text), decision: "allow" }), refusedWith("not-found"))
})

test("a request_uri is one browser's, and one client's (RFC 9126 §4)", async () => {
  somebody()
  const browser = at.browser()
  const path = await at.push()
  assert.equal((await browser.get(path)).status, 303)
  assert.equal((await browser.get(path)).status, 303, "the same browser may load it again while it is undecided")
  await assert.rejects(at.browser().get(path), refusedWith("request-uri-invalid"))
  const other = path.replace(encodeURIComponent(client), encodeURIComponent(client.replace("bot", "other")))
  assert.notEqual(other, path)
  await assert.rejects(browser.get(other), refusedWith("request-uri-invalid"))
})

test("an agent that is suspended between yes and code, or retired and registered anew, gets nothing (pitfall 10)", async () => {
  somebody()
  const code = await at.code()
  const { agents, audit, epoch } = at.rooms
  await audit.commit(agents.suspend("bot", "test", "server"))
  await epoch.refresh()
  await assert.rejects(redeem(code), refusedWith("agent-suspended"))
  await audit.commit(agents.resume("bot", "test", "server"))
  await epoch.refresh()
  assert.equal((await redeem(code)).session.state, "open")
  somebody()
  await assert.rejects(redeem(await at.code(), { ...at.bot, agentId: "agent_new" }), refusedWith("grant-invalid"))
})

test("what goes wrong at the provider goes back to the client in OAuth's words", async () => {
  at.next.person = new Refusal("sign-in-failed", "No.")
  const browser = at.browser()
  const begun = await browser.get(await at.push())
  const state = new URL(begun.location!).searchParams.get("state")!
  const back = await browser.get(`/sign-in/shop/callback?state=${state}&error=access_denied`)
  assert.equal(errorOf(back), "access_denied")
  at.next.person = new Refusal("provider-unavailable", "Not now.")
  const again = await browser.get(await at.push())
  const next = new URL(again.location!).searchParams.get("state")!
  assert.equal(errorOf(await browser.get(`/sign-in/shop/callback?state=${next}&code=c`)), "temporarily_unavailable")
})

test("prompt and max_age are kept: none asks nobody, login asks again who it is", async () => {
  somebody()
  const browser = at.browser()
  assert.equal(errorOf(await browser.get(await at.push({ prompt: "none" }))), "login_required")
  await at.code({}, browser)
  assert.ok(codeOf(await browser.get(await at.push({ prompt: "none" }))) !== null)
  const more = { prompt: "none", safeconduct_request: "Refund it" }
  assert.equal(errorOf(await browser.get(await at.push(more))), "consent_required")
  for (const fresh of [{ prompt: "login" }, { max_age: "0" }]) {
    assert.match(
      (await browser.get(await at.push(fresh))).location!,
      /^https:\/\/id\.shop\.example\//,
      JSON.stringify(fresh),
    )
  }
})

test("what Alice began, Bob at the same browser neither finishes nor is given (pitfall 3)", async () => {
  somebody()
  const browser = at.browser()
  await at.code({}, browser)
  const path = await at.push({ prompt: "consent" })
  const consent = new URL((await browser.get(path)).location!).pathname
  const { text } = await browser.get(consent)
  somebody()
  const sent = new URL((await browser.get(await at.push({ prompt: "login" }))).location!)
  await browser.get(`/sign-in/shop/callback?state=${sent.searchParams.get("state")}&code=c`)
  assert.equal(errorOf(await browser.get(path)), "login_required")
  await assert.rejects(browser.get(consent), refusedWith("login-required"))
  await assert.rejects(browser.post(consent, { ...fieldsOf(text), decision: "allow" }), refusedWith("login-required"))
})

test("a request for the users of one provider is no other's to sign in for (pitfall 2)", async () => {
  const browser = at.browser()
  const path = await at.push({ safeconduct_provider: "shop" })
  await browser.get(path)
  const [row] = await at.gate.store.owner.query<{ id: string }>(
    "select id from sessions.authorization_requests where state = 'begun' order by expires_at desc limit 1",
  )
  await assert.rejects(browser.get(`/sign-in/bank?request=${row!.id}`), refusedWith("sign-in-failed"))
})

test("strangers who ask without end are refused, and take no place of what is pushed", async () => {
  const { owner } = at.gate.store
  const [row] = await owner.query<{ asked: object }>("select asked from sessions.authorization_requests limit 1")
  await owner.query(
    `insert into sessions.authorization_requests (id, state, asked, browser, expires_at)
     select 'request_flood' || n, 'begun', $1, decode(repeat('00', 32), 'hex'), clock_timestamp() + interval '1 minute'
     from generate_series(1, 10000) n`,
    [JSON.stringify(row!.asked)],
  )
  const unpushed = `/oauth2/authorize?${new URLSearchParams(at.parameters({ dpop_jkt: "k".repeat(43) }))}`
  assert.equal(errorOf(await at.browser().get(unpushed)), "temporarily_unavailable")
  assert.match((await at.browser().get(await at.push())).location!, /^https:\/\/id\.shop\.example\//)
  await owner.query("delete from sessions.authorization_requests where id like 'request_flood%'")
})

test("a provider that asks its users itself has asked: its answer is recorded as its own, and never widens", async () => {
  const sub = somebody()
  const granted = { type: "safeconduct_action", actions: ["credential:read", "sql:drop"], locations: ["kb", "other"] }
  const signedIn = {
    sub,
    authorizationDetails: [granted, { type: "payment" }],
    idTokenDigest: "digest-of-the-id-token",
  }
  at.next.person = signedIn
  const arrive = async (more: { [name: string]: string }) => {
    const browser = at.browser()
    const sent = new URL((await browser.get(await at.push(more))).location!)
    return await browser.get(`/sign-in/shop/callback?state=${sent.searchParams.get("state")}&code=c`)
  }
  assert.match(
    (await arrive({ safeconduct_request: "Refund it" })).location!,
    /\/consent\//,
    "the agent's words are for our page",
  )
  at.next.person = { ...signedIn, authorizationDetails: [{ ...granted, more: 1 } as never] }
  assert.match((await arrive({})).location!, /\/consent\//, "what is not understood grants nothing")
  at.next.person = signedIn
  const { session } = await redeem(codeOf(await arrive({}))!)
  const { mandate } = await at.rooms.sessions.standing(session.id, at.bot)
  const most = [{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }]
  assert.ok(narrower(mandate.details, most) && narrower(most, mandate.details))
  const { consent } = session.delegation as { consent: string }
  const [row] = await at.gate.store.owner.query<{ text: string }>("select text from sessions.consents where id = $1", [
    consent,
  ])
  assert.deepEqual((JSON.parse(row!.text) as { collectedBy: unknown }).collectedBy, {
    provider: "shop",
    tokenDigest: "digest-of-the-id-token",
  })
})
