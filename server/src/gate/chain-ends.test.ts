import assert from "node:assert/strict"
import { after, afterEach, describe, test } from "node:test"
import type { AgentPrincipal } from "#agents"
import type { Session } from "#sessions"
import { act } from "./act.ts"
import { handing, openTestChain, reading } from "./chain.fixture.ts"
import { handOn, takeUp } from "./delegate.ts"
import { endOwnSession, endSession } from "./end.ts"
import { renewLease } from "./lease.ts"
import { renewSession } from "./open.ts"
import type { Rooms } from "./rooms.ts"
import { revokeInstance, setAgentState } from "./stop.ts"
import { startSweep } from "./sweep.ts"

const chain = await openTestChain()
const { gate, rooms, bot, shipper, carrier } = chain
const { operator, resource } = gate
const onwards = { details: [reading, handing("deliver", "carrier")] }

/** A chain of three; each holds a live lease. `accounts` are those at the resource, the first session's first. */
async function chainOfThree() {
  const root = await chain.root()
  const middle = await chain.beneath(root, shipper, onwards)
  const leaf = await chain.beneath(middle, carrier)
  const leases = await Promise.all([lease(root, bot), lease(middle, shipper), lease(leaf, carrier)])
  return { root, middle, leaf, leases, accounts: leases.map(({ roleName }) => roleName) }
}

async function lease({ id: session }: Session, caller: AgentPrincipal, by: Rooms = rooms) {
  const action = { type: "credential", resource: "kb", operation: "read", arguments: {} } as const
  return (await act(by, caller, { session, action, idempotencyKey: null })).handed!.lease
}

