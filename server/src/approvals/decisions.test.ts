import assert from "node:assert/strict"
import { after, beforeEach, describe, test } from "node:test"
import { newId, refusalCode } from "#kernel"
import { action, alice, openTestApprovals, passkeyOver, person, signedBy } from "./fixture.ts"
import type { NewRequest, Person } from "./request.ts"

const room = await openTestApprovals()
const { approvals, audit, store } = room
const [olga, max, pia, dan] = [person("olga"), person("max"), person("pia"), person("dan")]
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
const state = async (id: string) => (await approvals.find(id))?.state

/** A request to a group of Olga, Max and Pia, of whom so many have to approve. */
const toLeads = (required: number, more: Partial<NewRequest> = {}) =>
  room.held({
    session: newId("session"),
    action: action({}, newId("x")),
    requirements: [
      {
        of: "leads",
        rung: "quorum",
        required,
        members: [olga, max, pia].map(({ provider, sub: subject }) => ({ provider, subject })),
      },
    ],
    ...more,
  })

/** Dan, with the places that he holds or says that he holds. */
const standing = (...members: Person[]): Person => ({
  ...dan,
  inPlaceOf: members.map((member) => ({ group: "leads", member })),
})

/** Lets Dan stand in for a member of the group. */
async function appoint(member: Person, groups = ["leads"]): Promise<string> {
  const appointment = { user: member.id, standIn: dan.id, groups, startsInSeconds: 0, seconds: 3_600 }
  return (await audit.commit(approvals.people.standIns.appoint(appointment, groups))).result.id
}

