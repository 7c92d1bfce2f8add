import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Asking, fetchWith, raise } from "./fixtures/ciba-ground.ts"
import type { Document } from "./fixtures/document.ts"
import type { Phone } from "./fixtures/phones.ts"
import { aRaise, openSigningGround, type SigningGround } from "./fixtures/signing-ground.ts"
import { until } from "./fixtures/until.ts"

/** An approval is one person's, for one action of one agent instance in one session, once: whoever else brings it is refused. */
const CIBA = "urn:openid:params:grant-type:ciba"
let at: SigningGround
let bot: Asking
let alice: Phone
let bob: Phone
let olga: Phone

before(async () => {
  at = await openSigningGround()
  bot = await at.asking()
  alice = await at.phone("alice")
  bob = await at.phone("bob")
  olga = await at.phone("olga")
})
after(() => at?.[Symbol.asyncDispose]())

const patient = { everyMs: 100, withinMs: 60_000 }

describe("of several who have to approve, each counts once, and whom it is for not at all", () => {
  test("the same person twice, whom it is done for, and the same in somebody's place", async () => {
    const id = await at.held(bot, { operation: "promote", arguments: { employee: "E-7" } })
    assert.equal((await alice.approve(id)).code, "approval-unknown", "the agent acts for her")
    assert.equal((await bob.approve(id)).status, 303)
    assert.equal((await bob.approve(id)).code, "approval-over", "his second is none")
    assert.equal(await at.stateOf(id), "requested")

    // Olga has Alice stand in for her, whose own agent it is.
    const browser = at.browserOf("olga")
    const page = await browser.visit(`${at.issuer}/me/notifications`)
    await browser.press(page, "Let them stand in", { subject: "alice" })
    assert.match((await alice.send("/me/notifications")).text, /leads/)
    assert.equal((await alice.approve(id)).code, "approval-unknown")
    assert.equal(await at.stateOf(id), "requested")
    assert.equal((await olga.approve(id)).status, 303)
    assert.equal(await at.stateOf(id), "approved")
  })

  test("a signature that says it is another person's, or another member's of the group", async () => {
    const id = await at.held(bot, { operation: "promote", arguments: { employee: "E-8" } })
    const card = await bob.card(id)
    const { options } = await bob.options(card)
    const bobs = bob.answer(options)
    const byOlga = await olga.decide(await olga.card(id), { decision: "approve", response: bobs })
    assert.equal(byOlga.code, "passkey-unknown")
    const olgas = olga.answer(options)
    assert.equal((await bob.decide(card, { decision: "approve", response: olgas })).code, "passkey-unknown")
    const renamed = JSON.stringify({ ...JSON.parse(olgas), id: bob.passkey.id, rawId: bob.passkey.id })
    assert.equal((await bob.decide(card, { decision: "approve", response: renamed })).code, "passkey-invalid")
    // Olga's key over Bob's statement, sent by Olga: what she would sign is hers.
    const borrowed = await olga.decide(await olga.card(id), { decision: "approve", response: olgas })
    assert.equal(borrowed.code, "passkey-invalid")
    assert.equal(await at.stateOf(id), "requested")
  })
})