const standing = (accounts: readonly string[]) => accounts.map((account) => resource.accounts.has(account))
const endOf = async ({ id }: Session) => (await rooms.sessions.find(id, operator)).endReason

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !(await condition()); ) {
    assert.ok(performance.now() < deadline, "not within ten seconds")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe("what ends one link of a chain", { timeout: 60_000 }, () => {
  after(() => chain[Symbol.asyncDispose]())
  afterEach(async () => {
    for (const { id } of await rooms.sessions.list(operator, { state: "open" })) {
      await endSession(rooms, id, "ended", "server")
    }
    await until(() => resource.accounts.size === 0)
  })

  test("ends everything beneath, and nothing above", async () => {
    const { root, middle, leaf, leases, accounts } = await chainOfThree()
    const ended = await endOwnSession(rooms, shipper, middle.id)
    assert.deepEqual(standing(accounts), [true, false, false])
    assert.deepEqual(new Set(ended.leases.map((cut) => cut.lease)), new Set([leases[1]!.id, leases[2]!.id]))
    assert.deepEqual([await endOf(root), await endOf(middle), await endOf(leaf)], [null, "ended", "parent-ended"])
    await assert.rejects(lease(leaf, carrier), { code: "session-ended", message: /handed this one on/ })
    await assert.rejects(renewSession(rooms, carrier, leaf.id), { code: "session-ended" })
    const entries = (await gate.entries("sessions.ended")).slice(-2)
    assert.deepEqual(
      entries.map(({ session, data }) => [session, data!["reason"]]),
      [
        [middle.id, "ended"],
        [leaf.id, "parent-ended"],
      ],
    )
    for (const { id } of leases.slice(1)) assert.equal((await rooms.credentials.settled(id)).ending, "session-ended")
  })

  test("is no agent's of another link", async () => {
    const { root, middle, leaf, accounts } = await chainOfThree()
    await assert.rejects(endOwnSession(rooms, carrier, root.id), { code: "session-unknown" })
    await assert.rejects(endOwnSession(rooms, carrier, middle.id), { code: "session-unknown" })
    // Whoever handed on ends its own session, and with that all beneath; another agent's it cannot name.
    await assert.rejects(endOwnSession(rooms, bot, leaf.id), { code: "session-unknown" })
    assert.deepEqual(standing(accounts), [true, true, true])
  })

  test("cuts all beneath while our database is gone too, and it is over there afterwards", async () => {
    const { root, middle, leaf, accounts } = await chainOfThree()
    await gate.unplugged(async () => {
      const ended = await endOwnSession(rooms, bot, root.id)
      assert.ok("entry" in ended)
      assert.deepEqual(standing(accounts), [false, false, false])
      // From memory alone: its own session is not the one that was ended.
      await assert.rejects(lease(leaf, carrier), { code: "session-ended" })
    })
    await assert.rejects(lease(middle, shipper), { code: "session-ended" })
    await rooms.owed.enter()
    assert.deepEqual(
      [await endOf(root), await endOf(middle), await endOf(leaf)],
      ["ended", "parent-ended", "parent-ended"],
    )
  })

  test("is its agent's suspension as well, at every server", async () => {
    const other = await gate.another()
    await using _sweep = startSweep(other.rooms)
    const { root, middle, leaf, accounts } = await chainOfThree()
    const elsewhere = await lease(leaf, carrier, other.rooms)
    await setAgentState(rooms, operator, "shipper", "suspended", "a test")
    assert.deepEqual(standing([...accounts, elsewhere.roleName]), [true, false, false, false])
    assert.deepEqual([await endOf(root), await endOf(middle), await endOf(leaf)], [null, "suspended", "parent-ended"])
    await setAgentState(rooms, operator, "shipper", "active", "a test")
    await assert.rejects(lease(leaf, carrier), { code: "session-ended" })
  })

  test("is its agent's suspension while our database is gone: nothing beneath is given, and what was is cut", async () => {
    const { leaf, leases, accounts } = await chainOfThree()
    await gate.unplugged(async () => {
      assert.ok((await setAgentState(rooms, operator, "bot", "suspended", "a test")).entry)
      await until(() => standing(accounts).every((isThere) => !isThere))
    })
    // Known here, and not recorded yet.
    await assert.rejects(renewLease(rooms, carrier, leases[2]!.id), { code: /denied-by-policy|lease-ended/ })
    await assert.rejects(renewSession(rooms, carrier, leaf.id), { code: "session-ended" })
    await rooms.owed.enter()
    await setAgentState(rooms, operator, "bot", "active", "a test")
  })

  for (const isGone of [false, true]) {
    test(`is the revocation of one instance${isGone ? ", while our database is gone too" : ""}`, async () => {
      const lost = await gate.instance("bot")
      const { session: root } = await gate.open(lost)
      const kept = await chainOfThree()
      const wanted = { session: root.id, agent: "shipper", purpose: "ship", details: [reading] }
      const { id: delegation } = await handOn(rooms, lost, wanted)
      const { session: child } = await takeUp(rooms, shipper, { delegation })
      const { roleName } = await lease(child, shipper)
      const of = { agent: "bot", instance: lost.instance }
      await using _sweep = startSweep(rooms)
      if (isGone) {
        await gate.unplugged(() => revokeInstance(rooms, operator, of, "its machine was lost"))
        await until(() => !resource.accounts.has(roleName))
        await rooms.owed.enter()
      } else {
        await revokeInstance(rooms, operator, of, "its machine was lost")
        assert.equal(resource.accounts.has(roleName), false)
      }
      await until(async () => (await endOf(child)) === "parent-ended")
      assert.deepEqual(standing(kept.accounts), [true, true, true], "another instance's chain stays")
    })
  }

  test("is that it was not renewed: what is beneath ends with it", async () => {
    const { root, middle, leaf, accounts } = await chainOfThree()
    const past = "update sessions.sessions set expires_at = now() - interval '1 s' where id = $1"
    await gate.store.owner.query(past, [root.id])
    // Its own time is not over, and it is refused at once.
    await rooms.epoch.refresh()
    await assert.rejects(renewSession(rooms, bot, root.id), { code: "session-expired" })
    await using _sweep = startSweep(rooms)
    await until(() => standing(accounts).every((isThere) => !isThere))
    assert.equal(await endOf(root), "lapsed")
    assert.deepEqual([await endOf(middle), await endOf(leaf)], ["parent-ended", "parent-ended"])
  })

  test("is not that nobody used it, while what it handed on is used", async () => {
    const { root, middle, leaf } = await chainOfThree()
    const idle = "update sessions.sessions set last_used_at = now() - interval '1 hour' where id = any($1)"
    await gate.store.owner.query(idle, [[root.id, middle.id]])
    await lease(leaf, carrier)
    await renewSession(rooms, bot, root.id)
    await gate.store.owner.query(idle, [[root.id, middle.id]])
    await renewSession(rooms, carrier, leaf.id)
    await renewSession(rooms, shipper, middle.id)
  })

  test("is found by a sweep of any server when the one that ended it was killed right after", async () => {
    const { root, leaf, leases, accounts } = await chainOfThree()
    const crash = () => Promise.reject(new Error("crash"))
    const credentials = { ...rooms.credentials, beginHeld: () => undefined, revokeSession: crash }
    await assert.rejects(endSession({ ...rooms, credentials }, root.id, "ended", "server"), /crash/)
    assert.equal(await endOf(leaf), "parent-ended")
    for (const { id } of leases) assert.equal((await rooms.credentials.lease(id)).state, "revoking")
    await gate.store.owner.query("update credentials.leases set claimed_until = now()")
    await until(() => standing(accounts).every((isThere) => !isThere))
  })
})