describe("a decision", { timeout: 60_000 }, () => {
  after(() => room[Symbol.asyncDispose]())
  beforeEach(async () => {
    await store.owner.query("delete from approvals.stand_ins")
    await room.configure({ pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 1_000, denialsToCoolOff: 100 } })
  })

  test("of several is taken when so many approved, each of them once", async () => {
    const { id, ...rest } = await toLeads(2)
    const held = { id, ...rest }
    assert.equal((await room.say(held, olga)).state, "requested")
    await assert.rejects(room.say(held, olga), refusedWith("approval-over"))
    assert.equal((await room.say(held, max)).state, "approved")
    await assert.rejects(room.say(held, pia), refusedWith("approval-over"))
    assert.deepEqual(
      (await room.entries("approvals.decided")).map(({ by }) => by),
      [olga.id],
    )
  })

  test("of several is no as soon as one says no, whoever said yes before", async () => {
    const held = await toLeads(2)
    await room.say(held, olga)
    assert.equal((await room.say(held, max, "deny")).state, "denied")
    await assert.rejects(room.say(held, pia), refusedWith("approval-over"))
  })

  test("is nobody's who is not of the group, nor whom it is done for", async () => {
    const held = await toLeads(1, { user: olga.id })
    for (const who of [olga, alice, dan, { ...max, provider: "other" }]) {
      await assert.rejects(room.say(held, who), refusedWith("approval-unknown"), who.sub)
      await assert.rejects(room.say(held, who, "deny"), refusedWith("approval-unknown"), who.sub)
    }
    assert.equal((await room.say(held, max)).state, "approved")
  })

  test("is one of eight at once, on two servers", async () => {
    const other = await room.another()
    const held = await toLeads(3)
    const tries = Array.from({ length: 8 }, (_, nth) =>
      room.say(held, [olga, max, pia][nth % 3]!, nth % 4 === 3 ? "deny" : "approve", nth % 2 === 0 ? room : other),
    )
    const settled = await Promise.allSettled(tries)
    const found = await approvals.find(held.id)
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, found!.decisions.length)
    assert.equal(new Set(found!.decisions.map(({ approver }) => approver)).size, found!.decisions.length)
    const isDenied = found!.decisions.some(({ decision }) => decision === "deny")
    assert.equal(found!.state, isDenied ? "denied" : "approved")
  })

  test("in somebody's place counts as theirs, and the entry says so", async () => {
    await appoint(olga)
    const held = await toLeads(2)
    const decided = await room.say(held, standing(olga))
    assert.deepEqual(decided.decisions[0]?.standsFor, { leads: olga.id })
    assert.equal((await room.say(held, max)).state, "approved")
    const entry = (await room.entries("approvals.decided")).find(({ by }) => by === dan.id)
    assert.deepEqual(entry?.data?.["standsFor"], { leads: olga.id })
  })

  test("of a member and of who stands in for them are one, in either order", async () => {
    await appoint(olga)
    const first = await toLeads(2)
    await room.say(first, olga)
    await assert.rejects(room.say(first, standing(olga)), refusedWith("approval-unknown"))
    assert.equal(await state(first.id), "requested")
    const second = await toLeads(2)
    await room.say(second, standing(olga))
    assert.equal((await room.say(second, olga)).state, "requested")
    assert.equal((await room.say(second, max)).state, "approved")
  })

  test("of one who stands in for two is one", async () => {
    await appoint(olga)
    await appoint(max)
    const held = await toLeads(2)
    assert.equal((await room.say(held, standing(olga, max))).state, "requested")
    await assert.rejects(room.say(held, standing(max)), refusedWith("approval-over"))
  })

  test("in somebody's place is nobody's without being appointed, for another group, afterwards, or for their own agent", async () => {
    const held = await toLeads(1)
    await assert.rejects(room.say(held, standing(olga)), refusedWith("approval-unknown"))
    await appoint(olga, ["others"])
    await assert.rejects(room.say(held, standing(olga)), refusedWith("approval-unknown"))
    const id = await appoint(olga)
    await audit.commit(approvals.people.standIns.revoke(olga.id, id))
    await assert.rejects(room.say(held, standing(olga)), refusedWith("approval-unknown"))
    await appoint(olga)
    await store.owner.query("update approvals.stand_ins set starts_at = now() - interval '2 h', ends_at = now()")
    await assert.rejects(room.say(held, standing(olga)), refusedWith("approval-unknown"))
    await store.owner.query("delete from approvals.stand_ins")
    await appoint(olga)
    for (const user of [dan.id, olga.id]) {
      const own = await toLeads(1, { user })
      await assert.rejects(room.say(own, standing(olga)), refusedWith("approval-unknown"))
    }
    assert.equal((await room.say(held, standing(olga))).state, "approved")
  })

  test("of a user's own is never somebody else's, whatever they stand in for", async () => {
    await appoint(alice, ["user"])
    const held = await room.held({ session: newId("session") })
    const place = { group: "user", member: alice }
    await assert.rejects(room.say(held, { ...dan, inPlaceOf: [place] }), refusedWith("approval-unknown"))
  })

  test("that was signed for another request, or by somebody else, is none", async () => {
    const [one, two] = [await room.held({ session: newId("session") }), await room.held({ session: newId("session") })]
    for (const statement of [signedBy(two, alice), signedBy(one, max)]) {
      const said = {
        id: one.id,
        person: alice,
        decision: "approve",
        proven: passkeyOver([statement]),
        statement,
      } as const
      await assert.rejects(audit.commit(approvals.decide(said)), refusedWith("proof-insufficient"))
    }
    assert.equal(await state(one.id), "requested")
  })

  test("is used again by the request that used it while an answer may be lost, and no later", async () => {
    const held = await room.held({ session: newId("session") })
    await room.say(held, alice)
    const use = async (key: string) => {
      const made = { id: held.id, entry: newId("entry"), key, isRepeatable: true }
      return (await audit.commit(approvals.use(made))).result
    }
    assert.equal(await use("a-key"), "used")
    await room.age(119)
    assert.equal(await use("a-key"), "again")
    await assert.rejects(use("another"), refusedWith("approval-used"))
    await room.age(60)
    await assert.rejects(use("a-key"), refusedWith("approval-used"))
  })

  test("a person finds what they may decide in somebody's place among what they are asked", async () => {
    const held = await toLeads(1)
    const list = async (who: Person) => (await approvals.list({ person: who })).map(({ id }) => id)
    assert.ok((await list(standing(olga))).includes(held.id))
    assert.ok(!(await list(dan)).includes(held.id))
  })
})
