import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { together } from "#audit"
import type { Id } from "#kernel"
import { openTestSessions, type TestSessions } from "../fixture.ts"
import type { Taking } from "./store.ts"
import { openUsage, type Usage } from "./usage.ts"

describe("usage", () => {
  let room: TestSessions
  let usage: Usage
  before(async () => {
    room = await openTestSessions()
    usage = openUsage(room.store.database)
  })
  after(() => room?.[Symbol.asyncDispose]())

  const uses = (session: Id<"session">, atMost: number, more: Partial<Taking> = {}): Taking => {
    return { session, budget: "refunds", measure: "uses", perSeconds: null, amount: 1, atMost, ...more }
  }
  const take = async (request: string, takings: Taking[], audit = room.audit) =>
    (await audit.commit(usage.take(request, takings))).result
  const spent = async (session: string) =>
    await room.store.owner.query<{ budget: string; measure: string; spent: string }>(
      "select budget, measure, spent::text from sessions.counts where session = $1 and spent > 0 order by budget, measure",
      [session],
    )

  test("of many that take at once at two servers, as many get as there is room for, and no more", async () => {
    const { id } = await room.open()
    const other = await room.another()
    const asked = Array.from({ length: 24 }, (_, nth) =>
      take(
        `r${nth}`,
        [uses(id, 5), uses(id, 30, { measure: "sum:amount", amount: 4 })],
        nth % 2 ? room.audit : other.audit,
      ),
    )
    const taken = await Promise.all(asked)
    assert.equal(taken.filter((each) => each === "taken").length, 5)
    assert.equal(taken.filter((each) => each === "used-up").length, 19)
    assert.deepEqual(await spent(id), [
      { budget: "refunds", measure: "sum:amount", spent: "20" },
      { budget: "refunds", measure: "uses", spent: "5" },
    ])
  })

  test("what does not fit takes nothing of anything, of no session of a chain", async () => {
    const [parent, child] = [await room.open(), await room.open()]
    const both = [uses(child.id, 5), uses(parent.id, 1)]
    assert.equal(await take("one", both), "taken")
    assert.equal(await take("two", both), "used-up")
    assert.deepEqual(await spent(child.id), [{ budget: "refunds", measure: "uses", spent: "1" }])
    const left = await usage.room("three", both)
    assert.deepEqual(
      left.map(({ room, fits }) => [room, fits]),
      [
        [4, true],
        [0, false],
      ],
    )
  })

  test("a request takes once under its name, and gives back once", async () => {
    const { id } = await room.open()
    const one = [uses(id, 1)]
    assert.equal(await take("key", one), "taken")
    assert.equal(await take("key", one), "held")
    assert.deepEqual([...(await usage.room("key", one))], [{ room: 1, fits: true }])
    assert.deepEqual([...(await usage.room("another", one))], [{ room: 0, fits: false }])
    await room.audit.commit(usage.giveBack("key"))
    await room.audit.commit(usage.giveBack("key"))
    assert.deepEqual(await spent(id), [])
    assert.equal(await take("another", one), "taken")
  })

  test("asked in one statement with others, each is counted after those that came before it", async () => {
    const [{ id }, other] = [await room.open(), await room.open()]
    const first = take("first", [uses(other.id, 9)])
    const crowd = ["a", "a", "b", "c", "b"].map((request) => take(request, [uses(id, 2), uses(other.id, 9)]))
    const whole = room.audit.commit(together(usage.take("d", [uses(other.id, 9)]), usage.take("a", [uses(id, 2)])))
    assert.equal(await first, "taken")
    assert.deepEqual(await Promise.all(crowd), ["taken", "held", "taken", "used-up", "held"])
    assert.deepEqual((await whole).result, ["taken", "held"])
    assert.deepEqual(
      [await spent(id), await spent(other.id)].flat().map((row) => row.spent),
      ["2", "4"],
    )
  })

  test("sums are exact: three tenths are three times a tenth", async () => {
    const { id } = await room.open()
    const tenth = [uses(id, 0.3, { measure: "sum:amount", amount: 0.1 })]
    for (const request of ["a", "b", "c"]) assert.equal(await take(`tenth-${request}`, tenth), "taken")
    assert.equal(await take("tenth-d", tenth), "used-up")
    assert.equal(await take("a little", [{ ...tenth[0]!, amount: 1e-7 }]), "used-up")
    assert.equal(await take("nothing", [{ ...tenth[0]!, amount: 0 }]), "taken")
  })

  test("a limit over some seconds counts what was taken in them, and the whole session counts all", async () => {
    const { id } = await room.open()
    const lately = uses(id, 2, { perSeconds: 60 })
    const ever = uses(id, 3)
    assert.equal(await take("first", [lately, ever]), "taken")
    assert.equal(await take("second", [lately, ever]), "taken")
    assert.equal(await take("third", [lately, ever]), "used-up")
    await room.store.owner.query("update sessions.spendings set at = at - interval '59 s' where session = $1", [id])
    assert.equal(await take("third", [lately, ever]), "used-up")
    await room.store.owner.query("update sessions.spendings set at = at - interval '2 s' where session = $1", [id])
    assert.equal(await take("third", [lately, ever]), "taken")
    assert.equal(await take("fourth", [lately, ever]), "used-up")
    assert.equal(await take("fourth", [lately]), "taken")
  })

  test("a label is new once, and then every server throws its decisions away", async () => {
    const { id } = await room.open()
    const before = await room.epoch.refresh()
    const first = await room.audit.commit(usage.label(id, ["untrusted", "confidential"]))
    assert.deepEqual(first.result.sort(), ["confidential", "untrusted"])
    assert.ok(first.epoch > before)
    const again = await room.audit.commit(usage.label(id, ["untrusted"]))
    assert.deepEqual(again.result, [])
    assert.equal(again.epoch, first.epoch)
    const { entries } = await room.audit.entries({ session: id, event: "sessions.labelled" })
    assert.deepEqual(
      entries.map(({ leaf }) => leaf.data),
      [{ labels: ["confidential", "untrusted"] }],
    )
  })

  test("what was made is known by kind, in any of the sessions asked for", async () => {
    const [one, other] = [await room.open(), await room.open()]
    await room.audit.commit(usage.noteMade(one.id, "ticket", "T-1"))
    await room.audit.commit(usage.noteMade(one.id, "ticket", "T-1"))
    await room.audit.commit(usage.noteMade(other.id, "ticket", "T-2"))
    await room.audit.commit(usage.noteMade(other.id, "parcel", "P-1"))
    assert.deepEqual(await usage.made([one.id], ["ticket", "parcel"]), { ticket: ["T-1"] })
    assert.deepEqual(await usage.made([one.id, other.id], ["ticket"]), { ticket: ["T-1", "T-2"] })
  })
})
