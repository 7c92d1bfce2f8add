import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret } from "#kernel"
import { alice as aliceAtHr, request } from "../fixture.ts"
import { extending } from "../more-time/extend.ts"
import { parseApprovals } from "../part.ts"
import { requesting } from "../requests.ts"
import { issuer, openTestReach } from "./reach.fixture.ts"

const alice = { kind: "email", address: "alice@example.org" } as const
const phone = { kind: "sms", number: "+4930123456789" } as const
const inFiveMinutes = () => new Date(Date.now() + 300_000)

test("what asks somebody is on their phone, with a link to where it waits and the place for a receipt", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice)
  const id = await reach.notice({ user, kind: "told", expiresAt: inFiveMinutes() })
  const [told] = await reach.push.caught.until(1)
  assert.equal(told!.notification.navigate, `${issuer}/approvals/history`)
  assert.equal(told!.notification.data, undefined)
  const [entry] = await reach.entries("approvals.notified", 1)
  assert.deepEqual([entry!.user, entry!.data], [user, { notices: [id], channel: "push", isSilent: false }])
  assert.equal(reach.mail.caught.all.length, 0)
})

test("push, e-mail and SMS: what nobody says was heard goes to the next, and to no other once it was", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice, phone)
  const texts = reach.sms.caught.all.length
  const id = await reach.notice({ user, kind: "asked", expiresAt: new Date(Date.now() + 86_400_000) })
  await reach.push.caught.until(1)
  await reach.entries("approvals.notified", 1)
  await reach.age(user, 3_600)
  await reach.mail.caught.until(1)
  await reach.entries("approvals.notified", 2)
  await reach.age(user, 3_600)
  await reach.sms.caught.until(texts + 1)
  const entries = await reach.entries("approvals.notified", 3)
  assert.deepEqual(
    entries.map(({ data }) => [data!["channel"], data!["notices"]]),
    ["push", "email", "sms"].map((channel) => [channel, [id]]),
  )
  await reach.age(user, 3_600)
  await reach.until(async () => (await reach.rows(user))[0]!.step === 3)
  assert.deepEqual([reach.push.caught.all.length, reach.mail.caught.all.length], [1, 1])

  const heard = await reach.notice({ user: await reach.person(reach.push.subscribe(), alice), kind: "asked" })
  const [, push] = await reach.push.caught.until(2)
  assert.equal(push!.notification.data!.receipt, `${issuer}/approvals/notices/${heard}/receipt`)
  await reach.notices.received(heard)
  const [row] = await reach.store.owner.query<{ user_id: string }>(
    "select user_id from approvals.notices where id = $1",
    [heard],
  )
  await reach.entries("approvals.notified", 4)
  await reach.age(row!.user_id, 3_600)
  await reach.until(async () => {
    const [{ due }] = (await reach.store.owner.query<{ due: boolean }>(
      "select due_at > clock_timestamp() as due from approvals.notices where id = $1",
      [heard],
    )) as [{ due: boolean }]
    return due
  })
  assert.equal(reach.mail.caught.all.length, 1)
})

test("a channel that does not take it is no reason to wait for the next", async () => {
  await using reach = await openTestReach()
  reach.push.manner = "for-good"
  reach.mail.manner = "for-good"
  const user = await reach.person(reach.push.subscribe(), alice, phone)
  const before = reach.sms.caught.all.length
  await reach.notice({ user, kind: "asked", expiresAt: inFiveMinutes() })
  const texts = await reach.sms.caught.until(before + 1)
  assert.equal(texts.at(-1)!.body, `Something waits for your decision. ${issuer}/approvals`)
  await reach.entries("approvals.notified", 1)
  const attempts = await reach.store.owner.query(
    "select channel, outcome, reason from approvals.deliveries order by at",
  )
  assert.deepEqual(attempts, [
    { channel: "push", outcome: "undelivered", reason: "refused" },
    { channel: "email", outcome: "undelivered", reason: "refused" },
    { channel: "sms", outcome: "delivered", reason: null },
  ])
})

