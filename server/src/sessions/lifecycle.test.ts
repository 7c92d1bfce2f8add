import assert from "node:assert/strict"
import { test } from "node:test"
import type { Change } from "#audit"
import { refusalCode, type Transaction } from "#kernel"
import { agent, details, nobody, openTestSessions, readKb, type TestSessions } from "./fixture.ts"
import { allows, type Session } from "./index.ts"
import { transactionTime } from "./store.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const commit = async <R>(room: TestSessions, change: Change<R>) => (await room.audit.commit(change)).result
const seconds = (session: Session, until: "expiresAt" | "hardEndAt") =>
  Math.round((session[until].getTime() - session.openedAt.getTime()) / 1000)

test("a session lives as long as its purpose says, or shorter when asked, never longer", async () => {
  await using room = await openTestSessions()
  const usual = await room.open()
  assert.deepEqual([seconds(usual, "expiresAt"), seconds(usual, "hardEndAt")], [900, 28_800])
  const short = await room.open(agent(), { lifetimeSeconds: 60, hardEndSeconds: 120 })
  assert.deepEqual([seconds(short, "expiresAt"), seconds(short, "hardEndAt")], [60, 120])
  const greedy = await room.open(agent(), { lifetimeSeconds: 86_400, hardEndSeconds: 864_000 })
  assert.deepEqual([seconds(greedy, "expiresAt"), seconds(greedy, "hardEndAt")], [900, 28_800])
  const brief = await room.open(agent(), { hardEndSeconds: 2 })
  assert.deepEqual([seconds(brief, "expiresAt"), seconds(brief, "hardEndAt")], [2, 2])
})

test("sessions that open in one transaction ask for its time once, and those of the next one anew", async () => {
  let asked = 0
  const transaction = (): Transaction => ({ query: async () => [{ ms: ++asked }] as never })
  const [one, other] = [transaction(), transaction()]
  assert.deepEqual(await Promise.all([one, one, other, one].map(transactionTime)), [1, 1, 2, 1])
})

test("opening records for whom, what for and with what authority", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const [entry] = await room.entries()
  assert.equal(entry!.event, "sessions.opened")
  assert.equal(entry!.by, "spiffe://example.org/agent/support-bot")
  const data = entry!.data as { authorizationDetails: unknown; requestText: string; mandate: string }
  assert.deepEqual(data.authorizationDetails, details)
  assert.equal(data.requestText, "none")
  const { mandate } = await room.sessions.standing(session.id, agent())
  assert.equal(data.mandate, mandate.digest)
})

test("a mandate is what the purpose and the ceiling both allow", async () => {
  await using room = await openTestSessions()
  await room.purposes({}, [
    { ...details[0], actions: ["credential:read", "credential:write"], locations: ["kb", "crm"] },
  ])
  const session = await room.open()
  const { mandate } = await room.sessions.standing(session.id, agent())
  assert.equal(mandate.requestText, null)
  assert.ok(allows(mandate.details, readKb))
  assert.equal(allows(mandate.details, { ...readKb, operation: "write" }), false)
  assert.equal(allows(mandate.details, { ...readKb, resource: "crm" }), false)
})

test("a purpose that is unknown, not the agent's, or beyond its ceiling is not opened", async () => {
  await using room = await openTestSessions()
  const opening = { caller: agent(), purpose: "answer-questions", purposes: ["answer-questions"], ceiling: details }
  const { sessions } = room
  assert.throws(() => sessions.open({ ...opening, purpose: "refunds" }), refusesWith("purpose-unknown"))
  assert.throws(() => sessions.open({ ...opening, purposes: ["refunds"] }), refusesWith("purpose-not-allowed"))
  const elsewhere = [{ ...details[0], locations: ["bank"] }]
  assert.throws(() => sessions.open({ ...opening, ceiling: elsewhere }), refusesWith("purpose-not-allowed"))
  assert.throws(() => sessions.open({ ...opening, ceiling: [{ any: "thing" }] }), refusesWith("purpose-not-allowed"))
  assert.deepEqual(await room.entries(), [])
})

test("renewing gives another lifetime, never past the hard end", async () => {
  await using room = await openTestSessions()
  const session = await room.open(agent(), { lifetimeSeconds: 600, hardEndSeconds: 900 })
  await room.age(session.id, 200)
  room.sessions.touch(session.id)
  const renewed = await commit(room, room.sessions.renew(session, agent()))
  assert.equal(seconds(renewed, "expiresAt"), 800)
  await room.age(session.id, 400)
  const last = await commit(room, room.sessions.renew(session, agent()))
  assert.equal(last.expiresAt.getTime(), last.hardEndAt.getTime())
  const again = await commit(room, room.sessions.renew(session, agent()))
  assert.equal(again.expiresAt.getTime(), last.hardEndAt.getTime())
  assert.equal((await room.entries()).at(-1)!.event, "sessions.renewed")
})

