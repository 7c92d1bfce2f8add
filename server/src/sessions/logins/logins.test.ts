import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { openTestSessions, type TestSessions } from "../fixture.ts"
import type { Login } from "./logins.ts"

const iss = "https://id.shop.example"
const now = () => Date.now()
let room: TestSessions
before(async () => {
  room = await openTestSessions()
})
after(() => room?.[Symbol.asyncDispose]())

const holds = async (login: Partial<Login>): Promise<boolean> => {
  const of = { iss, sub: "alice", sid: "login-1", issuedAtMs: now() - 60_000, ...login }
  return await room.audit.commit(room.sessions.logins.holding(of)).then(
    () => true,
    (error: { code: string }) => {
      assert.equal(error.code, "subject-token-invalid")
      return false
    },
  )
}
const end = (of: { sub?: string; sid?: string }) => {
  const ended = { iss, sub: null, sid: null, issuedAtMs: now(), ...of }
  return room.audit.commit(room.sessions.logins.ending(ended))
}

test("pitfall 10, a login that is over: its tokens open nothing, and those of others do", async () => {
  assert.equal(await holds({}), true)
  await end({ sub: "alice", sid: "login-1" })
  assert.equal(await holds({}), false)
  assert.equal(await holds({ issuedAtMs: now() + 30_000 }), false, "a session at the provider begins once")
  assert.equal(await holds({ sid: null }), false, "a token that names no session may be of this one")
  assert.equal(await holds({ sid: null, issuedAtMs: now() + 1_000 }), true, "a later one is not")
  assert.equal(await holds({ sid: "login-2" }), true, "another session")
  assert.equal(await holds({ sub: "bob", sid: null }), true, "another subject")
  assert.equal(await holds({ iss: "https://other.example" }), true, "another issuer")
  await end({ sid: "login-2" })
  assert.equal(await holds({ sid: "login-2" }), false)
})

test("all logins of a subject are over for tokens that were issued before, until they sign in again", async () => {
  await end({ sub: "carol" })
  for (const sid of ["login-8", "login-9", null]) {
    assert.equal(await holds({ sub: "carol", sid }), false)
    assert.equal(await holds({ sub: "carol", sid, issuedAtMs: now() + 1_000 }), true)
  }
  assert.equal(await holds({ sub: "dave", issuedAtMs: now() - 31 * 86_400_000 }), false, "older than what is kept")
  await room.store.owner.query("update sessions.ended_logins set recorded_at = now() - interval '31 days'")
  await room.sessions.logins.keepHouse()
  assert.deepEqual(await room.store.owner.query("select from sessions.ended_logins"), [])
})

test("whoever opens something holds the login, so that its end waits and then finds what was opened", async () => {
  const login = { iss, sub: "erin", sid: "login-3", issuedAtMs: now() }
  const order: string[] = []
  let ending: Promise<unknown> = Promise.resolve()
  await room.store.database.transaction(async (tx) => {
    await room.sessions.logins.holding(login).work!(tx)
    ending = room.store.database
      .transaction((other) => room.sessions.logins.ending(login).work!(other))
      .then(() => order.push("ended"))
    // It has come to the lock when PostgreSQL says that it waits.
    for (let waiting = 0; waiting === 0; ) {
      const sql = "select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted"
      waiting = (await room.store.owner.query<{ n: number }>(sql))[0]!.n
    }
    order.push("opened")
  })
  await ending
  assert.deepEqual(order, ["opened", "ended"])
  assert.equal(await holds(login), false)
})

test("when a user last ended a session of an agent is known, by agent and purpose", async () => {
  const delegation = await room.delegation()
  const session = await room.open(undefined, { delegation })
  const of = { user: delegation.user.id, agent: session.agent, purpose: session.purpose }
  assert.equal(await room.sessions.logins.withdrawnAt(of), null)
  await room.audit.commit(room.sessions.end(session.id, "withdrawn", delegation.user.id))
  const at = await room.sessions.logins.withdrawnAt(of)
  assert.equal(at?.getTime(), (await room.sessions.ofUser(delegation.user.id))[0]?.endedAt?.getTime())
  for (const other of [{ agent: "other" }, { purpose: "other" }, { user: "user_other" }]) {
    assert.equal(await room.sessions.logins.withdrawnAt({ ...of, ...other }), null)
  }
})
