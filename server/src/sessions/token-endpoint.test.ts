import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeJwt } from "jose"
import { refusalCode } from "#kernel"
import { agent, nobody, openTestSessions } from "./fixture.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code

test("the token endpoint gives a recorded token for the caller's own open session", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const body = { safeconduct_session: session.id }
  const answer = await room.sessions.clientCredentials(body, agent({ confirmation: { "x5t#S256": "renewed" } }))
  assert.deepEqual([answer.token_type, answer.expires_in], ["Bearer", 300])
  assert.deepEqual(decodeJwt(answer.access_token)["cnf"], { "x5t#S256": "renewed" })
  assert.equal((await room.entries()).at(-1)!.event, "sessions.token-issued")
})

test("the token endpoint gives no token for a session that ends while it is made", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const end = () => room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  const commit: typeof room.audit.commit = async (change) => {
    await end()
    return await room.audit.commit(change)
  }
  const { sessions } = await room.another({ audit: { ...room.audit, commit } })
  const form = { safeconduct_session: session.id }
  await assert.rejects(sessions.clientCredentials(form, agent()), refusesWith("session-ended"))
  assert.deepEqual(
    (await room.entries()).map(({ event }) => event),
    ["sessions.opened", "sessions.ended"],
  )
})

test("an agent that proved its key gets a token bound to it, for a session or for none yet", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const caller = agent({ confirmation: { jkt: "key-1" } })
  const ask = async (body: object) => await room.sessions.clientCredentials(body, caller)
  const own = await ask({})
  const { cnf, safeconduct_session, authorization_details } = decodeJwt(own.access_token)
  assert.deepEqual([own.token_type, cnf, safeconduct_session], ["DPoP", { jkt: "key-1" }, undefined])
  assert.deepEqual(authorization_details, [], "an empty list allows nothing")
  const [entry] = (await room.audit.entries({})).entries.slice(-1)
  const { name, instance, serial: svid } = caller
  assert.deepEqual(entry!.leaf.agent, { name, instance, svid, proof: "dpop" })
  assert.equal(entry!.leaf.session, undefined)
  const of = await ask({ safeconduct_session: session.id })
  assert.equal((await room.sessions.verifyToken(of.access_token, { jkt: "key-1" })).safeconduct_session, session.id)
  for (const wrong of [{ jkt: "key-2" }, { "x5t#S256": "key-1" }, { "x5t#S256": "thumbprint-1" }]) {
    await assert.rejects(room.sessions.verifyToken(of.access_token, wrong), refusesWith("token-invalid"))
  }
})

test("a request with one session's token sees that session alone, and stands in no other", async () => {
  await using room = await openTestSessions()
  const [one, two] = [await room.open(), await room.open()]
  const caller = agent({ onlySession: one.id })
  assert.deepEqual(
    (await room.sessions.list(caller)).map(({ id }) => id),
    [one.id],
  )
  await room.sessions.standing(one.id, caller)
  await assert.rejects(room.sessions.standing(two.id, caller), refusesWith("token-invalid"))
  const body = { safeconduct_session: two.id }
  await assert.rejects(room.sessions.clientCredentials(body, caller), refusesWith("token-invalid"))
})

test("the token endpoint refuses everything that is not exactly that", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const good = { safeconduct_session: session.id }
  const ask = (body: object, caller = agent()) => room.sessions.clientCredentials(body, caller)
  await assert.rejects(ask({}), refusesWith("invalid-request"))
  await assert.rejects(ask({ ...good, scope: "everything" }), refusesWith("scope-invalid"))
  await assert.rejects(ask({ ...good, client_assertion: "a.b.c" }), refusesWith("identity-unknown"), "two methods")
  await assert.rejects(ask({ ...good, authorization_details: "[]" }), refusesWith("invalid-request"))
  await assert.rejects(ask({ ...good, client_id: "spiffe://example.org/agent/other" }), refusesWith("identity-unknown"))
  await assert.rejects(ask({ ...good, safeconduct_session: nobody() }), refusesWith("session-unknown"))
  await assert.rejects(ask(good, agent({ instance: "instance_2" })), refusesWith("session-unknown"))
  await room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  // Not even while this server has not heard of the end.
  await assert.rejects(ask(good), refusesWith("session-ended"))
  assert.equal(
    (await room.entries()).some(({ event }) => event === "sessions.token-issued"),
    false,
  )
})
