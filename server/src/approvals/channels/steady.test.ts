import assert from "node:assert/strict"
import { test } from "node:test"
import { messageOf } from "./channel.conformance.ts"
import { type Channel, type Contact, type Delivery, delivered, undeliverable, undelivered } from "./channel.ts"
import { steadily } from "./steady.ts"

const alice: Contact = { kind: "email", address: "alice@example.org" }

/** A channel that answers as it is told, the last answer ever after. */
function fake(...answers: Delivery[]) {
  let [tried, most, inside] = [0, 0, 0]
  const gate = Promise.withResolvers<void>()
  const channel: Channel = {
    name: "email",
    canReach: () => true,
    async deliver() {
      tried += 1
      inside += 1
      most = Math.max(most, inside)
      if (answers.length === 0) await gate.promise
      inside -= 1
      return answers[Math.min(tried, answers.length) - 1] ?? delivered
    },
  }
  return { channel, tried: () => tried, most: () => most, open: gate.resolve }
}
const inTime = () => AbortSignal.timeout(30_000)
const outcome = (delivery: Delivery) => (delivery.outcome === "delivered" ? "delivered" : delivery.reason)

test("what fails for now is tried again, and what fails for good is not", async () => {
  const later = fake(undelivered("refused"), undelivered("unreachable"), delivered)
  const steady = steadily(later.channel, { backoffMs: 1 })
  assert.deepEqual([outcome(await steady.deliver(messageOf(), alice, inTime())), later.tried()], ["delivered", 3])
  const never = fake(undeliverable("refused"))
  const once = steadily(never.channel, { backoffMs: 1 })
  assert.deepEqual([outcome(await once.deliver(messageOf(), alice, inTime())), never.tried()], ["refused", 1])
  const lost = fake(undelivered("unreachable"))
  const thrice = steadily(lost.channel, { backoffMs: 1 })
  assert.deepEqual([outcome(await thrice.deliver(messageOf(), alice, inTime())), lost.tried()], ["unreachable", 3])
})

test("a channel that fails is left alone for a while, and then one tries for all", async () => {
  const down = fake(...Array<Delivery>(6).fill(undelivered("unreachable")), delivered)
  let nowMs = 0
  const steady = steadily(down.channel, { tries: 1, failuresToOpen: 3, coolMs: 1_000, nowMs: () => nowMs })
  for (let nth = 0; nth < 3; nth++) await steady.deliver(messageOf(), alice, inTime())
  const refused = await Promise.all([1, 2, 3, 4].map(() => steady.deliver(messageOf(), alice, inTime())))
  assert.deepEqual([new Set(refused.map(outcome)), down.tried()], [new Set(["circuit-open"]), 3])
  // Each try that fails makes the pause longer; the seventh gets through, and after it all do.
  const pauses = [1_000, 2_000, 4_000, 8_000]
  for (const [nth, pause] of pauses.entries()) {
    nowMs += pause - 1
    assert.equal(outcome(await steady.deliver(messageOf(), alice, inTime())), "circuit-open")
    nowMs += 1
    const both: Delivery[] = await Promise.all([1, 2].map(() => steady.deliver(messageOf(), alice, inTime())))
    const expected = nth < 3 ? ["unreachable", "circuit-open"] : ["delivered", "circuit-open"]
    assert.deepEqual([both.map(outcome), down.tried()], [expected, 4 + nth])
  }
  const all = await Promise.all([1, 2, 3].map(() => steady.deliver(messageOf(), alice, inTime())))
  assert.deepEqual(all.map(outcome), ["delivered", "delivered", "delivered"])
})

test("a contact that is refused for good says nothing of its channel", async () => {
  const bad = fake(undeliverable("refused"))
  const steady = steadily(bad.channel, { failuresToOpen: 3 })
  for (let nth = 0; nth < 10; nth++)
    assert.equal(outcome(await steady.deliver(messageOf(), alice, inTime())), "refused")
  assert.equal(bad.tried(), 10)
})

test("one push service that is down leaves the others in peace", async () => {
  const tried: string[] = []
  const steady = steadily(
    {
      name: "push",
      canReach: () => true,
      async deliver(_, to) {
        const { host } = new URL((to as { endpoint: string }).endpoint)
        tried.push(host)
        return host === "down.example" ? undelivered("unreachable") : delivered
      },
    },
    { tries: 1, failuresToOpen: 2 },
  )
  const at = (host: string): Contact => ({ kind: "push", endpoint: `https://${host}/1`, p256dh: "", auth: "" })
  for (let nth = 0; nth < 4; nth++) await steady.deliver(messageOf(), at("down.example"), inTime())
  assert.equal(outcome(await steady.deliver(messageOf(), at("up.example"), inTime())), "delivered")
  assert.deepEqual(tried, ["down.example", "down.example", "up.example"])
})

test("no more go out at once than there is room for, and a row that is full is no place to wait", async () => {
  const slow = fake()
  const steady = steadily(slow.channel, { width: 2, maxWaiting: 3, tries: 1 })
  const waiting = [1, 2, 3, 4, 5].map(() => steady.deliver(messageOf(), alice, inTime()))
  assert.equal(outcome(await steady.deliver(messageOf(), alice, inTime())), "too-slow")
  slow.open()
  assert.deepEqual((await Promise.all(waiting)).map(outcome), Array(5).fill("delivered"))
  assert.equal(slow.most(), 2)
})

test("whoever waits for room leaves when their time is over, and takes no place with them", async () => {
  const slow = fake()
  const steady = steadily(slow.channel, { width: 1, tries: 1 })
  const first = steady.deliver(messageOf(), alice, inTime())
  assert.equal(outcome(await steady.deliver(messageOf(), alice, AbortSignal.timeout(20))), "too-slow")
  slow.open()
  assert.equal(outcome(await first), "delivered")
  assert.equal(outcome(await steady.deliver(messageOf(), alice, inTime())), "delivered")
})

test("no try begins after the signal", async () => {
  const down = fake(undelivered("unreachable"))
  const steady = steadily(down.channel, { backoffMs: 60_000 })
  assert.equal(outcome(await steady.deliver(messageOf(), alice, AbortSignal.timeout(20))), "unreachable")
  assert.equal(down.tried(), 1)
})
