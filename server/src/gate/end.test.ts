import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { act } from "./act.ts"
import { endOverdue, endOwnSession, endSession } from "./end.ts"
import { before, openTestGate, readKb } from "./fixture.ts"
import { renewLease, revokeLease } from "./lease.ts"
import { revokeInstance, setAgentState } from "./stop.ts"
import { startSweep } from "./sweep.ts"

const gate = await openTestGate()
const { rooms, bot, operator, resource } = gate

/** An open session with one live lease. */
async function working(caller = bot) {
  const { session } = await gate.open(caller)
  const { handed } = await gate.lease(session.id, undefined, caller)
  const { id, roleName } = handed!.lease
  return { session: session.id, lease: id, account: roleName }
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !(await condition()); ) {
    assert.ok(performance.now() < deadline, "not within five seconds")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Moves the times of sessions into the past: the same as waiting. */
async function age(id: string, seconds: number): Promise<void> {
  await gate.store.owner.query(
    `update sessions.sessions set expires_at = expires_at - make_interval(secs => $2),
       hard_end_at = hard_end_at - make_interval(secs => $2) where id = $1`,
    [id, seconds],
  )
}

describe("the gate ends", { timeout: 30_000 }, () => {
  after(() => gate[Symbol.asyncDispose]())

  test("a session with its leases, before it answers, and says how far it came", async () => {
    const { session, lease, account } = await working()
    const ended = await endOwnSession(rooms, bot, session)
    assert.equal(resource.accounts.has(account), false)
    assert.deepEqual(
      [ended.session?.state, ended.leases.map(({ lease: id, isCut }) => [id, isCut])],
      ["ended", [[lease, true]]],
    )
    assert.equal((await rooms.credentials.settled(lease)).ending, "session-ended")
    assert.deepEqual((await endOwnSession(rooms, bot, session)).leases, [], "once more does no harm")
  })

  test("no session that is unknown, or another instance's; an operator may end any", async () => {
    const { session, account } = await working()
    const twin = await gate.instance()
    await assert.rejects(endOwnSession(rooms, twin, session), { code: "session-unknown" })
    await assert.rejects(endOwnSession(rooms, operator, "session_unknown"), { code: "session-unknown" })
    assert.equal(resource.accounts.has(account), true)
    await endOwnSession(rooms, operator, session)
    assert.equal(resource.accounts.has(account), false)
  })

  test("what a session holds, also while the database is gone, and says that it is owed", async () => {
    const { session, account } = await working()
    await gate.unplugged(async () => {
      const stranger = { ...bot, instance: "instance_other" }
      await assert.rejects(endOwnSession(rooms, stranger, session), { code: "session-unknown" })
      assert.equal(resource.accounts.has(account), true)
      const { session: known, leases } = await endOwnSession(rooms, bot, session)
      assert.deepEqual([known, leases.map(({ isCut }) => isCut)], [null, [true]])
      assert.equal(resource.accounts.has(account), false)
    })
    await rooms.owed.enter()
    assert.equal((await endOwnSession(rooms, bot, session)).session?.endReason, "ended")
  })

  test("what a session holds without waiting for a log that hangs", async () => {
    const { session, account } = await working()
    const answers = Promise.withResolvers<void>()
    const ending = endOwnSession(
      before(rooms, () => answers.promise),
      bot,
      session,
    )
    await until(() => !resource.accounts.has(account))
    answers.resolve()
    assert.equal((await ending).session?.state, "ended")
  })

  test("leases that a crash after the end left: they are marked in the same transaction, and a sweep finds them", async () => {
    const { session, lease, account } = await working()
    const crash = () => Promise.reject(new Error("crash"))
    const crashing = {
      ...rooms,
      credentials: { ...rooms.credentials, beginHeld: () => undefined, revokeSession: crash },
    }
    await assert.rejects(endSession(crashing, session, "ended", "server"), /crash/)
    assert.equal((await rooms.credentials.lease(lease)).state, "revoking")
    assert.equal(resource.accounts.has(account), true)
    await gate.store.owner.query("update credentials.leases set claimed_until = now() where id = $1", [lease])
    assert.equal((await rooms.credentials.settled(lease)).state, "revoked")
    assert.equal(resource.accounts.has(account), false)
  })

  test("no lease that is asked for at the same time slips past", async () => {
    const race = async () => {
      const { session } = await gate.open()
      const asked = Array.from({ length: 4 }, () => gate.lease(session.id))
      const [, ...leased] = await Promise.allSettled([endSession(rooms, session.id, "ended", "server"), ...asked])
      for (const each of leased)
        if (each.status === "rejected") assert.match(each.reason.code, /^(session|lease)-ended$/)
      for (const { id } of await rooms.credentials.leases({ session: session.id })) await rooms.credentials.settled(id)
    }
    await Promise.all(Array.from({ length: 6 }, race))
    await until(() => resource.accounts.size === 0)
  })

  test("no intent that is being written while the session's leases are marked slips past the mark", async () => {
    const { session } = await gate.open()
    const action = { id: "action_1", digest: "digest", type: "credential", resource: "kb", operation: "read" }
    const { id, hardEndAt } = session
    const wanted = {
      session: id,
      purpose: "answer",
      caller: bot,
      action,
      idempotencyKey: null,
      leaseSeconds: 60,
      hardEndAt,
    }
    const { database } = gate.store
    let marked: Promise<void> | undefined
    await database.transaction(async (tx) => {
      await rooms.credentials.intend(wanted).work!(tx)
      marked = database.transaction((other) => rooms.credentials.marking({ session: id }, "session-ended").work!(other))
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await marked
    const [lease] = await rooms.credentials.leases({ session: id })
    assert.deepEqual([lease?.state, lease?.ending], ["revoking", "session-ended"])
    await rooms.credentials.revokeSession(id, "test")
  })

  test("no session that was renewed since somebody called it overdue", async () => {
    const { session, account } = await working()
    for (const reason of ["lapsed", "expired"] as const) {
      assert.equal((await endSession(rooms, session, reason, "server")).session.state, "open")
    }
    assert.equal(resource.accounts.has(account), true)
    await endSession(rooms, session, "ended", "server")
  })

  test("whatever ran out, more than are looked at at once too, lapsed or expired", async () => {
    const one = await working()
    const { session: two } = await gate.open(bot, { hardEndSeconds: 100 })
    await age(one.session, 899)
    await age(two.id, 101)
    assert.equal(await endOverdue(rooms), 0)
    assert.equal((await rooms.sessions.find(two.id, bot)).endReason, "expired")
    await age(one.session, 2)
    await gate.store.owner.query(
      `insert into sessions.sessions (id, agent, instance, svid, purpose, mandate, lifetime_seconds, idle_seconds,
         lease_seconds, expires_at, hard_end_at)
       select id || '_' || n, agent, instance, svid, purpose, mandate, lifetime_seconds, idle_seconds, lease_seconds,
         expires_at, hard_end_at from sessions.sessions, generate_series(1, 150) n where id = $1`,
      [one.session],
    )
    await using _sweep = startSweep(rooms)
    await until(async () => (await rooms.sessions.due()).due.length === 0)
    assert.equal((await rooms.sessions.find(one.session, bot)).endReason, "lapsed")
    await until(() => !resource.accounts.has(one.account))
  })

  test("a suspended agent's sessions and leases, on every server, and lets it work again", async () => {
    const other = await gate.another()
    await using _sweep = startSweep(other.rooms)
    const { session, account } = await working()
    await setAgentState(rooms, operator, "bot", "suspended", "it misbehaved")
    assert.equal(resource.accounts.has(account), false)
    assert.equal((await rooms.sessions.find(session, operator)).endReason, "suspended")
    await assert.rejects(gate.open(), { code: "agent-suspended" })
    await assert.rejects(setAgentState(rooms, operator, "nobody", "suspended", "typo"), { code: "not-found" })
    await setAgentState(rooms, operator, "bot", "active", "it was us")
    await gate.open()
    const [entry] = (await gate.entries("agents.suspended")).slice(-1)
    assert.equal(JSON.stringify(entry).includes("misbehaved"), false, "a reason may name people")
  })

  test("a revoked instance's leases before it answers, also where another server ended its sessions first", async () => {
    const lost = await gate.instance()
    const { account } = await working(lost)
    const kept = await working()
    const none = { ...rooms, sessions: { ...rooms.sessions, openOf: async () => [] } }
    await revokeInstance(none, operator, { agent: "bot", instance: lost.instance }, "its machine was lost")
    assert.equal(resource.accounts.has(account), false)
    assert.equal(resource.accounts.has(kept.account), true)
    await endOwnSession(rooms, bot, kept.session)
  })

  test("a lease that another server makes for an agent while it is suspended, before anybody is given it", async () => {
    const other = await gate.another()
    const { session } = await gate.open()
    const [reached, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    resource.beforeIssue = () => {
      reached.resolve()
      return release.promise
    }
    const issuedBefore = (await gate.entries("credentials.lease-issued")).length
    const asked = act(other.rooms, bot, { session: session.id, action: readKb, idempotencyKey: null })
    const refused = assert.rejects(asked, { code: "lease-ended" })
    await reached.promise
    // The server that suspends is killed right after it is recorded.
    const crash = () => Promise.reject(new Error("crash"))
    const crashing = { ...rooms, sessions: { ...rooms.sessions, openOf: crash } }
    await assert.rejects(setAgentState(crashing, operator, "bot", "suspended", "now"), /crash/)
    resource.beforeIssue = async () => undefined
    release.resolve()
    await refused
    assert.equal((await gate.entries("credentials.lease-issued")).length, issuedBefore)
    await until(() => resource.accounts.size === 0)
    await endSession(rooms, session.id, "ended", "server")
    await setAgentState(rooms, operator, "bot", "active", "test")
  })

  test("what a suspended agent holds here, also while the database is gone", async () => {
    const { session, account } = await working()
    await gate.unplugged(async () => {
      assert.ok((await setAgentState(rooms, operator, "bot", "suspended", "now")).entry)
      await until(() => !resource.accounts.has(account))
    })
    await rooms.owed.enter()
    await setAgentState(rooms, operator, "bot", "active", "test")
    await endSession(rooms, session, "ended", "server")
  })

  test("the sessions of a stopped agent, trying again when it could not be written at first", async () => {
    const other = await gate.another()
    const { session } = await gate.open()
    await rooms.audit.commit(rooms.agents.suspend("bot", "test", operator.spiffeId))
    await other.rooms.epoch.refresh()
    let failures = 0
    const failing = before(other.rooms, async () => {
      if (++failures <= 2) throw new Error("not now")
    })
    await using _sweep = startSweep(failing)
    await until(async () => (await rooms.sessions.find(session.id, operator)).state === "ended")
    await setAgentState(rooms, operator, "bot", "active", "test")
    assert.ok(failures > 2)
  })
})

describe("a lease", { timeout: 30_000 }, () => {
  test("is renewed within its session, and not once policy forbids it", async () => {
    const held = await openTestGate()
    await using _held = held
    const { session } = await held.open(held.bot, { hardEndSeconds: 100 })
    const { handed } = await held.lease(session.id)
    const before = handed!.lease.expiresAt.getTime()
    const renewed = await renewLease(held.rooms, held.bot, handed!.lease.id)
    assert.ok(renewed.expiresAt.getTime() > before && renewed.expiresAt <= renewed.hardEndAt)
    const twin = await held.instance()
    await assert.rejects(renewLease(held.rooms, twin, handed!.lease.id), { code: "lease-unknown" })
    await assert.rejects(revokeLease(held.rooms, twin, handed!.lease.id), { code: "lease-unknown" })
    await held.apply({ policies: [] })
    await assert.rejects(renewLease(held.rooms, held.bot, handed!.lease.id), {
      code: "denied-by-policy",
      message: /No policy permits bot to read kb/,
    })
    const [denied, ...more] = await held.entries("gate.renewal-denied")
    assert.deepEqual([denied!.data!.lease, denied!.session, more], [handed!.lease.id, session.id, []])
    const returned = await held.unplugged(() => revokeLease(held.rooms, held.bot, handed!.lease.id))
    assert.equal(returned.isCut, true, "giving back needs no database")
    await assert.rejects(renewLease(held.rooms, held.bot, handed!.lease.id))
    await setAgentState(held.rooms, held.operator, "bot", "retired", "test")
    await assert.rejects(renewLease(held.rooms, held.bot, handed!.lease.id), { code: "agent-retired" })
  })
})
