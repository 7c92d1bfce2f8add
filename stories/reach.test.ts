import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { approving } from "../server/src/gate/approve/approve.fixture.ts"
import { issuer } from "../server/src/gate/consent/fixture.ts"
import { openTestPhone, signed, type TestPerson, type TestPhone } from "../server/src/gate/phone/phone.fixture.ts"
import { type Id, Secret } from "../server/src/kernel/index.ts"
import {
  type MailServer,
  openMailServer,
  openPushService,
  openSmsGateway,
  type PushService,
  type SmsGateway,
} from "./fixtures/catchers.ts"
import { until } from "./fixtures/until.ts"

const policies = `
  @id("all") permit (principal, action, resource);
  @id("raises-are-signed") @ask("user") @reason("A salary changes.")
  forbid (principal, action, resource) when { context.operation == "raise" } unless { context.approved };`
type Way = "push" | "email" | "sms"

let phone: TestPhone
let far: { push: PushService; mail: MailServer; sms: SmsGateway }
const stack = new AsyncDisposableStack()
before(async () => {
  phone = stack.use(await openTestPhone())
  far = {
    push: stack.use(await openPushService()),
    mail: stack.use(await openMailServer()),
    sms: stack.use(await openSmsGateway()),
  }
})
after(() => stack.disposeAsync())

/** Puts these channels in force, in this order, and somebody who is reached by each. */
async function reached(...order: Way[]): Promise<TestPerson> {
  const { gate, rooms } = phone.at
  for (const each of Object.values(far)) each.manner = "take"
  const channels = {
    push: { contact: "mailto:operator@example.org", network: "loopback" },
    email: { smtp: "127.0.0.1", port: far.mail.port, tls: "none", from: "safeconduct@example.org" },
    sms: { from: "+15005550006", accountSid: far.sms.accountSid, baseUrl: far.sms.url, network: "loopback" },
    order,
    fallbackSeconds: 3_600,
  }
  const approvals = { ...approving.approvals, channels }
  await gate.apply({ ...approving, policies: [{ file: "hr.cedar", text: policies }], approvals } as never)
  await rooms.approvals.channels.setSecret("sms", new Secret(far.sms.token), gate.operator.spiffeId)
  const person = await phone.person()
  // That a passkey was added is news, which reaches nobody yet: nothing that is caught later is of that.
  await until("the news that a passkey was added is over", async () => {
    const waiting = "select from approvals.notices where user_id = $1 and state = 'waiting'"
    return (await gate.store.owner.query(waiting, [person.user.id])).length === 0
  })
  const { people } = rooms.approvals
  const { id } = person.user
  if (order.includes("push")) await rooms.audit.commit(people.subscribe(id, far.push.subscribe()))
  if (order.includes("email")) {
    await rooms.audit.commit(people.adopt(id, { kind: "email", address: `${id}@example.org` }))
  }
  if (order.includes("sms")) {
    const offered = await people.offer(id, { kind: "sms", number: "+4930123456789" }, `${issuer}/me/notifications`)
    const code = /\b\d{6}\b/.exec(far.sms.caught.all.at(-1)!.body)![0]
    assert.ok(await people.confirm(id, offered, code))
  }
  return person
}

/** Where the newest message of each channel leads, and how many there were. */
const newest: { readonly [Each in Way]: () => { url: string; seen: string } } = {
  push: () => {
    const { navigate, title, body } = far.push.caught.all.at(-1)!.notification
    return { url: navigate, seen: `${title} ${body}` }
  },
  email: () => {
    const { subject, text } = far.mail.caught.all.at(-1)!
    return { url: /https:\S+/.exec(text)![0], seen: `${subject} ${text}` }
  },
  sms: () => {
    const { body } = far.sms.caught.all.at(-1)!
    return { url: /https:\S+/.exec(body)![0], seen: body }
  },
}
const caught = (way: Way) => ({ push: far.push.caught, email: far.mail.caught, sms: far.sms.caught })[way]

for (const way of ["push", "email", "sms"] as const) {
  test(`${way} carries an approval to its effect: the link leads to the card, which is signed, and then the agent may`, async () => {
    const person = await reached(way)
    const before = caught(way).all.length
    const approval = await phone.ask(person.user)
    await caught(way).until(before + 1)
    const { url, seen } = newest[way]()
    assert.equal(url, `${issuer}/approvals/${approval.id}`)
    for (const word of ["raise", "5200", "E-7", "hr", "bot", "HR"])
      assert.ok(!seen.replace(url, "").includes(word), seen)
    const { text } = await person.browser.get(new URL(url).pathname)
    assert.match(text, /Raise .*E-7.* to .*5200/s)
    assert.equal(await phone.stateOf(approval), "requested")
    const { form } = await signed(person, approval.id as Id<"approval">)
    await person.browser.post(`/approvals/${approval.id}/decision`, form)
    assert.equal(await phone.stateOf(approval), "approved")
    assert.equal(await phone.use(approval), "allow")
  })
}

test("what push and e-mail do not take comes by SMS, and is approved all the same", async () => {
  const person = await reached("push", "email", "sms")
  const before = caught("sms").all.length
  far.push.manner = "gone"
  far.mail.manner = "for-good"
  const approval = await phone.ask(person.user)
  await caught("sms").until(before + 1)
  const { url } = newest.sms()
  await person.browser.get(new URL(url).pathname)
  const { form } = await signed(person, approval.id as Id<"approval">)
  await person.browser.post(`/approvals/${approval.id}/decision`, form)
  assert.equal(await phone.use(approval), "allow")
  const { contacts } = await phone.at.rooms.approvals.people.reach(person.user.id)
  assert.deepEqual(contacts.map(({ contact }) => contact.kind).sort(), ["email", "sms"])
})

test("whoever has the link and is not the person gets nowhere with it", async () => {
  const person = await reached("email")
  const before = caught("email").all.length
  const approval = await phone.ask(person.user)
  await caught("email").until(before + 1)
  const path = new URL(newest.email().url).pathname
  // A scanner of the mailbox follows links, and a colleague opens it.
  const scanner = await phone.at.browser().get(path)
  assert.deepEqual([scanner.status, new URL(scanner.location!).host], [303, "id.shop.example"])
  const stranger = await phone.person()
  await assert.rejects(stranger.browser.get(path))
  await assert.rejects(person.browser.get(path, { "sec-purpose": "prefetch" }))
  assert.equal(await phone.stateOf(approval), "requested")
})

test("what a person looked at is told by no other channel", async () => {
  const person = await reached("push", "email")
  const [pushed, mailed] = [caught("push").all.length, caught("email").all.length]
  const approval = await phone.ask(person.user)
  await caught("push").until(pushed + 1)
  await person.browser.get(new URL(newest.push().url).pathname)
  const rows = await phone.at.gate.store.owner.query("select state from approvals.notices where request = $1", [
    approval.id,
  ])
  assert.deepEqual(rows, [{ state: "seen" }])
  assert.equal(caught("email").all.length, mailed)
})

test("an elevated operation that is allowed is on the phone at once, without a word of what it was", async () => {
  const person = await reached("push")
  const before = caught("push").all.length
  // Nobody is asked, and so there is no request that the fixture could return.
  await assert.rejects(phone.ask(person.user, "onboard" as "look", { employee: "E-9" }), TypeError)
  await caught("push").until(before + 1)
  assert.equal(newest.push().url, `${issuer}/approvals/history`)
  const { seen } = newest.push()
  assert.ok(!/onboard|hr|bot|E-9/i.test(seen), seen)
})
