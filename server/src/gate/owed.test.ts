import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, describe, test } from "node:test"
import { events as agentsEvents } from "#agents"
import { createLogKey, openAudit, openFileSigner } from "#audit"
import { isId, type Journal, newId, openJournal, Refusal, SERVER_ROLE, silentLog, systemClock } from "#kernel"
import { act } from "./act.ts"
import { endOwnSession } from "./end.ts"
import { events } from "./events.ts"
import { openTestGate } from "./fixture.ts"
import { createOwed } from "./owed.ts"
import type { Rooms } from "./rooms.ts"
import { revokeInstance, setAgentState } from "./stop.ts"

const gate = await openTestGate()
const { rooms, bot, operator, resource } = gate

describe("what is owed to the database", { timeout: 60_000 }, () => {
  after(() => gate[Symbol.asyncDispose]())

  test("a session that ended without it is refused at once, and really ends before anything is given to it", async () => {
    const { session } = await gate.open()
    await gate.lease(session.id)
    const entry = await gate.unplugged(async () => {
      const ended = await endOwnSession(rooms, bot, session.id)
      assert.ok("entry" in ended && isId("entry", ended.entry))
      const again = await endOwnSession(rooms, bot, session.id)
      assert.equal("entry" in again && again.entry, ended.entry, "asked again: the same")
      return ended.entry
    })
    // The database is back, and has not been told: it calls the session open.
    assert.equal((await rooms.sessions.find(session.id, operator)).state, "open")
    await assert.rejects(gate.lease(session.id), { code: "session-ended" })
    await rooms.owed.enter()
    assert.equal((await rooms.sessions.find(session.id, operator)).endReason, "ended")
    await assert.rejects(gate.lease(session.id), { code: "session-ended" })

    const { leaf } = await rooms.audit.entry(entry)
    assert.deepEqual([leaf.event, leaf.by, leaf.session], ["gate.session-end-journalled", bot.spiffeId, session.id])
    assert.ok(Date.parse(leaf.data?.["at"] as string) <= Date.parse(leaf.at))
    const ends = (await gate.entries("sessions.ended")).filter((each) => each.session === session.id)
    assert.deepEqual([ends.length, ends[0]?.by], [1, bot.spiffeId])
    assert.match(await rooms.audit.receipt(entry), /c2sp\.org\/tlog-proof/)
    const [cut] = (await gate.entries("credentials.cut-journalled")).filter((each) => each.session === session.id)
    assert.deepEqual([cut?.data?.["why"], cut?.by], ["session-ended", bot.spiffeId])
  })

  test("an agent that was stopped without it is nobody here from then on, and suspended afterwards", async () => {
    const { session } = await gate.open()
    await gate.lease(session.id)
    const { entry } = await gate.unplugged(async () => {
      await assert.rejects(setAgentState(rooms, operator, "bot", "active", "not now"), { code: "store-unavailable" })
      return await setAgentState(rooms, operator, "bot", "suspended", "odd queries")
    })
    assert.equal(resource.accounts.size, 0)
    assert.equal((await rooms.agents.list()).find(({ name }) => name === "bot")?.state, "active")
    await assert.rejects(gate.open(), { code: "agent-suspended" })
    await assert.rejects(gate.lease(session.id), { code: "agent-suspended" })
    await rooms.owed.enter()
    assert.equal(rooms.agents.agent("bot")?.state, "suspended")
    const { leaf } = await rooms.audit.entry(entry!)
    assert.deepEqual(
      [leaf.event, leaf.by, leaf.data?.["to"]],
      ["gate.agent-stop-journalled", operator.spiffeId, "suspended"],
    )
    assert.equal((await gate.entries("agents.suspended")).length, 1)
    await setAgentState(rooms, operator, "bot", "active", "explained")
    assert.equal((await gate.open()).session.state, "open")
  })

  test("an instance that was revoked without it is nobody here from then on, and its twin still is somebody", async () => {
    const lost = await gate.instance()
    const [{ session }, { session: kept }] = [await gate.open(lost), await gate.open()]
    await gate.lease(session.id, undefined, lost)
    const keptLease = (await gate.lease(kept.id)).handed!.lease
    const of = { agent: "bot", instance: lost.instance }
    const { entry } = await gate.unplugged(() => revokeInstance(rooms, operator, of, "its machine was lost"))
    assert.deepEqual([...resource.accounts.keys()], [keptLease.roleName])
    await assert.rejects(gate.lease(session.id, undefined, lost), { code: "identity-unknown" })
    await assert.rejects(gate.open(lost), { code: "identity-unknown" })
    await rooms.owed.enter()
    const { leaf } = await rooms.audit.entry(entry!)
    assert.deepEqual([leaf.event, leaf.data?.["instance"]], ["gate.instance-revocation-journalled", lost.instance])
    assert.equal((await gate.entries("agents.instance-revoked")).length, 1)
    await assert.rejects(gate.open(lost), { code: "identity-unknown" }, "for good")
    await gate.lease(kept.id)
    await rooms.credentials.revokeSession(kept.id, "test")
    await assert.rejects(revokeInstance(rooms, operator, { ...of, agent: "other" }, "typo"), { code: "not-found" })
  })

  test("a line is entered once, although the process died between the log and the file", async () => {
    const { session } = await gate.open()
    const folder = scratch()
    const { owed: crashing } = await server(folder, { settle: () => Promise.reject(new Error("crash")) })
    const entry = await crashing.add({ what: "end-session", session: session.id }, operator.spiffeId)
    await crashing.enter()
    assert.equal((await rooms.sessions.find(session.id, operator)).endReason, "ended")
    const { owed: next, journal } = await server(folder)
    await next.enter()
    assert.deepEqual(journal.pending, [])
    assert.equal((await gate.entries("gate.session-end-journalled")).filter(({ id }) => id === entry).length, 1)
    assert.equal((await gate.entries("sessions.ended")).filter((each) => each.session === session.id).length, 1)
  })

  test("a line whose entry is in a log that was closed since is not entered again", async () => {
    await using own = await openTestGate()
    const folder = scratch()
    const settle = () => Promise.reject(new Error("crash"))
    const { owed: crashing } = await server(folder, { settle }, own.rooms)
    await crashing.add({ what: "stop-agent", agent: "bot", to: "suspended", reason: "odd" }, own.operator.spiffeId)
    await crashing.enter()
    assert.equal(own.rooms.agents.agent("bot")?.state, "suspended")
    await setAgentState(own.rooms, own.operator, "bot", "active", "explained")

    await own.store.owner.query("select audit.close_log(2, $1)", [SERVER_ROLE])
    const [key, origin] = [join(scratch(), "log.key"), "example.org/log/2"]
    await createLogKey(key, origin)
    const signer = await openFileSigner(key, origin)
    const common = { database: own.store.database, clock: systemClock, log: silentLog }
    await using audit = await openAudit({ ...common, signer, origin, events: { ...agentsEvents, ...events } })
    const { owed, journal } = await server(folder, {}, { ...own.rooms, audit })
    await owed.enter()
    assert.deepEqual(journal.pending, [])
    assert.deepEqual(await own.entries(), [])
    await own.rooms.epoch.refresh()
    assert.equal(own.rooms.agents.agent("bot")?.state, "active")
  })

  test("what a process left is refused by the next before it could be entered", async () => {
    const { session } = await gate.open()
    const folder = scratch()
    await (await server(folder)).owed.add({ what: "end-session", session: session.id }, operator.spiffeId)
    const { owed } = await server(folder)
    await gate.unplugged(() => assert.rejects(owed.enter(), { code: "store-unavailable" }))
    await assert.rejects(gate.lease(session.id), { code: "session-ended" })
    await owed.enter()
    assert.equal((await rooms.sessions.find(session.id, operator)).state, "ended")
  })

  test("two processes of one machine enter each line once", async () => {
    const folder = scratch()
    const sessions = await Promise.all([1, 2, 3, 4].map(async () => (await gate.open()).session.id))
    const [one, two] = await Promise.all([server(folder), server(folder)])
    for (const session of sessions) await one.owed.add({ what: "end-session", session }, operator.spiffeId)
    for (let round = 0; round < 3; round++) await Promise.all([one.owed.enter(), two.owed.enter()])
    assert.deepEqual([one.journal.pending, two.journal.pending], [[], []])
    const ends = await gate.entries("gate.session-end-journalled")
    assert.equal(ends.filter(({ session }) => sessions.some((id) => id === session)).length, sessions.length)
  })

  test("a command about what is not there is recorded, with what was found", async () => {
    const { owed, journal } = await server(scratch())
    const entry = await owed.add({ what: "end-session", session: newId("session") }, operator.spiffeId)
    await owed.enter()
    assert.deepEqual(journal.pending, [])
    assert.equal((await rooms.audit.entry(entry)).leaf.data?.["found"], "session-unknown")
  })

  test("what can be no name of anything is no command", async () => {
    await gate.unplugged(async () => {
      await assert.rejects(endOwnSession(rooms, operator, "x".repeat(200)), { code: "session-unknown" })
      await assert.rejects(setAgentState(rooms, operator, "x".repeat(200), "suspended", "odd"), { code: "not-found" })
    })
    await rooms.owed.enter()
    assert.equal((await gate.open()).session.state, "open")
  })

  test("a stop that was commanded is not carried out for another agent that has the name since", async () => {
    await using own = await openTestGate()
    const { owed } = await server(scratch(), {}, own.rooms)
    const stop = { ...own.rooms, owed }
    await own.unplugged(() => setAgentState(stop, own.operator, "bot", "retired", "not needed"))
    await own.apply({ agents: {} })
    await own.apply()
    await owed.enter()
    assert.equal(own.rooms.agents.agent("bot")?.state, "active")
    const [leaf] = await own.entries("gate.agent-stop-journalled")
    assert.equal(leaf?.data?.["found"], "not-found")
  })

  test("whoever is resumed is not stopped again by what was commanded before", async () => {
    await using own = await openTestGate()
    const { owed } = await server(scratch(), {}, own.rooms)
    const stop = { ...own.rooms, owed }
    await own.unplugged(() => setAgentState(stop, own.operator, "bot", "suspended", "odd"))
    await setAgentState(stop, own.operator, "bot", "active", "explained")
    await owed.enter()
    assert.equal(own.rooms.agents.agent("bot")?.state, "active")
  })

  test("a line that says something else than we write is carried out by nobody", async () => {
    const folder = scratch()
    const { owed, journal } = await server(folder)
    const before = (await gate.entries()).length
    const draft = { event: "gate.session-end-journalled", by: "server" }
    const lines = [
      { draft: { event: "policy.applied", by: "server" }, command: null },
      { draft, command: { what: "resume-agent", agent: "bot" } },
      { draft, command: { what: "stop-agent", agent: "bot", to: "active", reason: "" } },
    ]
    const at = new Date().toISOString()
    const text = lines.map((line) => JSON.stringify({ id: newId("entry"), at, ...line })).join("\n")
    writeFileSync(join(folder, "odd.jsonl"), text)
    await owed.enter()
    assert.equal((await gate.entries()).length, before)
    assert.equal(journal.pending.length, lines.length, "they stay, for an operator to look at")
  })

  test("what can be written down nowhere is cut all the same, and the answer says so", async () => {
    const { session } = await gate.open()
    await gate.lease(session.id)
    const { owed } = await server(scratch(), {
      write: () => Promise.reject(new Refusal("not-recorded", "No room.")),
    })
    await gate.unplugged(() =>
      assert.rejects(endOwnSession({ ...rooms, owed }, bot, session.id), { code: "not-recorded" }),
    )
    assert.equal(resource.accounts.size, 0)
    await assert.rejects(gate.lease(session.id), { code: "session-ended" })
  })

  test("nothing is given while the clock is off, and ending works", async () => {
    const { session } = await gate.open()
    await gate.lease(session.id)
    const skewed: Rooms = { ...rooms, epoch: { ...rooms.epoch, skewMs: () => 10_000 } }
    const before = (await gate.entries("credentials.lease-intended")).length
    const action = { type: "credential", resource: "kb", operation: "read", arguments: {} } as const
    const asked = act(skewed, bot, { session: session.id, action, idempotencyKey: null })
    await assert.rejects(asked, { code: "clock-skewed", message: /10\.0 s ahead of .* NTP/ })
    assert.equal((await gate.entries("credentials.lease-intended")).length, before)
    assert.equal((await endOwnSession(skewed, bot, session.id)).session?.state, "ended")
  })
})

const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-owed-"))
  folders.push(folder)
  return folder
}

/** What another process of this machine would have: the same rooms, and a journal of its own over the folder. */
async function server(folder: string, change: Partial<Journal> = {}, over = rooms) {
  const journal = await openJournal({ folder, clock: systemClock, log: silentLog })
  // Not spread: what is pending would be what was pending now.
  return { journal, owed: createOwed({ ...over, journal: Object.assign(Object.create(journal), change) as Journal }) }
}