test("a subscription that is gone is forgotten, and the other phone hears of it", async () => {
  await using reach = await openTestReach()
  const [old, kept] = [reach.push.subscribe(), reach.push.subscribe()]
  const user = await reach.person({ ...old, endpoint: `${reach.push.url}/push/unknown` }, kept)
  await reach.notice({ user, kind: "asked", expiresAt: inFiveMinutes() })
  await reach.push.caught.until(1)
  await reach.entries("approvals.contact-forgotten", 1)
  const { contacts } = await reach.people.reach(user)
  assert.deepEqual(
    contacts.map(({ contact }) => contact),
    [kept],
  )
})

test("whom no channel reaches is recorded as that, and nothing of where they would be", async () => {
  await using reach = await openTestReach()
  const nobody = await reach.person()
  const asked = await reach.notice({ user: nobody, kind: "asked", expiresAt: inFiveMinutes() })
  const [entry] = await reach.entries("approvals.unreachable", 1)
  assert.deepEqual([entry!.user, entry!.data], [nobody, { notices: [asked], reason: "undelivered" }])
  reach.mail.manner = "for-good"
  const user = await reach.person(alice)
  await reach.notice({ user, kind: "told" })
  await reach.entries("approvals.unreachable", 2)
  const all = await reach.store.owner.query<{ leaf: Buffer }>("select leaf from audit.entries")
  for (const { leaf } of all) assert.doesNotMatch(leaf.toString(), /alice@example\.org|\+4930/)
})

test("one thing at a time makes a sound; what comes meanwhile is counted in the next message", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice)
  const expiresAt = new Date(Date.now() + 86_400_000)
  const first = await reach.notice({ user, kind: "asked", expiresAt })
  await reach.entries("approvals.notified", 1)
  const others = [
    await reach.notice({ user, kind: "asked", expiresAt }),
    await reach.notice({ user, kind: "asked", expiresAt }),
  ]
  await reach.until(async () => {
    const [row] = await reach.store.owner.query<{ held: number }>(
      "select count(*) as held from approvals.notices where user_id = $1 and due_at > clock_timestamp()",
      [user],
    )
    return row!.held === 3
  })
  assert.equal(reach.push.caught.all.length, 1)
  await reach.age(user, 3_600)
  const [letter] = await reach.mail.caught.until(1)
  assert.match(letter!.text, /3 things wait for your decision\.\s+https:\/\/safeconduct\.example\/approvals\s/)
  const entries = await reach.entries("approvals.notified", 2)
  assert.deepEqual(new Set(entries[1]!.data!["notices"] as string[]), new Set([first, ...others]))
  assert.equal(reach.push.caught.all.length, 1)
})

test("what waited for its turn makes a sound when the person looked, and half a minute after the one before", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe())
  await reach.notice({ user, kind: "asked" })
  await reach.entries("approvals.notified", 1)
  await reach.notices.seen(user, null)
  await reach.notice({ user, kind: "asked" })
  const held = async () => (await reach.rows(user)).at(-1)!
  await reach.until(async () => {
    const [row] = await reach.store.owner.query<{ ms: number }>(
      "select (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as ms from approvals.notices where id = $1",
      [(await held()).id],
    )
    return row!.ms > 1_000
  })
  assert.equal(reach.push.caught.all.length, 1)
  await reach.age(user, 31)
  await reach.push.caught.until(2)
  assert.deepEqual(
    (await reach.rows(user)).map(({ state }) => state),
    ["seen", "waiting"],
  )
})

test("what was done is on the phone at once, without a sound where there was one just before", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe())
  for (let count = 1; count <= 3; count++) {
    await reach.notice({ user, kind: "told" })
    await reach.push.caught.until(count)
    await reach.entries("approvals.notified", count)
  }
  assert.deepEqual(
    reach.push.caught.all.map(({ notification }) => notification.silent),
    [false, true, true],
  )
  assert.deepEqual(new Set((await reach.rows(user)).map(({ state }) => state)), new Set(["told"]))
})

