import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { Refusal, refusalCode } from "#kernel"
import { endSession } from "../end.ts"
import { before } from "../fixture.ts"
import type { Rooms } from "../rooms.ts"
import { aRaise, heldOf, openTestApproving } from "./approve.fixture.ts"

const at = await openTestApproving()
const { gate, rooms, alice, session, raise, decide } = at
const eventsOf = async (id: string) =>
  (await gate.entries())
    .filter((leaf) => leaf.session === id && leaf.event.startsWith("gate."))
    .map(({ event }) => event)

/** An approved raise, in a session of its own. */
async function approved() {
  const id = await session()
  const held = heldOf(await raise(id))
  await decide(held.id, alice)
  return { id, approval: held.id }
}

/** Rooms in which the epoch moves as the first decision is committed, and nobody can look whether it still holds, so many times. */
function moved(times: number): Rooms {
  let asked = 0
  const standing: Rooms["sessions"]["standing"] = async (...of) => {
    asked += 1
    if (asked > 1 && asked <= 1 + times) throw new Refusal("store-unavailable", "Not now.")
    return await rooms.sessions.standing(...of)
  }
  const bumped = before(rooms, async (commit) => {
    if (commit === 1) await gate.bump()
  })
  return { ...bumped, sessions: { ...bumped.sessions, standing } }
}

describe("an approval whose use is decided again", { timeout: 120_000 }, () => {
  after(() => at[Symbol.asyncDispose]())

  test("is used by the next try of the same request, with a key and without one", async () => {
    for (const key of [undefined, "a-key"]) {
      const { id, approval } = await approved()
      const about = { approval, ...(key && { key }) }
      const done = await raise(id, aRaise, { ...about, rooms: moved(1) })
      assert.equal(done.decision.verdict, "allow")
      assert.deepEqual(await eventsOf(id), [
        "gate.action-held",
        "gate.action-begun",
        "gate.action-discarded",
        "gate.action-begun",
      ])
      const { usedBy, usedKey } = (await rooms.approvals.find(approval))!
      assert.deepEqual([usedBy, usedKey], [done.entry, key ?? null])
      assert.equal((await raise(id, aRaise, { approval, key: "other" })).decision.verdict, "deny")
    }
  })

  test("is as good as unused when nothing came of any try", async () => {
    const { id, approval } = await approved()
    const refused = raise(id, aRaise, { approval, key: "k", rooms: moved(2) })
    await assert.rejects(refused, (error) => refusalCode(error) === "store-unavailable")
    const { isUsable, usedBy } = (await rooms.approvals.find(approval))!
    assert.deepEqual([isUsable, usedBy], [true, null])
    assert.equal((await raise(id, aRaise, { approval, key: "another" })).decision.verdict, "allow")
  })

  test("lets nothing pass where the session ended right after it was used", async () => {
    const { id, approval } = await approved()
    const commit: Rooms["audit"]["commit"] = async (change) => {
      const committed = await rooms.audit.commit(change)
      await endSession(rooms, id, "withdrawn", "server")
      return { ...committed, epoch: committed.epoch + 1 }
    }
    const refused = raise(id, aRaise, { approval, key: "k", rooms: { ...rooms, audit: { ...rooms.audit, commit } } })
    await assert.rejects(refused, (error) => refusalCode(error) === "session-ended")
    assert.deepEqual((await eventsOf(id)).slice(-2), ["gate.action-begun", "gate.action-discarded"])
    for (const key of ["k", "another"]) {
      const again = raise(id, aRaise, { approval, key })
      await assert.rejects(again, (error) => refusalCode(error) === "session-ended")
    }
  })

  test("stays used where even that could not be recorded, and the same key finds what was begun", async () => {
    const { id, approval } = await approved()
    const broken = moved(1)
    let commits = 0
    const commit: Rooms["audit"]["commit"] = async (change) => {
      commits += 1
      if (commits > 1) throw new Refusal("store-unavailable", "Not now.")
      return await broken.audit.commit(change)
    }
    const lost = raise(id, aRaise, { approval, key: "k", rooms: { ...broken, audit: { ...broken.audit, commit } } })
    await assert.rejects(lost, (error) => refusalCode(error) === "store-unavailable")
    assert.equal((await raise(id, aRaise, { approval, key: "other" })).decision.verdict, "deny")
    const again = await raise(id, aRaise, { approval, key: "k" })
    assert.deepEqual([again.decision.verdict, again.entry], ["allow", (await rooms.approvals.find(approval))!.usedBy])
    assert.deepEqual(
      (await eventsOf(id)).filter((event) => event === "gate.action-begun"),
      ["gate.action-begun"],
    )
  })
})
