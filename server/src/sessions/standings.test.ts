import assert from "node:assert/strict"
import { test } from "node:test"
import { type Database, refusalCode } from "#kernel"
import { agent, details, nobody, openTestSessions } from "./fixture.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code

/** The database, counting answers, with a gate that a test may close before an answer arrives. */
function observed(database: Database) {
  const state = { queries: 0, hold: Promise.resolve() }
  const query: Database["query"] = async (text, values) => {
    const { hold } = state
    const rows = await database.query<never>(text, values)
    state.queries += 1
    await hold
    return rows
  }
  return { state, database: { ...database, query } }
}

test("a session stands from memory after its first use", async () => {
  await using room = await openTestSessions()
  const { state, database } = observed(room.store.database)
  const { sessions } = await room.another({ database })
  const session = await room.open()
  const { mandate } = await sessions.standing(session.id, agent())
  assert.deepEqual(mandate.details, details)
  const before = state.queries
  assert.equal((await sessions.standing(session.id, agent())).session.id, session.id)
  assert.equal(state.queries, before)
})

test("another instance's session, and one that is not there, are refused alike", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  await room.sessions.standing(session.id, agent())
  const answers: string[] = []
  const strangers = [
    agent({ instance: "instance_2" }),
    agent({ name: "other-bot" }),
    agent({ name: "other-bot", instance: "i" }),
  ]
  const asks = [
    ...strangers.map((stranger) => () => room.sessions.standing(session.id, stranger)),
    ...strangers.map((stranger) => () => room.sessions.find(session.id, stranger)),
    () => room.sessions.standing(nobody(), agent()),
    () => room.sessions.standing("session_'; drop table x", agent()),
  ]
  for (const ask of asks) {
    await assert.rejects(ask, (error: Error) => {
      answers.push(`${refusalCode(error)}: ${error.message}`)
      return true
    })
  }
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0]!, /^session-unknown/)
  await room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  await room.epoch.refresh()
  await assert.rejects(room.sessions.standing(session.id, strangers[0]!), refusesWith("session-unknown"))
})

test("every server forgets an ended session with the epoch", async () => {
  await using room = await openTestSessions()
  const other = await room.another()
  const [session, kept] = [await room.open(), await room.open()]
  for (const each of [session, kept]) await other.sessions.standing(each.id, agent())
  await room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  await other.epoch.refresh()
  await assert.rejects(other.sessions.standing(session.id, agent()), refusesWith("session-ended"))
  await other.sessions.standing(kept.id, agent())
})

test("an end that commits while a server is reading is not outlived by that reading", async () => {
  await using room = await openTestSessions()
  const { state, database } = observed(room.store.database)
  const other = await room.another({ database })
  const session = await room.open()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.hold = promise
  const before = state.queries
  const reading = other.sessions.standing(session.id, agent())
  await until(() => state.queries > before)
  state.hold = Promise.resolve()
  await room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  await other.epoch.refresh()
  resolve()
  await reading
  await assert.rejects(other.sessions.standing(session.id, agent()), refusesWith("session-ended"))
})

test("an end whose transaction outlasts later ones is still taken in", async () => {
  await using room = await openTestSessions()
  const other = await room.another()
  const [slow, quick] = [await room.open(), await room.open()]
  for (const each of [slow, quick]) await other.sessions.standing(each.id, agent())
  const { promise: mayCommit, resolve: letCommit } = Promise.withResolvers<void>()
  const { promise: isWritten, resolve: written } = Promise.withResolvers<void>()
  const late = room.store.database.transaction(async (tx) => {
    await tx.query(
      `update sessions.sessions set state = 'ended', end_reason = 'ended', ended_at = now(), ended_in = pg_current_xact_id()
       where id = $1`,
      [slow.id],
    )
    written()
    await mayCommit
    await tx.query("update kernel.epoch set epoch = epoch + 1")
  })
  await isWritten
  await room.audit.commit(room.sessions.end(quick.id, "ended", "server"))
  await other.epoch.refresh()
  await assert.rejects(other.sessions.standing(quick.id, agent()), refusesWith("session-ended"))
  await other.sessions.standing(slow.id, agent())
  letCommit()
  await late
  await other.epoch.refresh()
  await assert.rejects(other.sessions.standing(slow.id, agent()), refusesWith("session-ended"))
})

test("memory calls a session expired only when the database does", async () => {
  await using room = await openTestSessions()
  const clock = { ms: Date.now(), nowMs: () => clock.ms }
  const other = await room.another({ clock })
  const session = await room.open()
  await other.sessions.standing(session.id, agent())
  // To this server the time is over; the database knows better.
  clock.ms += 901_000
  await other.sessions.standing(session.id, agent())
  await room.age(session.id, 901)
  clock.ms += 901_000
  await assert.rejects(other.sessions.standing(session.id, agent()), refusesWith("session-expired"))
})

test("a renewal on one server is seen on another that holds the old expiry", async () => {
  await using room = await openTestSessions()
  const clock = { offsetMs: 0, nowMs: () => Date.now() + clock.offsetMs }
  const other = await room.another({ clock })
  const session = await room.open(agent(), { lifetimeSeconds: 2 })
  await other.sessions.standing(session.id, agent())
  await room.store.owner.query("update sessions.sessions set expires_at = hard_end_at where id = $1", [session.id])
  clock.offsetMs = 3_000
  const { session: seen } = await other.sessions.standing(session.id, agent())
  assert.equal(seen.expiresAt.getTime(), session.hardEndAt.getTime())
})

test("a stored mandate that was altered, or is another session's, allows nothing", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const other = await room.open(agent({ instance: "instance_2" }))
  const standsWith = async (column: string, value: unknown) => {
    const { sessions } = await room.another()
    await room.store.owner.query(`update sessions.sessions set ${column} = $2 where id = $1`, [session.id, value])
    await assert.rejects(sessions.standing(session.id, agent()), refusesWith("outside-mandate"), column)
  }
  const [header, claims, signature] = session.mandate.split(".") as [string, string, string]
  const wider = { ...JSON.parse(Buffer.from(claims, "base64url").toString()) }
  wider.authorization_details[0].locations = ["kb", "bank"]
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  await standsWith("mandate", [header, encode(wider), signature].join("."))
  await standsWith("mandate", [encode({ alg: "none", typ: "mandate+jwt" }), encode(wider), ""].join("."))
  await standsWith("mandate", other.mandate)
  await standsWith("mandate", "")
  await room.store.owner.query("update sessions.sessions set mandate = $2 where id = $1", [session.id, session.mandate])
  const { sessions } = await room.another()
  await sessions.standing(session.id, agent())
  await standsWith("purpose", "refunds")
})

test("a session whose hard end was moved past its mandate allows nothing", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  await room.store.owner.query(
    "update sessions.sessions set hard_end_at = hard_end_at + interval '1 hour' where id = $1",
    [session.id],
  )
  await assert.rejects(room.sessions.standing(session.id, agent()), refusesWith("outside-mandate"))
})

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}