describe("an approval in an agent's hands", () => {
  test("of a changed action, another session, another instance, another agent, or handed on, and a used one", async () => {
    const approval = await at.held(bot, { arguments: aRaise })
    await alice.approve(approval)
    const [twin, other] = [await at.asking(), await at.asking("other")]
    const second = { ...bot, session: await at.sessionFor("alice", bot.sdk) }
    const onBehalf = await handedOn(bot, other)
    const denied: [what: string, ...Parameters<SigningGround["act"]>][] = [
      ["more", bot, { arguments: { ...aRaise, amount: 52_000 }, approval }],
      ["as text", bot, { arguments: { ...aRaise, amount: "5200" }, approval }],
      ["somebody else", bot, { arguments: { ...aRaise, employee: "E-8" }, approval }],
      ["one argument more", bot, { arguments: { ...aRaise, note: "" }, approval }],
      ["one fewer", bot, { arguments: { employee: "E-7" }, approval }],
      ["another operation", bot, { operation: "announce", arguments: aRaise, approval }],
      ["another session of the same instance", second, { approval }],
      ["another instance", twin, { approval }],
      ["another agent", other, { approval }],
      ["an agent that it was handed on to", onBehalf, { approval }],
      ["no approval at all", bot, { approval: "approval_00000000000000000000000000" }],
    ]
    for (const [what, asking, tool] of denied) {
      assert.equal((await at.act(asking, tool)).verdict, "deny", what)
    }
    assert.match((await at.act(twin, { approval }, bot.session.id)).verdict, /^session-/, "with the session's own id")
    assert.equal((await at.act(bot, { approval, key: "mine" })).verdict, "allow")
    for (const key of ["other", undefined]) {
      assert.equal((await at.act(bot, { approval, ...(key && { key }) })).verdict, "deny", "again")
    }
    assert.equal((await at.act(twin, { approval, key: "mine" })).verdict, "deny", "by the key that used it")
  })

  test("is nothing that another agent can look at, and one that waits says no more than that", async () => {
    const approval = await at.held(bot)
    const [twin, other] = [await at.asking(), await at.asking("other")]
    const look = async ({ identity }: Asking, id: string) => {
      const answer = await fetchWith(identity, new URL(`/v1/approvals/${id}`, at.one.agentsUrl), {})
      return [answer.status, (await answer.text()).replaceAll(id, "ID")]
    }
    const nobodys = await look(twin, "approval_00000000000000000000000000")
    assert.equal(nobodys[0], 404)
    for (const each of [twin, other]) assert.deepEqual(await look(each, approval), nobodys)
    const own = JSON.parse(String((await look(bot, approval))[1])) as object
    assert.deepEqual(Object.keys(own).sort(), [
      ...["expiresAt", "id", "pollAfterSeconds", "quietUntil", "rung", "state", "useBefore", "used"],
    ])
    const evidence = new URL(`/v1/approvals/${approval}/evidence`, at.one.agentsUrl)
    assert.equal((await fetchWith(bot.identity, evidence, {})).status, 403, "nor is its proof an agent's")
    for (const query of ["", `?session=${bot.session.id}`, "?agent=bot", "?state=requested"]) {
      const url = new URL(`/v1/approvals${query}`, at.one.agentsUrl)
      for (const { identity } of [twin, other]) {
        assert.equal(await (await fetchWith(identity, url, {})).text(), '{"approvals":[]}', query)
      }
      assert.match(await (await fetchWith(bot.identity, url, {})).text(), new RegExp(approval))
    }
  })

  test("as a token (CIBA): of no use anywhere else, to nobody else, for nothing else, and not after its time", async () => {
    const { token, approval, authReqId } = await tokenFor(7_100)
    const bearer = { authorization: `Bearer ${token}` }
    const elsewhere = async ({ identity }: Asking, target: string, body?: object) => {
      const [method, path] = target.split(" ") as [string, string]
      const headers = { ...bearer, "content-type": "application/json" }
      const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) }
      const answer = await fetchWith(identity, new URL(path, at.one.agentsUrl), sent)
      return ((await answer.json()) as { code?: string; verdict?: string }).code ?? "answered"
    }
    const { id } = bot.session
    const targets = [
      "GET /v1/sessions",
      `GET /v1/sessions/${id}`,
      `POST /v1/sessions/${id}/renewal`,
      `DELETE /v1/sessions/${id}`,
      `GET /v1/approvals/${approval}`,
      "POST /v1/sessions",
    ]
    for (const target of targets) {
      const body = target === "POST /v1/sessions" ? { purpose: "answer" } : undefined
      assert.equal(await elsewhere(bot, target, body), "token-invalid", target)
    }
    const exchange = { grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token: token }
    const type = { subject_token_type: "urn:ietf:params:oauth:token-type:access_token", safeconduct_purpose: "answer" }
    assert.equal((await bot.form("/oauth2/token", { ...exchange, ...type })).status, 400)
    const hinted = { scope: "openid", login_hint_token: token, authorization_details: raise(1) }
    assert.equal((await bot.form("/oauth2/bc-authorize", hinted)).code, "unknown_user_id")

    const action = {
      type: "tool",
      resource: "hr",
      operation: "raise-salary",
      arguments: { employee: "E-7", amount: 7_100 },
    }
    const twin = await at.asking()
    assert.equal(await elsewhere(twin, "POST /v1/actions", { session: id, action }), "token-invalid")
    const second = await at.sessionFor("alice", bot.sdk)
    assert.notEqual(await elsewhere(bot, "POST /v1/actions", { session: second.id, action }), "answered")
    const again = await bot.form("/oauth2/token", { grant_type: CIBA, auth_req_id: authReqId })
    assert.equal(again.code, "invalid_grant")
    assert.equal((await twin.form("/oauth2/token", { grant_type: CIBA, auth_req_id: authReqId })).code, "invalid_grant")

    const late = "update approvals.requests set use_before = clock_timestamp() where id = $1"
    await at.ground.ours.query(late, [approval])
    assert.notEqual(await verdictWith(token, action), "allow", "after its time")
    const fresh = await tokenFor(7_101)
    const fitting = { ...action, arguments: { employee: "E-7", amount: 7_101 } }
    assert.equal(await verdictWith(fresh.token, fitting), "allow", "and where it belongs it is good")
  })
})