test("quiet hours are kept, but by what is critical; what is over before they are goes to nobody", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice)
  const wall = (ms: number) => new Date(ms).toISOString().slice(11, 16)
  const quietHours = { from: wall(Date.now() - 3_600_000), to: wall(Date.now() + 7_200_000), timeZone: "UTC" }
  await reach.audit.commit(reach.people.wish(user, { locale: "de", quietHours }))
  const reachable = await reach.notices.whenReachable(user)
  assert.equal(reachable.state, "quiet")
  assert.equal(reachable.state === "quiet" && wall(reachable.until.getTime()), quietHours.to)

  await reach.notice({ user, kind: "asked", expiresAt: inFiveMinutes() })
  const [lost] = await reach.entries("approvals.unreachable", 1)
  assert.equal(lost!.data!["reason"], "quiet-hours")
  await reach.notice({ user, kind: "told" })
  const [silent] = await reach.push.caught.until(1)
  assert.equal(silent!.notification.silent, true)
  await reach.notice({ user, kind: "asked", expiresAt: inFiveMinutes(), isCritical: true })
  const [, loud] = await reach.push.caught.until(2)
  assert.deepEqual([loud!.notification.silent, loud!.notification.body], [false, "Etwas wartet auf Ihre Entscheidung."])
})

test("what is critical and no question goes by every way at once: one that a stranger added keeps no other silent", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice)
  const id = await reach.notice({ user, kind: "enrolled", isCritical: true })
  await reach.push.caught.until(1)
  await reach.mail.caught.until(1)
  const entries = await reach.entries("approvals.notified", 2)
  assert.deepEqual(
    entries.map(({ data }) => [data!["channel"], data!["notices"]]),
    ["push", "email"].map((channel) => [channel, [id]]),
  )
  await reach.until(async () => (await reach.rows(user))[0]!.state === "told")
  assert.deepEqual(await reach.entries("approvals.unreachable"), [])
  assert.deepEqual([reach.push.caught.all.length, reach.mail.caught.all.length], [1, 1])
})

test("a request that was decided, or that they decided for their part, is told nobody any more", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(alice)
  const ask = async () => {
    const asked = request({ user })
    return (await reach.audit.commit(requesting(parseApprovals({}), asked, [user]))).result
  }
  const approval = (await ask()).approval!
  const [letter] = await reach.mail.caught.until(1)
  assert.match(letter!.text, new RegExp(`/approvals/${approval.id}\\s`))
  await reach.entries("approvals.notified", 1)
  await reach.store.owner.query("update approvals.requests set state = 'denied' where id = $1", [approval.id])
  await reach.age(user, 3_600)
  await reach.until(async () => (await reach.rows(user))[0]!.state === "over")
  assert.equal(reach.mail.caught.all.length, 1)
})

test("a request that was given more time is told on, until it is over by that", async () => {
  await using reach = await openTestReach()
  const user = await reach.person(reach.push.subscribe(), alice)
  const pass = async (seconds: number) => {
    for (const table of ["requests", "notices"]) {
      const sql = `update approvals.${table} set expires_at = expires_at - make_interval(secs => $1)`
      await reach.store.owner.query(sql, [seconds])
    }
    await reach.age(user, 3_600)
  }
  const asking = requesting(parseApprovals({}), request({ user }), [user])
  const approval = (await reach.audit.commit(asking)).result.approval!
  await reach.push.caught.until(1)
  await reach.entries("approvals.notified", 1)
  await reach.audit.commit(extending(approval.id, { id: user, provider: "hr", sub: "alice" }))
  await pass(301)
  await reach.mail.caught.until(1)
  await reach.entries("approvals.notified", 2)
  await pass(300)
  await reach.until(async () => (await reach.rows(user))[0]!.state === "over")
})

test("whoever stands in for somebody is asked when they do not look, and nobody for them in turn", async () => {
  await using reach = await openTestReach(({ mail }) => ({
    email: { smtp: "127.0.0.1", port: mail.port, tls: "none", from: "safeconduct@example.org" },
    order: ["email"],
  }))
  const [olga, otto, ida] = await Promise.all(
    ["olga", "otto", "ida"].map((name) => reach.person({ kind: "email", address: `${name}@example.org` })),
  )
  const appoint = (user: typeof olga, standIn: typeof olga) =>
    reach.audit.commit(
      reach.people.standIns.appoint(
        { user: user!, standIn: standIn!, groups: ["leads"], startsInSeconds: 0, seconds: 3_600 },
        ["leads"],
      ),
    )
  await appoint(olga, otto)
  await appoint(otto, ida)
  const requirements = [
    { of: "leads", rung: "sign" as const, required: 1, members: [{ provider: "hr", subject: "olga" }] },
  ]
  const asked = request({ user: aliceAtHr.id, requirements })
  await reach.audit.commit(requesting(parseApprovals({}), asked, [olga!]))
  await reach.mail.caught.until(1)
  await reach.entries("approvals.notified", 1)
  await reach.age(olga!, 3_600)
  const letters = await reach.mail.caught.until(2)
  assert.deepEqual(
    letters.map(({ to }) => to),
    ["olga@example.org", "otto@example.org"],
  )
  await reach.entries("approvals.notified", 2)
  await reach.age(otto!, 3_600)
  await reach.until(async () => (await reach.rows(otto!)).every(({ step }) => step === 1))
  assert.deepEqual(
    (await reach.rows(otto!)).map((row) => row.stands_in_for),
    [olga],
  )
  assert.deepEqual(await reach.rows(ida!), [])
})

