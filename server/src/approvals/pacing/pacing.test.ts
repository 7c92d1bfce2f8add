import assert from "node:assert/strict"
import { after, beforeEach, describe, test } from "node:test"
import { newId } from "#kernel"
import { action, alice, facts, openTestApprovals, person } from "../fixture.ts"
import type { Approval, NewRequest } from "../request.ts"

const room = await openTestApprovals()
const { store } = room

/** Of another kind than any other. */
const unlike = (nth: number): Partial<NewRequest> => ({ action: action({}, `operation${nth}`) })
const session = newId("session")
/** Alike and in one session, where they can stand on one card. */
const alike = (amount: number): Partial<NewRequest> => ({ session, root: session, action: action({ amount }) })
const group = (...subjects: string[]): NewRequest["requirements"] => [
  { of: "leads", rung: "sign", required: 1, members: subjects.map((subject) => ({ provider: "hr", subject })) },
]

describe("people are asked", { timeout: 120_000 }, () => {
  after(() => room[Symbol.asyncDispose]())
  beforeEach(async () => {
    await store.owner.query(
      "truncate approvals.requests, approvals.decisions, approvals.kinds, approvals.notices cascade",
    )
    await room.configure({})
  })

  test("not at all once a burst is one: what waits is withdrawn, told once, and recorded once", async () => {
    for (let nth = 1; nth <= 10; nth++) assert.equal((await room.ask(alike(nth))).refused, null)
    const eleventh = await room.ask(alike(11))
    assert.equal(eleventh.refused?.code, "bulk-refused")
    assert.equal(eleventh.refused?.retryAfterSeconds, 900)
    const states = await store.owner.query("select distinct state, reason from approvals.requests")
    assert.deepEqual(states, [{ state: "withdrawn", reason: "bulk" }])
    const twelfth = await room.ask(alike(12))
    assert.equal(twelfth.refused?.code, "cooling-off")
    assert.deepEqual(await room.notices("refused"), [alice.id])
    assert.equal((await room.entries("approvals.refused")).length, 1)
    assert.equal((await room.notices("asked")).length, 1, "of ten on one card they were told once")
    await room.age(901)
    assert.equal((await room.ask(alike(13))).refused, null)
  })

  test("by an agent whatever it asks of others: nobody uses up what it may ask of somebody else", async () => {
    await room.configure({ pacing: { perAgentPerHour: 3, perPersonPerMinute: 1_000 } })
    const mallory = person("mallory")
    const own = (nth: number) => ({ ...unlike(nth), user: mallory.id })
    for (const nth of [1, 2, 3]) await room.held(own(nth))
    assert.equal((await room.ask(own(4))).refused?.code, "asked-too-often")
    for (const nth of [1, 2, 3]) await room.held(unlike(nth))
    assert.equal((await room.ask(unlike(4))).refused?.code, "asked-too-often")
    const leads = (nth: number, user = mallory.id) => ({ ...unlike(nth), user, requirements: group("olga") })
    for (const nth of [5, 6, 7]) await room.held(leads(nth))
    assert.equal((await room.ask(leads(8, alice.id))).refused?.code, "asked-too-often", "whomever it is done for")
    await room.held({ ...unlike(9), requirements: [{ ...group("paul")[0]!, of: "finance" }] })
  })

  test("never 412 times: over sessions, instances, renamed arguments and two servers at once", async () => {
    const other = await room.another()
    const asked = Array.from({ length: 412 }, (_, nth) => {
      const own = newId("session")
      const named = action({ [`employee${nth}`]: nth })
      const root = nth % 3 === 0 ? newId("session") : own
      return room.ask({ session: own, root, instance: `instance_${nth % 5}`, action: named }, nth % 2 ? other : room)
    })
    const answers = await Promise.all(asked)
    assert.equal(answers.filter(({ refused }) => refused?.code === "bulk-refused").length, 1)
    const [{ requests }] = (await store.owner.query<{ requests: number }>(
      "select count(*)::int as requests from approvals.requests",
    )) as [{ requests: number }]
    assert.ok(requests <= 5, `${requests} requests were made, more than a person is asked in a minute`)
    const waiting = await store.owner.query("select 1 from approvals.requests where state = 'requested'")
    assert.equal(waiting.length, 0)
    assert.ok((await room.notices("asked")).length <= 5)
    assert.equal((await room.notices("refused")).length, 1)
    const kinds = await store.owner.query<{ bytes: number }>(
      "select pg_column_size(k.*) as bytes from approvals.kinds k",
    )
    assert.equal(kinds.length, 1)
    assert.ok(kinds[0]!.bytes < 1_000, "a burst leaves one small row")
  })

  test("about another user, resource, operation or agent as if there had been no burst", async () => {
    for (let nth = 1; nth <= 11; nth++) await room.ask(alike(nth))
    assert.equal((await room.ask(alike(12))).refused?.code, "cooling-off")
    assert.equal((await room.ask({ user: newId("user") })).refused, null)
    assert.equal((await room.ask({ agent: "other" })).refused, null)
    assert.equal((await room.ask(unlike(1))).refused, null)
    const elsewhere = { ...action({}), resource: "till" }
    assert.equal((await room.ask({ action: elsewhere })).refused, null)
  })

  test("once for the same action, however often it is asked for", async () => {
    const same = { session, root: session, action: action({ amount: 7 }) }
    const first = await room.held(same)
    const again = await Promise.all(Array.from({ length: 50 }, () => room.ask(same)))
    assert.ok(again.every(({ approval, isNew }) => approval?.id === first.id && !isNew))
  })

  test("five times a minute at the most, each of them; what joins a card makes no more of it", async () => {
    for (let nth = 1; nth <= 5; nth++) assert.equal((await room.ask(unlike(nth))).refused, null)
    const sixth = await room.ask(unlike(6))
    assert.equal(sixth.refused?.code, "asked-too-often")
    assert.ok(sixth.refused.retryAfterSeconds <= 60)
    assert.equal((await room.ask({ ...unlike(7), agent: "other" })).refused?.code, "asked-too-often", "by any agent")
    await room.age(61)
    assert.equal((await room.ask(alike(1))).refused, null)
    for (let nth = 2; nth <= 8; nth++) assert.equal((await room.ask(alike(nth))).refused, null)
  })

  test("of a group as long as enough of them were not asked too often", async () => {
    const asked = (nth: number, ...members: string[]) => ({
      ...unlike(nth),
      user: null,
      requirements: group(...members),
    })
    for (let nth = 1; nth <= 5; nth++) assert.equal((await room.ask(asked(nth, "olga"))).refused, null)
    assert.equal((await room.ask(asked(6, "olga"))).refused?.code, "asked-too-often")
    assert.equal((await room.ask(asked(7, "olga", "max"))).refused, null)
    const both = asked(8, "olga", "max")
    const two = both.requirements.map((each) => ({ ...each, required: 2 }))
    assert.equal((await room.ask({ ...both, requirements: two })).refused?.code, "asked-too-often")
  })

  test("twenty times an hour by one agent at the most, and it learns when the next may be", async () => {
    await room.configure({ pacing: { perPersonPerMinute: 1_000 } })
    for (let nth = 1; nth <= 20; nth++) assert.equal((await room.ask(unlike(nth))).refused, null)
    await room.age(1_000)
    const { refused } = await room.ask(unlike(21))
    assert.equal(refused?.code, "asked-too-often")
    assert.ok(
      refused.retryAfterSeconds > 2_500 && refused.retryAfterSeconds <= 2_600,
      String(refused.retryAfterSeconds),
    )
    assert.equal((await room.ask({ ...unlike(22), agent: "other" })).refused, null)
  })

  test("no more for a quarter of an hour after two denials of one kind within ten minutes", async () => {
    await room.say(await room.held({ session: newId("session") }), alice, "deny")
    assert.equal((await room.ask()).refused, null, "one is not enough")
    await room.say(await room.held(), alice, "deny")
    const { refused } = await room.ask()
    assert.equal(refused?.code, "cooling-off")
    assert.equal((await room.ask(unlike(1))).refused, null)
    await room.age(800)
    assert.equal((await room.ask()).refused?.code, "cooling-off")
    await room.age(101)
    assert.equal((await room.ask()).refused, null)
  })

  test("as before when the denials lie further apart", async () => {
    await room.say(await room.held(), alice, "deny")
    await room.age(601)
    await room.say(await room.held(), alice, "deny")
    assert.equal((await room.ask()).refused, null)
  })

  test("no more after four that nobody answered, which are half a denial each; a card is one", async () => {
    for (let nth = 1; nth <= 3; nth++) {
      await room.held({ ...alike(nth), root: newId("session") })
      await room.age(301)
      await room.audit.commit(room.approvals.expire())
      assert.equal((await room.ask(unlike(nth))).refused, null)
      // Within the ten minutes that count, whatever the expiry took.
      await store.owner.query("update approvals.requests set decided_at = clock_timestamp() where state = 'expired'")
      if (nth < 3) await room.age(61)
    }
    const two = [await room.held(alike(8)), await room.held(alike(9))]
    assert.equal(two[0]!.bundle, two[1]!.bundle)
    await store.owner.query("update approvals.requests set expires_at = clock_timestamp() where bundle = $1", [
      two[0]!.bundle,
    ])
    await room.audit.commit(room.approvals.expire())
    assert.equal((await room.ask(alike(10))).refused?.code, "cooling-off")
  })

  test("on one card about what is alike; about what is unusual, or asked of others, on another", async () => {
    const first = await room.held(alike(1))
    assert.equal((await room.held(alike(2))).bundle, first.bundle)
    const argument = { name: "amount", value: 9_000, finding: "free", origin: null, isSink: true } as const
    const unusual = facts({ arguments: [{ ...argument, unusual: { kind: "times-usual", times: 10 } }] })
    const odd = await room.held({ ...alike(9_000), facts: unusual })
    assert.notEqual(odd.bundle, first.bundle)
    assert.equal((await room.held(alike(3))).bundle, first.bundle, "nothing joins what is unusual")
    const strict = [{ of: "user", rung: "quorum" as const, required: 1, members: null }]
    assert.notEqual((await room.held({ ...alike(4), requirements: strict })).bundle, first.bundle)
    assert.notEqual((await room.held({ ...alike(5), policyVersion: "newer" })).bundle, first.bundle)
    assert.equal((await room.notices("asked")).length, 4)
  })

  test("on a card of twenty at the most, and on none that was answered or is a minute old", async () => {
    await room.configure({ pacing: { bulk: 100 } })
    const held: Approval[] = []
    for (let nth = 1; nth <= 21; nth++) held.push(await room.held(alike(nth)))
    assert.deepEqual(
      held.map(({ bundle }) => bundle === held[0]!.bundle),
      held.map((_, at) => at < 20),
    )
    const last = held[20]!
    await room.say(last, alice, "deny")
    const next = await room.held(alike(22))
    assert.notEqual(next.bundle, last.bundle)
    await room.age(61)
    assert.notEqual((await room.held(alike(23))).bundle, next.bundle)
  })

  test("of nobody's requests but of those whom it concerns: a person of another group counts for themselves", async () => {
    const max = person("max")
    for (let nth = 1; nth <= 5; nth++) await room.ask({ ...unlike(nth), user: null, requirements: group("olga") })
    const asked = await room.ask({ ...unlike(6), user: null, requirements: group(max.sub) })
    assert.equal(asked.refused, null)
  })
})
