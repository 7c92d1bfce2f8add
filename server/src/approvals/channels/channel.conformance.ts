import assert from "node:assert/strict"
import { test } from "node:test"
import type { Manner } from "#testing"
import type { Channel, Contact, Message } from "./channel.ts"

/** A channel with its far end on this machine. */
export interface ConformanceChannel extends AsyncDisposable {
  channel: Channel
  /** Where the far end takes messages. */
  contact: Contact
  /** Of the channel's kind, and nothing that could be sent to. */
  malformed: Contact
  /** How the far end answers from now on. */
  answer(manner: Manner): void
  /** Everything that arrived: what a person, or whoever reads along, may see of it, and what a receiver knows it again by. */
  arrived(): { seen: string; known: string | null }[]
  /** Ends the far end: nobody listens any more. */
  vanish(): Promise<void>
}

/** A message of tests. */
export function messageOf(more: Partial<Message> = {}): Message {
  return {
    id: "notice_0123456789abcdefghjkmnpqrs",
    title: "Safeconduct",
    sentence: "Something waits for your decision.",
    url: "https://safeconduct.example/approvals/approval_0123456789abcdefghjkmnpqrs",
    receiptUrl: null,
    count: 1,
    expiresAtMs: Date.now() + 300_000,
    isSilent: false,
    topic: "notice_0123456789abcdefghjkmnpqrs",
    ...more,
  }
}

const others: readonly Contact[] = [
  { kind: "push", endpoint: "https://push.example/1", p256dh: "BA", auth: "AA" },
  { kind: "email", address: "alice@example.org" },
  { kind: "sms", number: "+4930123456" },
  { kind: "webhook", user: "user_0123456789abcdefghjkmnpqrs" },
]

/** What every channel must pass. `open` is called once per test. */
export function channelConformance(title: string, open: () => Promise<ConformanceChannel>): void {
  const inTime = () => AbortSignal.timeout(30_000)

  test(`${title}: what is delivered arrives once, with its sentence and its link`, async () => {
    await using at = await open()
    const message = messageOf()
    assert.deepEqual(await at.channel.deliver(message, at.contact, inTime()), { outcome: "delivered" })
    const [only, ...more] = at.arrived()
    assert.equal(more.length, 0)
    assert.ok(only!.seen.includes(message.sentence) && only!.seen.includes(message.url), only!.seen)
  })

  test(`${title}: the same message again is known again, and another is not`, async () => {
    await using at = await open()
    for (const each of [{}, {}, { id: "notice_another", topic: "notice_another" }]) {
      await at.channel.deliver(messageOf(each), at.contact, inTime())
    }
    const [first, again, other] = at.arrived().map(({ known }) => known)
    assert.equal(again, first)
    if (first !== null) assert.notEqual(other, first)
  })

  test(`${title}: a contact of another kind, or one that is none, gets nothing`, async () => {
    await using at = await open()
    for (const contact of [...others.filter(({ kind }) => kind !== at.channel.name), at.malformed]) {
      assert.equal(at.channel.canReach(contact), false, JSON.stringify(contact))
      const { outcome, isPermanent } = {
        isPermanent: false,
        ...(await at.channel.deliver(messageOf(), contact, inTime())),
      }
      assert.deepEqual([outcome, isPermanent], ["undelivered", true])
    }
    assert.equal(at.arrived().length, 0)
    assert.equal(at.channel.canReach(at.contact), true)
  })

  test(`${title}: what the far end refuses is undelivered, for now or for good`, async () => {
    await using at = await open()
    at.answer("later")
    const later = await at.channel.deliver(messageOf(), at.contact, inTime())
    assert.deepEqual(later, { outcome: "undelivered", reason: "refused", isPermanent: false })
    at.answer("for-good")
    const never = await at.channel.deliver(messageOf(), at.contact, inTime())
    assert.deepEqual(never, { outcome: "undelivered", reason: "refused", isPermanent: true })
    at.answer("take")
    assert.equal((await at.channel.deliver(messageOf(), at.contact, inTime())).outcome, "delivered")
    assert.equal(at.arrived().length, 1)
  })

  test(`${title}: a far end that says nothing is left when the time is over`, async () => {
    await using at = await open()
    at.answer("silent")
    const late = await at.channel.deliver(messageOf(), at.contact, AbortSignal.timeout(100))
    assert.deepEqual(late, { outcome: "undelivered", reason: "too-slow", isPermanent: false })
  })

  test(`${title}: a far end that is not there is no error`, async () => {
    await using at = await open()
    await at.vanish()
    const lost = await at.channel.deliver(messageOf(), at.contact, inTime())
    assert.deepEqual(lost, { outcome: "undelivered", reason: "unreachable", isPermanent: false })
  })

  test(`${title}: nobody's contact is in what comes back`, async () => {
    await using at = await open()
    const personal = Object.entries(at.contact).flatMap(([name, value]) => (name === "kind" ? [] : [String(value)]))
    for (const manner of ["take", "later", "for-good"] as const) {
      at.answer(manner)
      const said = JSON.stringify(await at.channel.deliver(messageOf(), at.contact, inTime()))
      assert.ok(!personal.some((value) => said.includes(value)), said)
    }
  })
}