test("the deployment's own program is told of everybody's, once", async () => {
  await using reach = await openTestReach()
  reach.part = { ...reach.part, webhook: { url: `${reach.hook.url}/hook`, network: "loopback" } }
  await reach.channels.setSecret("webhook", new Secret(reach.hook.secret), "server")
  const user = await reach.person(alice)
  await reach.notice({ user, kind: "asked" })
  const [call] = await reach.hook.caught.until(1)
  assert.deepEqual([call!.type, call!.data.user], ["approvals.notice", user])
  await reach.mail.caught.until(1)
  const nobody = await reach.person()
  await reach.notice({ user: nobody, kind: "told" })
  await reach.hook.caught.until(2)
  await reach.until(async () => (await reach.rows(nobody))[0]!.state === "told")
  assert.equal((await reach.entries("approvals.unreachable")).length, 0)
  await reach.entries("approvals.notified", 3)
  await reach.age(user, 3_600)
  await reach.until(async () => (await reach.rows(user))[0]!.step >= 2)
  assert.equal(reach.hook.caught.all.length, 2)
})

test("two servers tell everybody once", async () => {
  await using reach = await openTestReach()
  const [second] = [await reach.another(), await reach.another()]
  const users = await Promise.all(
    Array.from({ length: 40 }, (_, nth) => reach.person({ kind: "email", address: `person-${nth}@example.org` })),
  )
  await Promise.all(users.map((user) => reach.notice({ user, kind: "asked" })))
  await reach.entries("approvals.notified", 40)
  second.notices.look()
  const to = reach.mail.caught.all.map((letter) => letter.to)
  assert.deepEqual([to.length, new Set(to).size], [40, 40])
})

test("no channel carries what an agent wants: not its words, not its arguments, not who is meant", async () => {
  await using reach = await openTestReach()
  reach.part = { ...reach.part, webhook: { url: `${reach.hook.url}/hook`, network: "loopback" } }
  await reach.channels.setSecret("webhook", new Secret(reach.hook.secret), "server")
  const planted = ["4711.99", "Jo Park", "refund", "bot", "support", "bank", "alice", "ORDER-42", "evil.example"]
  const user = await reach.person(reach.push.subscribe(), { kind: "email", address: "a1@example.org" }, phone)
  const base = request({ user })
  const action = {
    ...base.action,
    arguments: { amount: 4711.99, to: "Jo Park", order: "ORDER-42", note: "see https://evil.example" },
  }
  const facts = { ...base.facts, said: "refund Jo Park 4711.99 at https://evil.example" }
  await reach.audit.commit(requesting(parseApprovals({}), { ...base, action, facts }, [user]))
  for (let count = 1; count <= 3; count++) {
    await reach.entries("approvals.notified", count + 1)
    await reach.age(user, 3_600)
  }
  const carried = JSON.stringify([
    reach.push.caught.all.map(({ notification }) => notification),
    reach.mail.caught.all.map(({ subject, text }) => [subject, text]),
    reach.sms.caught.all.map(({ body }) => body),
    reach.hook.caught.all,
  ])
  assert.deepEqual(
    [reach.push.caught.all.length, reach.mail.caught.all.length, reach.hook.caught.all.length],
    [1, 1, 1],
  )
  for (const word of planted) assert.ok(!carried.includes(word), `${word}: ${carried}`)
})