test("a session that nobody used for its idle time is not renewed, unless its leases were", async () => {
  await using room = await openTestSessions()
  await room.purposes({ lifetimeSeconds: 1000, idleSeconds: 300 })
  const idle = await room.open()
  await room.age(idle.id, 301)
  await assert.rejects(commit(room, room.sessions.renew(idle, agent())), refusesWith("session-idle"))
  await assert.rejects(
    commit(room, room.sessions.renew(idle, agent(), Date.now() - 301_000)),
    refusesWith("session-idle"),
  )
  const renewed = await commit(room, room.sessions.renew(idle, agent(), Date.now() - 200_000))
  assert.equal(Math.round((Date.now() - renewed.lastUsedAt.getTime()) / 1000), 200)
  assert.equal((await room.entries()).filter(({ event }) => event === "sessions.renewed").length, 1)
})

test("a use that another server saw keeps a session from being idle, once it was written", async () => {
  await using room = await openTestSessions()
  await room.purposes({ lifetimeSeconds: 1000, idleSeconds: 300 })
  const session = await room.open()
  await room.age(session.id, 301)
  const other = await room.another({ clock: { nowMs: () => Date.now() } })
  other.sessions.touch(session.id)
  await assert.rejects(commit(room, room.sessions.renew(session, agent())), refusesWith("session-idle"))
  await other.sessions[Symbol.asyncDispose]()
  await commit(room, room.sessions.renew(session, agent()))
})

test("what ended, or is past its time, or never was, is not renewed", async () => {
  await using room = await openTestSessions()
  const [over, late, closed] = [await room.open(), await room.open(), await room.open()]
  await room.age(late.id, 901)
  room.sessions.touch(late.id)
  await assert.rejects(commit(room, room.sessions.renew(late, agent())), refusesWith("session-expired"))
  await room.age(over.id, 28_801)
  await assert.rejects(commit(room, room.sessions.renew(over, agent())), refusesWith("session-expired"))
  await commit(room, room.sessions.end(closed.id, "ended", agent().spiffeId))
  await assert.rejects(commit(room, room.sessions.renew(closed, agent())), refusesWith("session-ended"))
  const gone = { ...closed, id: nobody() }
  await assert.rejects(commit(room, room.sessions.renew(gone, agent())), refusesWith("session-unknown"))
})

test("ending is recorded once, moves the epoch once, and keeps its first reason", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const before = await room.epoch.refresh()
  const first = await commit(room, room.sessions.end(session.id, "suspended", "server"))
  assert.deepEqual([first.state, first.endReason], ["ended", "suspended"])
  const again = await commit(room, room.sessions.end(session.id, "ended", agent().spiffeId))
  assert.deepEqual(again, first)
  assert.equal(await room.epoch.refresh(), before + 1)
  const ends = (await room.entries()).filter(({ event }) => event === "sessions.ended")
  assert.deepEqual(ends, [{ event: "sessions.ended", by: "server", data: { reason: "suspended" } }])
  await assert.rejects(commit(room, room.sessions.end(nobody(), "ended", "server")), refusesWith("session-unknown"))
})

test("sessions past their time are due, each for its own reason, and only those", async () => {
  await using room = await openTestSessions()
  assert.deepEqual(await room.sessions.due(), { due: [], nextInMs: null })
  const [lapsed, over, open] = [await room.open(), await room.open(), await room.open()]
  await room.age(lapsed.id, 901)
  await room.age(over.id, 28_801)
  const { due, nextInMs } = await room.sessions.due()
  assert.deepEqual(
    due.map(({ session, reason }) => [session.id, reason]),
    [
      [over.id, "expired"],
      [lapsed.id, "lapsed"],
    ],
  )
  assert.ok(nextInMs! > 890_000 && nextInMs! <= 900_000)
  for (const { session, reason } of due) await commit(room, room.sessions.end(session.id, reason, "server"))
  assert.deepEqual((await room.sessions.due()).due, [])
  const events = (await room.entries()).map(({ event }) => event).slice(-2)
  assert.deepEqual(events, ["sessions.expired", "sessions.lapsed"])
  assert.equal((await room.sessions.find(open.id, agent())).state, "open")
})

test("a session that was renewed after it was called overdue does not lapse", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const kept = await commit(room, room.sessions.end(session.id, "lapsed", "server"))
  assert.equal(kept.state, "open")
  assert.deepEqual(
    (await room.entries()).map(({ event }) => event),
    ["sessions.opened"],
  )
})

test("suspending finds every open session of the agent, of all instances", async () => {
  await using room = await openTestSessions()
  const [one, two, closed] = [await room.open(), await room.open(agent({ instance: "instance_2" })), await room.open()]
  await room.open(agent({ name: "other-bot" }))
  await commit(room, room.sessions.end(closed.id, "ended", "server"))
  const found = (await room.sessions.openOf({ agent: "support-bot" })).map(({ id }) => id)
  assert.deepEqual(found.toSorted(), [one.id, two.id].toSorted())
})
