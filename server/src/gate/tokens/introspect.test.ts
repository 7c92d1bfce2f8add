import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { parseDetails } from "#sessions"
import { endSession } from "../end.ts"
import { document, readKb } from "../fixture.ts"
import type { Opened } from "../open.ts"
import { setAgentState } from "../stop.ts"
import { introspect } from "./introspect.ts"
import { revokeToken } from "./revoke.ts"
import { details, openTestTokens, reading, type TestTokens } from "./tokens.fixture.ts"

const inactive = { active: false }

describe("a token that somebody asks about or revokes", { timeout: 120_000 }, () => {
  let room: TestTokens
  let { gate, rooms, bot } = {} as TestTokens
  const guard = () => rooms.sessions.application("shop-web")!
  const ask = ({ token }: Opened, at = rooms) => introspect(at, guard(), token.accessToken)
  before(async () => {
    room = await openTestTokens()
    ;({ gate, rooms, bot } = room)
    await room.consent()
  })
  after(() => room?.[Symbol.asyncDispose]())

  test("is what it says, to whoever guards a resource that it allows something at", async () => {
    const opened = await room.exchange({ authorization_details: JSON.stringify(reading) })
    const { session, token } = opened
    const { exp, iat, ...said } = (await ask(opened)) as { exp: number; iat: number }
    assert.deepEqual(said, {
      ...{ active: true, iss: rooms.sessions.issuer, aud: rooms.sessions.issuer, token_type: "Bearer", jti: token.jti },
      sub: session.user?.id,
      sub_id: { format: "iss_sub", iss: "https://id.shop.example", sub: "alice" },
      client_id: bot.spiffeId,
      act: { sub: bot.spiffeId },
      authorization_details: reading,
      cnf: bot.confirmation,
      safeconduct_session: session.id,
    })
    assert.equal(exp - iat, token.expiresIn)
    const keyed = await room.exchange({}, { ...bot, confirmation: { jkt: "key-1" } })
    const bound = await ask(keyed)
    assert.deepEqual(bound.active && [bound.token_type, bound.cnf], ["DPoP", { jkt: "key-1" }])
  })

  test("is not active for whoever guards something else, or nothing, and shows no other location (RFC 9396 §9.2)", async () => {
    const opened = await room.exchange()
    const { accessToken } = opened.token
    for (const resources of [[], ["elsewhere"]]) {
      assert.deepEqual(await introspect(rooms, { ...guard(), resources }, accessToken), inactive)
    }
    const both = parseDetails([{ ...details[0], locations: ["kb", "crm"] }])
    const { answer } = document.purposes
    await room.apply({
      resources: { kb: { engine: "fake" }, crm: { engine: "fake" } },
      purposes: { answer: { ...answer, actions: both, consent: "required" } },
      agents: { bot: { ...document.agents.bot, ceiling: both } },
    })
    await room.consent(both)
    const wide = await room.exchange()
    const shown = await ask(wide)
    assert.deepEqual(wide.mandate.details[0]?.locations, ["kb", "crm"])
    assert.deepEqual(shown.active && shown.authorization_details[0]?.locations, ["kb"])
    await endSession(rooms, wide.session.id, "ended", "server")
    await room.apply()
    await room.consent()
  })

  test("is nothing when it is not ours, not signed by us, or an agent's own", async () => {
    const { accessToken } = (await room.exchange()).token
    const [header, payload] = accessToken.split(".")
    const { access_token: own } = await rooms.sessions.clientCredentials({}, { ...bot, confirmation: { jkt: "k" } })
    const { mandate } = (await room.exchange()).session
    for (const token of ["", "a.b.c", `${header}.${payload}.`, accessToken.slice(0, -3), own, mandate]) {
      assert.deepEqual(await introspect(rooms, guard(), token), inactive, token)
    }
  })

  test("pitfall 23, revocation lag: is nothing from the moment that its session is over, on every server", async () => {
    const two = await gate.another()
    const at = { ...two.rooms }
    const opened = await room.exchange()
    assert.equal((await ask(opened, at)).active, true)
    await rooms.audit.commit(rooms.sessions.end(opened.session.id, "withdrawn", "server"))
    // The other server has not heard of it.
    assert.deepEqual(await ask(opened, at), inactive)

    const overdue = await room.exchange()
    await gate.store.owner.query("update sessions.sessions set expires_at = now() where id = $1", [overdue.session.id])
    assert.deepEqual(await ask(overdue), inactive, "past its expiry, and not swept yet")
    const altered = await room.exchange()
    const other = await room.exchange()
    const sql = "update sessions.sessions set mandate = $2 where id = $1"
    await gate.store.owner.query(sql, [altered.session.id, other.session.mandate])
    assert.deepEqual(await ask(altered), inactive, "the mandate is another session's")
  })

  test("is nothing while its agent may not act, and no more than its agent may do now", async () => {
    const opened = await room.exchange()
    await room.apply({ agents: { bot: { ...document.agents.bot, ceiling: reading } } })
    const narrowed = await ask(opened)
    assert.deepEqual(narrowed.active && narrowed.authorization_details, reading)
    await room.apply({ agents: { bot: { ...document.agents.bot, purposes: [] } } })
    assert.deepEqual(await ask(opened), inactive)
    await room.apply()
    const revoked = await gate.instance()
    const of = await room.exchange({}, revoked)
    using _ = rooms.agents.revokeHere(revoked.instance)
    assert.deepEqual(await ask(of), inactive, "its instance is revoked, and the database has not been told")
    await setAgentState(rooms, gate.operator, "bot", "suspended", "test")
    assert.deepEqual(await ask(opened), inactive)
    await setAgentState(rooms, gate.operator, "bot", "active", "test")
  })

  test("revoked by its client ends the session with all its credentials and other tokens, and may be repeated", async () => {
    const opened = await room.exchange()
    const { session, token } = opened
    const { access_token: another } = await rooms.sessions.clientCredentials({ safeconduct_session: session.id }, bot)
    const { handed } = await gate.lease(session.id)
    assert.equal(gate.resource.accounts.has(handed!.lease.roleName), true)
    await revokeToken(rooms, bot, token.accessToken)
    await revokeToken(rooms, bot, another)
    const { state, endReason } = await rooms.sessions.find(session.id, bot)
    assert.deepEqual([state, endReason], ["ended", "ended"])
    assert.deepEqual(await introspect(rooms, guard(), another), inactive)
    await assert.rejects(gate.lease(session.id), { code: "session-ended" })
    assert.equal(gate.resource.accounts.has(handed!.lease.roleName), false)
    const [ended] = (await gate.entries("sessions.ended")).slice(-1)
    assert.equal(ended?.by, bot.spiffeId)
  })

  test("is revoked by nobody else, and what is no token needs no revoking (RFC 7009 §2.2)", async () => {
    const { session, token } = await room.exchange()
    const strangers = [await gate.instance("other"), await gate.instance("bot")]
    for (const stranger of strangers) {
      await assert.rejects(revokeToken(rooms, stranger, token.accessToken), { code: "invalid-request" })
    }
    for (const text of ["", "a.b.c", `${token.accessToken}x`]) await revokeToken(rooms, bot, text)
    assert.equal((await rooms.sessions.find(session.id, bot)).state, "open")
    const { access_token: own } = await rooms.sessions.clientCredentials({}, { ...bot, confirmation: { jkt: "k" } })
    await assert.rejects(revokeToken(rooms, bot, own), { code: "token-type-unsupported" })
  })

  test("is revoked here while the database is gone: taking away waits for nobody", async () => {
    const opened = await room.exchange()
    assert.equal((await gate.lease(opened.session.id)).decision.verdict, "allow")
    await gate.unplugged(() => revokeToken(rooms, bot, opened.token.accessToken))
    const action = { session: opened.session.id, action: readKb }
    await assert.rejects(gate.lease(action.session), { code: "session-ended" })
    await gate.rooms.owed.enter()
    assert.equal((await rooms.sessions.find(opened.session.id, bot)).state, "ended")
  })
})
