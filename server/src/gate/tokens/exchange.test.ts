import assert from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { after, before as beforeAll, describe, test } from "node:test"
import { decodeJwt, exportJWK } from "jose"
import { admit } from "../admit.ts"
import { before, document, readKb } from "../fixture.ts"
import { openSession } from "../open.ts"
import { setAgentState } from "../stop.ts"
import { exchange } from "./exchange.ts"
import { readExchange } from "./exchange-request.ts"
import type { TokenForm } from "./form.ts"
import { grant } from "./grant.ts"
import { details, issuer, openTestTokens, reading, type TestTokens } from "./tokens.fixture.ts"

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
const agentToken = { type: ACCESS_TOKEN, clients: [], isForUs: true } as const

describe("a token exchange", { timeout: 120_000 }, () => {
  let room: TestTokens
  let { gate, rooms, bot, issue } = {} as TestTokens & Pick<TestTokens, "gate">
  const ask = (form: Partial<TokenForm> = {}, caller = bot) => room.exchange(form, caller)
  const refused = async (code: string, form: Partial<TokenForm>, what = code, caller = bot) => {
    const before = (await gate.entries("gate.session-refused")).length
    await assert.rejects(ask(form, caller), { code }, what)
    const entries = await gate.entries("gate.session-refused")
    assert.deepEqual(
      entries.slice(before).map(({ data }) => data?.["code"]),
      [code],
      `${what}: a refusal is recorded, once`,
    )
  }
  beforeAll(async () => {
    room = await openTestTokens()
    ;({ gate, rooms, bot, issue } = room)
  })
  after(() => room?.[Symbol.asyncDispose]())

  test("needs the user's consent, and names a page where they are asked exactly that", async () => {
    const statement = await room.statement({ safeconduct_request: "Where is my order?" })
    const asked = ask({ authorization_details: JSON.stringify(reading), safeconduct_statement: statement })
    const error = await asked.then(
      () => assert.fail("nobody consented"),
      (refusal: { code: string; detail: { safeconduct_consent_uri: string } }) => refusal,
    )
    assert.equal(error.code, "consent-required")
    const page = new URL(error.detail.safeconduct_consent_uri)
    assert.deepEqual([page.origin, page.pathname], [issuer, "/oauth2/authorize"])
    assert.equal(page.searchParams.get("client_id"), bot.spiffeId)
    const requestUri = page.searchParams.get("request_uri")!
    const begun = await rooms.sessions.consents.begin({ requestUri, client: bot.spiffeId }, "x".repeat(43))
    const { redirectUri, challenge, purpose, application, details: of, requestText, provider } = begun!.asked
    assert.deepEqual(
      { redirectUri, challenge, purpose, application, of, requestText, provider },
      {
        ...{ redirectUri: null, challenge: null, purpose: "answer", application: "shop-web", of: reading },
        requestText: { kind: "application", text: "Where is my order?" },
        provider: "shop",
      },
    )
    const [known] = await gate.entries("sessions.user-known")
    assert.equal(known?.by, bot.spiffeId)
    assert.equal(JSON.stringify(known).includes("alice"), false, "who it is stands in no leaf")
  })

  test("with consent opens a session for the user, through the agent, and tells what was granted", async () => {
    const consent = await room.consent()
    const said = { safeconduct_request: "Where is 4711?", safeconduct_parameters: { order: "4711" } }
    const { session, mandate, token } = await ask({
      safeconduct_statement: await room.statement(said),
      authorization_details: JSON.stringify(reading),
    })
    assert.deepEqual([session.user?.sub, session.application, session.purpose], ["alice", "shop-web", "answer"])
    assert.deepEqual(session.user?.claims, { customer: ["1001"] }, "the claims of this token, not of an earlier one")
    assert.equal(session.providerSession, "login-1")
    assert.equal(session.delegation?.kind === "consent" && session.delegation.consent, consent)
    assert.deepEqual(mandate.details, reading)
    assert.deepEqual(mandate.requestText, { kind: "application", text: "Where is 4711?" })
    assert.deepEqual(mandate.parameters, { order: "4711" })
    assert.ok(session.hardEndAt.getTime() - session.openedAt.getTime() <= 3_600_000, "not longer than consented")
    assert.ok(token.expiresIn <= 300)
    const [opened] = (await gate.entries("sessions.opened")).slice(-1)
    assert.deepEqual([opened?.user, opened?.application], [session.user?.id, "shop-web"])
  })

  test("pitfall 22, impersonation: no token has a user as its subject without saying who acts", async () => {
    const { session, token } = await ask()
    const { access_token: again } = await rooms.sessions.clientCredentials({ safeconduct_session: session.id }, bot)
    for (const text of [token.accessToken, again]) {
      const { sub, sub_id, act, client_id } = decodeJwt(text)
      assert.deepEqual([sub, act, client_id], [session.user?.id, { sub: bot.spiffeId }, bot.spiffeId])
      assert.deepEqual(sub_id, { format: "iss_sub", iss: "https://id.shop.example", sub: "alice" })
    }
  })

  test("gives no more than the user granted, whatever is asked for", async () => {
    await room.consent(reading)
    assert.deepEqual((await ask()).mandate.details, reading, "who asks for nothing in particular gets what was granted")
    await refused("consent-required", { authorization_details: JSON.stringify(details) }, "more than was granted")
    const narrowed = issue({ details: [{ ...reading[0]!, actions: ["tool:ask"] }] })
    await refused("purpose-not-allowed", { subject_token: narrowed }, "nothing in common with the token's own details")
    await room.consent()
  })

  test("pitfall 21, widening: a token of ours is exchanged for nothing, whosever session it is of", async () => {
    const { token } = await ask({ authorization_details: JSON.stringify(reading) })
    const { token: others } = await ask()
    for (const { accessToken } of [token, others]) {
      for (const type of [ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"]) {
        const form = { subject_token: accessToken, subject_token_type: type }
        await refused("subject-token-invalid", { ...form, authorization_details: JSON.stringify(details) })
      }
      await refused("invalid-request", { actor_token: accessToken, actor_token_type: ACCESS_TOKEN }, "as an actor")
    }
  })

  test("pitfall 13, confused deputy: a token that was issued to somebody else gets nothing", async () => {
    for (const [what, more] of Object.entries({
      "another client": { clients: ["other-client"] },
      "another client beside ours": { clients: ["other-client", "shop-client"] },
      "no client": { clients: [] },
      ourselves: { clients: [], isForUs: true },
    })) {
      await refused("subject-token-invalid", { subject_token: issue(more) }, what)
    }
    const other = await gate.instance("other")
    await refused("subject-token-invalid", {}, "an agent that the application may not invoke", other)
  })

  test("pitfall 9, wrong user: one user's consent is nobody else's", async () => {
    await refused("consent-required", { subject_token: issue({ sub: "bob" }) })
    const elsewhere = issue({ iss: "https://evil.example", sub: "alice" })
    await refused("consent-required", { subject_token: elsewhere }, "the same subject of another issuer")
  })

  test("an actor can be nobody but the client, by a token of its own that is bound to its key", async () => {
    const keyed = { ...bot, confirmation: { jkt: "key-1" } }
    const own = (caller: typeof bot) => rooms.sessions.clientCredentials({}, caller)
    const actor = { actor_token_type: ACCESS_TOKEN, actor_token: (await own(keyed)).access_token }
    await ask(actor, keyed)
    await refused("invalid-request", actor, "another key", { ...bot, confirmation: { jkt: "key-2" } })
    const other = { ...(await gate.instance("other")), confirmation: { jkt: "key-1" } }
    const theirs = { ...actor, actor_token: (await own(other)).access_token }
    await refused("invalid-request", theirs, "another agent's, by whatever key", keyed)
    await refused("invalid-request", { ...actor, actor_token: "a.b.c" }, "no token", keyed)
  })

  test("pitfall 12, replay: a statement is good once, at whatever server", async () => {
    const two = await gate.another()
    const statement = await room.statement({ safeconduct_request: "Once" })
    const form = { safeconduct_statement: statement }
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, (_, at) => room.exchange(form, bot, at % 2 === 0 ? gate.rooms : two.rooms)),
    )
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1)
    for (const each of tries) if (each.status === "rejected") assert.equal(each.reason.code, "statement-invalid")
    await refused("statement-invalid", form)
  })

  test("a statement that says whose it is goes with no other user's token, however much the agent holds of both", async () => {
    await room.consent()
    const alice = { iss: "https://id.shop.example", sub: "alice" }
    const said = { safeconduct_request: "Refund order 666" }
    for (const safeconduct_user of [
      { ...alice, sub: "mallory" },
      { ...alice, iss: "https://id.evil.example" },
    ]) {
      await refused("statement-invalid", {
        safeconduct_statement: await room.statement({ ...said, safeconduct_user }),
      })
    }
    const own = await room.statement({ ...said, safeconduct_user: alice })
    assert.equal((await ask({ safeconduct_statement: own })).mandate.requestText?.text, said.safeconduct_request)
  })

  test("a statement by another application than the token's, or by a key that is an agent's, is refused", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: "shop-1" }
    const web = { description: "Another", agents: ["bot"], keys: [jwk] }
    const shop = { description: "The shop", agents: ["bot"], providers: { shop: ["shop-client"] } }
    await room.apply({ applications: { "shop-web": shop, "other-web": web } })
    const foreign = await room.statement({ iss: "other-web" }, {}, pair.privateKey)
    await refused("statement-invalid", { safeconduct_statement: foreign }, "another application")
    await room.apply({ applications: { "shop-web": { ...shop, keys: [jwk] } } })
    const isEnrolled = async () => true
    const enrolled = { ...rooms, agents: { ...rooms.agents, isEnrolled } }
    const form = { safeconduct_statement: await room.statement({}, {}, pair.privateKey) }
    await assert.rejects(room.exchange(form, bot, enrolled), { code: "statement-invalid" })
    await room.exchange(form)
    await room.apply()
  })

  test("of two applications with one client, the one that signs a statement is meant", async () => {
    const { "shop-web": shop } = (rooms.policy.version()!.document as { applications: { [name: string]: object } })
      .applications
    await room.apply({ applications: { "shop-web": shop, twin: { ...shop, keys: [] } } })
    await refused("subject-token-invalid", {}, "nobody could say which")
    const { session } = await ask({ safeconduct_statement: await room.statement() })
    assert.equal(session.application, "shop-web")
    await room.apply()
  })

  test("a parameter that a purpose requires has to be signed, and is what its purpose declares", async () => {
    const { answer } = document.purposes
    const order = { description: "The order" }
    await room.apply({ purposes: { answer: { ...answer, consent: "required", parameters: { order } } } })
    await refused("statement-invalid", {}, "none")
    await refused("statement-invalid", { safeconduct_statement: await room.statement() }, "not that one")
    const signed = await room.statement({ safeconduct_parameters: { order: "4711" } })
    assert.deepEqual((await ask({ safeconduct_statement: signed })).mandate.parameters, { order: "4711" })
    await room.apply()
  })

  describe("by the provider's word", () => {
    const delegated = (agent = "bot", more: object = {}) =>
      issue({
        ...agentToken,
        sub: "carol",
        jti: `jti-${Math.random()}-12345678`,
        delegated: { agent, actor: "client-of-bot", before: ["bot", "spiffe://example.org/agent/other"] },
        clients: ["client-of-bot"],
        details: reading,
        ...more,
      })
    const form = (subject_token: string) => ({ subject_token, subject_token_type: ACCESS_TOKEN })

    test("a token that the provider issued to the agent opens a session without our page, for what it grants", async () => {
      const { session, mandate } = await ask(form(delegated("bot", { expiresAtMs: Date.now() + 120_000 })))
      assert.deepEqual([session.user?.sub, session.application], ["carol", null])
      assert.equal(session.delegation?.kind === "provider" && session.delegation.claim, "act")
      assert.deepEqual(mandate.details, reading)
      assert.ok(session.hardEndAt.getTime() <= Date.now() + 121_000, "it does not outlive the token")
      const { act } = decodeJwt((await ask(form(delegated()))).token.accessToken)
      assert.deepEqual(act, { sub: bot.spiffeId }, "who acted before it elsewhere is not our actor")
    })

    test("pitfall 21, swapped actor: a token for another agent gets nothing, whoever stands within its act", async () => {
      await refused("subject-token-invalid", form(delegated("other")), "bot is an inner actor only")
      const other = await gate.instance("other")
      await refused("subject-token-invalid", form(delegated("bot")), "another agent shows it", other)
    })

    test("pitfall 12, replay: it is good once, at whatever server, and has to have a jti", async () => {
      const two = await gate.another()
      const token = form(delegated())
      const tries = await Promise.allSettled(
        Array.from({ length: 6 }, (_, at) => room.exchange(token, bot, at % 2 === 0 ? gate.rooms : two.rooms)),
      )
      assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1)
      await refused("subject-token-invalid", token)
      await refused("subject-token-invalid", form(delegated("bot", { jti: null })), "no jti")
    })

    test("grants never more than it says, and an empty list grants nothing", async () => {
      const wide = { ...form(delegated()), authorization_details: JSON.stringify(details) }
      assert.deepEqual((await ask(wide)).mandate.details, reading)
      await refused("purpose-not-allowed", form(delegated("bot", { details: [] })))
      await refused("subject-token-invalid", form(delegated("bot", { purpose: "another" })), "for another purpose")
      await refused("subject-token-invalid", form(delegated("bot", { expiresAtMs: Date.now() - 1_000 })), "over")
    })

    test("a user's token that names who may act needs no page either; one that names another agent does", async () => {
      const may = (agent: string) => issue({ sub: "dave", mayAct: [{ agent, claim: "may_act" }] })
      const { session } = await ask({ subject_token: may("bot") })
      assert.equal(session.delegation?.kind === "provider" && session.delegation.claim, "may_act")
      assert.equal(session.application, "shop-web")
      await refused("consent-required", { subject_token: may("other") })
      await ask({ subject_token: may("bot") })
    })

    test("an ID-JAG is the agent's as its client, once; one that is an application's takes the user's consent", async () => {
      const jag = (client: string, more: object = {}) => ({
        subject_token: issue({
          ...agentToken,
          type: ID_JAG,
          sub: "erin",
          clients: [client],
          jti: "jti-jag-1",
          ...more,
        }),
        subject_token_type: ID_JAG,
      })
      const { session } = await ask(jag(bot.spiffeId))
      assert.equal(session.delegation?.kind === "provider" && session.delegation.claim, "client_id")
      await refused("subject-token-invalid", jag(bot.spiffeId), "the same jti")
      await refused("subject-token-invalid", jag("spiffe://example.org/agent/other"), "another client")
      await refused("consent-required", jag("shop-client", { jti: "jti-jag-2" }))
    })
  })

  test("an ID-JAG is a grant of its own too (RFC 7523), whose refusals are invalid_grant, and gives no refresh token", async () => {
    const clients = [bot.spiffeId]
    const jag = { ...agentToken, type: ID_JAG, sub: "frank", clients, jti: "jti-jag-bearer" } as const
    const form = {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: issue(jag),
      safeconduct_purpose: "answer",
    }
    const { access_token: _, expires_in: __, ...said } = await grant(rooms, bot, form)
    const [session] = await rooms.sessions.list(bot, { limit: 1 })
    assert.equal(session?.user?.sub, "frank")
    assert.deepEqual(said, { token_type: "Bearer", authorization_details: details, safeconduct_session: session?.id })
    await assert.rejects(grant(rooms, bot, form), { code: "grant-invalid" }, "the same jti")
    const other = { ...form, assertion: issue({ ...jag, jti: "jti-jag-other", clients: ["somebody"] }) }
    await assert.rejects(grant(rooms, bot, other), { code: "grant-invalid" }, "another client's")
  })

  test("pitfall 10, revoked meanwhile: nothing is opened by a consent that was taken back, or an agent that was stopped", async () => {
    const consent = await room.consent()
    const user = (await rooms.sessions.findUser({ iss: "https://id.shop.example", sub: "alice" }))!
    const form = (): TokenForm => ({
      grant_type: "",
      subject_token: issue(),
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      safeconduct_purpose: "answer",
    })
    const open = (at: typeof rooms) => exchange(at, bot, readExchange(issuer, form(), false))
    const revoking = before(rooms, async (commit) => {
      if (commit === 1) await gate.rooms.audit.commit(rooms.sessions.consents.revoke(consent, { ...user, claims: {} }))
    })
    await assert.rejects(open(revoking), { code: "consent-required" })
    const older = await room.consent()
    const replacing = before(rooms, async (commit) => {
      if (commit === 1) await room.consent(reading)
    })
    await assert.rejects(open(replacing), { code: "consent-required" }, `another stands in the place of ${older}`)
    await setAgentState(rooms, gate.operator, "bot", "suspended", "test")
    await assert.rejects(open(rooms), { code: "agent-suspended" })
    await setAgentState(rooms, gate.operator, "bot", "active", "test")
    await room.consent()
    const findUser = async () => {
      await room.apply({ applications: {} })
      return user
    }
    const leaving = { ...rooms.sessions, findUser }
    await assert.rejects(
      open({ ...rooms, sessions: leaving }),
      { code: "subject-token-invalid" },
      "no application any more",
    )
    await room.apply()
  })

  test("pitfall 10, signed out: a token of a login that is over opens nothing, however long it is good", async () => {
    const over = { iss: "https://id.shop.example", sub: null, sid: "login-7", issuedAtMs: Date.now() }
    await ask({ subject_token: issue({ sid: "login-7" }) })
    await gate.rooms.audit.commit(rooms.sessions.logins.ending(over))
    await refused("subject-token-invalid", { subject_token: issue({ sid: "login-7" }) })
    await ask()
  })

  test("pitfall 10, ended by the user: what they gave before opens nothing again; they are asked, or sign in anew", async () => {
    const earlier = { issuedAtMs: Date.now() - 5_000 }
    const carried = { ...earlier, mayAct: [{ agent: "bot", claim: "may_act" }] }
    const { session } = await ask({ subject_token: issue(earlier) })
    await rooms.audit.commit(rooms.sessions.end(session.id, "withdrawn", session.user!.id))
    await refused("consent-required", { subject_token: issue(earlier) })
    await refused("subject-token-invalid", { subject_token: issue(carried) })
    await ask({ subject_token: issue({ issuedAtMs: Date.now() + 1_000 }) })
    await room.consent()
    await ask({ subject_token: issue(earlier) })
  })

  test("pitfall 10, taken out meanwhile: a session is ended when its application or its provider is gone as it opens", async () => {
    const parts = [{ applications: {} }, { applications: {}, providers: {} }]
    for (const part of parts) {
      let commits = 0
      const leaving = before(rooms, async () => {
        commits += 1
        if (commits === 1) await room.apply(part)
      })
      await assert.rejects(room.exchange({}, bot, leaving), { code: "epoch-changed" })
      const [newest] = await rooms.sessions.list(bot, { limit: 1 })
      assert.equal(newest?.state, "ended")
      await room.apply()
    }
  })

  test("a session that was opened so does what it may, and nothing beside", async () => {
    const { session } = await ask({ authorization_details: JSON.stringify(reading) })
    const verdict = async (operation: string) =>
      (await admit(rooms, bot, { session: session.id, action: { ...readKb, operation }, idempotencyKey: null }))
        .decision.verdict
    assert.deepEqual([await verdict("read"), await verdict("write")], ["allow", "deny"])
    await assert.rejects(openSession(rooms, bot, { purpose: "answer" }), { code: "consent-required" })
  })
})