describe("an approval is nothing once what it stood on is over", () => {
  test("after the user took back what the agent may do, and after they signed out", async () => {
    for (const over of ["taken back", "signed out"]) {
      const own = await at.asking("bot", "olga")
      const [used, waiting] = [await at.held(own, { arguments: aRaise }), await at.held(own, { operation: "announce" })]
      assert.equal((await olga.approve(used)).status, 303)
      if (over === "taken back") {
        const browser = at.browserOf("olga")
        const page = await browser.visit(`${at.issuer}/me`)
        await browser.press(page, "Take back what bot may do: Answer your questions")
      } else await at.provider.signOut("olga")
      await until(
        `${over}: ended`,
        async () => (await at.act(own, { approval: used })).verdict === "session-ended",
        patient,
      )
      assert.equal(await at.stateOf(used), "withdrawn")
      if (over === "taken back") assert.equal((await olga.approve(waiting)).code, "approval-over")
      else assert.equal((await olga.send(`/approvals/${waiting}/state`)).code, "login-required")
      assert.equal(await at.stateOf(waiting), "withdrawn", over)
    }
  })

  test("after policies changed: what is approved is not done, and what waits is approved for nothing", async () => {
    const own = await at.asking()
    const [given, waiting] = [await at.held(own, { arguments: aRaise }), await at.held(own, { operation: "announce" })]
    await alice.approve(given)
    const changed = { ...at.configured, purposes: described(at.configured, "Answer other questions") }
    await at.ground.apply(changed)
    const { verdict, reasons } = await at.act(own, { approval: given })
    assert.deepEqual(
      [verdict, reasons.join()],
      ["deny", "Policies changed since approval was asked for. Ask for the action anew."],
    )
    await alice.approve(waiting)
    assert.equal((await at.act(own, { operation: "announce", approval: waiting })).verdict, "deny")
    await at.ground.apply(at.configured)
  })

  test("by a passkey that was revoked a moment ago, after it signed", async () => {
    const id = await at.held(await at.asking("bot", "bob"))
    const card = await bob.card(id)
    const response = bob.answer((await bob.options(card)).options)
    const browser = at.browserOf("bob")
    const page = await browser.visit(`${at.issuer}/me/passkeys`)
    await browser.press(page, "Revoke")
    assert.equal((await bob.decide(card, { decision: "approve", response })).code, "passkey-unknown")
    assert.equal(await at.stateOf(id), "requested")
  })
})

/** A session of the other agent's that was handed on to it. */
async function handedOn(from: Asking, to: Asking): Promise<Asking> {
  const authorizationDetails = [
    { type: "safeconduct_action" as const, actions: ["tool:raise-salary"], locations: ["hr"] },
  ]
  const { delegation } = await from.session.delegate({ agent: "other", purpose: "look-up", authorizationDetails })
  return { ...to, session: await to.sdk.open({ delegation }) }
}

/** Asked by CIBA, signed by Alice, and fetched: over mutual TLS. */
async function tokenFor(amount: number): Promise<{ token: string; approval: string; authReqId: string }> {
  const { id: session } = bot.session
  const { json: hint } = await bot.form("/oauth2/token", {
    grant_type: "client_credentials",
    safeconduct_session: session,
  })
  const details = {
    scope: "openid",
    login_hint_token: String(hint["access_token"]),
    authorization_details: raise(amount),
  }
  const { json: asked } = await bot.form("/oauth2/bc-authorize", details)
  const approval = await at.newest(session)
  assert.equal((await alice.approve(approval)).status, 303)
  const authReqId = String(asked["auth_req_id"])
  const { json } = await bot.form("/oauth2/token", { grant_type: CIBA, auth_req_id: authReqId })
  return { token: String(json["access_token"]), approval, authReqId }
}

async function verdictWith(token: string, action: object): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const body = JSON.stringify({ session: bot.session.id, action })
  const answer = await fetchWith(bot.identity, new URL("/v1/actions", at.one.agentsUrl), {
    method: "POST",
    headers,
    body,
  })
  const json = (await answer.json()) as { verdict?: string; code?: string }
  return String(json.verdict ?? json.code)
}

function described({ purposes }: Document, description: string): Document["purposes"] {
  return { ...purposes, answer: { ...purposes["answer"], description } }
}
