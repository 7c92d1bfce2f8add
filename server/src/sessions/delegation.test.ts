import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeJwt } from "jose"
import { refusalCode } from "#kernel"
import { agent, details, openTestSessions, type TestSessions } from "./fixture.ts"
import type { Session } from "./index.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const end = (room: TestSessions, id: string, reason: "ended" | "withdrawn" = "ended") =>
  room.audit.commit(room.sessions.end(id, reason, "server"))

test("a session for a user stands for them: in its row, its mandate, its entry and its token", async () => {
  await using room = await openTestSessions()
  const requestText = { kind: "application", text: "Where is order 17?" } as const
  const delegation = await room.delegation({ requestText, parameters: { order: 17 }, providerSession: "sid-1" })
  const session = await room.open(agent(), { delegation })
  assert.deepEqual(session.user, delegation.user)
  const { mandate } = await room.sessions.standing(session.id, agent())
  assert.deepEqual(mandate.user, delegation.user)
  assert.deepEqual([mandate.requestText, mandate.parameters], [requestText, { order: 17 }])
  const { entries } = await room.audit.entries({ session: session.id })
  const { leaf } = entries[0]!
  assert.deepEqual([leaf.user, leaf.application, leaf.purpose], [delegation.user.id, "shop-web", "answer-questions"])
  assert.deepEqual(leaf.data!["delegation"], delegation.by)
  // What people say, and who they are at their provider, is personal.
  assert.deepEqual(Object.keys(leaf.commitments!).sort(), ["authorizationDetails", "parameters", "request"])
  assert.doesNotMatch(JSON.stringify(leaf), /alice|order 17|id\.shop/)
  const { result } = await room.audit.commit(
    room.sessions.withToken({ work: async () => session, entries: () => [] }, agent()),
  )
  const claims = decodeJwt(result.token.accessToken)
  assert.equal(claims.sub, delegation.user.id)
  assert.deepEqual(claims["sub_id"], { format: "iss_sub", iss: "https://id.shop.example", sub: "alice" })
  assert.deepEqual(claims["act"], { sub: agent().spiffeId })
  assert.equal(claims["client_id"], agent().spiffeId)
})

test("a person is known by issuer and subject, once, also when they are seen for the first time twice at once", async () => {
  await using room = await openTestSessions()
  const known = await Promise.all(Array.from({ length: 8 }, () => room.delegation()))
  assert.equal(new Set(known.map(({ user }) => user.id)).size, 1)
  const seen = { provider: "shop", iss: "https://id.shop.example", sub: "bob", claims: {} }
  const { result: bob } = await room.audit.commit(room.sessions.rememberUser(seen, "server"))
  // Another issuer's alice is somebody else.
  const elsewhere = { ...seen, iss: "https://id.other.example", sub: "alice" }
  const { result: other } = await room.audit.commit(room.sessions.rememberUser(elsewhere, "server"))
  assert.equal(new Set([known[0]!.user.id, bob.id, other.id]).size, 3)
  const entries = (await room.entries()).filter(({ event }) => event === "sessions.user-known")
  assert.equal(entries.length, 3)
  assert.equal((await room.sessions.findUser({ id: bob.id }))!.sub, "bob")
  assert.equal(await room.sessions.findUser({ iss: "https://id.shop.example", sub: "carol" }), null)
})

test("what the user granted bounds the mandate, and an empty grant opens nothing", async () => {
  await using room = await openTestSessions()
  const wide = [{ ...details[0], actions: ["credential:read", "credential:write"] }]
  await room.purposes({}, wide)
  const session = await room.open(agent(), { ceiling: wide, delegation: await room.delegation() })
  const { mandate } = await room.sessions.standing(session.id, agent())
  assert.deepEqual(mandate.details, details)
  const nothing = { delegation: await room.delegation({ details: [] }) }
  await assert.rejects(room.open(agent(), nothing), refusesWith("purpose-not-allowed"))
})

test("a purpose that demands a user is opened for nobody else", async () => {
  await using room = await openTestSessions()
  const definition = { description: "Answer questions", actions: details, consent: "required" }
  const part = room.sessions.parse({ purposes: { "answer-questions": definition } })
  await room.audit.commit(room.sessions.replace(part, "server"))
  await room.epoch.refresh()
  await assert.rejects(room.open(), refusesWith("consent-required"))
  assert.equal((await room.open(agent(), { delegation: await room.delegation() })).purpose, "answer-questions")
})

test("a row that was altered to stand for somebody else may do nothing", async () => {
  await using room = await openTestSessions()
  const { user } = await room.delegation()
  const alter: [string, string][] = [
    [`"user" = jsonb_set("user", '{sub}', '"bob"')`, "another subject"],
    [`"user" = jsonb_set("user", '{claims,customer}', '["1002"]')`, "other claims"],
    [`"user" = null`, "nobody"],
    [`application = 'other-web'`, "another application"],
    [`chain = '[{"session":"session_x","agent":"other","instance":"instance_2"}]'`, "another chain"],
    [`parent = (select min(id) from sessions.sessions)`, "another parent"],
  ]
  for (const [assignment, what] of alter) {
    const session = await room.open(agent(), { delegation: { ...(await room.delegation()), user } })
    await room.store.owner.query(`update sessions.sessions set ${assignment} where id = $1`, [session.id])
    await assert.rejects(room.sessions.standing(session.id, agent()), refusesWith("outside-mandate"), what)
  }
})

test("everything beneath a session ends with it, recorded each, and nothing comes beneath it any more", async () => {
  await using room = await openTestSessions()
  const [top, middle, low, beside] = await Promise.all([room.open(), room.open(), room.open(), room.open()])
  const under = (child: Session, parent: Session) =>
    room.store.owner.query("update sessions.sessions set parent = $2 where id = $1", [child.id, parent.id])
  await under(middle, top)
  await under(low, middle)
  const { result } = await end(room, top.id, "withdrawn")
  assert.deepEqual(
    result.beneath.map(({ id, endReason }) => [id, endReason]),
    [
      [middle.id, "parent-ended"],
      [low.id, "parent-ended"],
    ],
  )
  assert.equal(result.endReason, "withdrawn")
  const ended = (await room.entries()).filter(({ event }) => event === "sessions.ended")
  assert.deepEqual(
    ended.map(({ data }) => data!["reason"]),
    ["withdrawn", "parent-ended", "parent-ended"],
  )
  assert.equal((await room.sessions.standing(beside.id, agent())).session.state, "open")
  await assert.rejects(room.sessions.standing(low.id, agent()), refusesWith("session-ended"))
  assert.deepEqual((await end(room, top.id)).result.beneath, [])
})
