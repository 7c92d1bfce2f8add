import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { newId } from "#kernel"
import { BUZZ_MS, plan, type Situation } from "./plan.ts"
import type { WaitingNotice } from "./store.ts"

const nowMs = 1_000_000
const notice = (more: Partial<WaitingNotice> = {}): WaitingNotice => ({
  id: newId("notice"),
  kind: "asked",
  approval: null,
  isCritical: false,
  isStandIn: false,
  step: 0,
  isDue: true,
  isOver: false,
  isDelivered: false,
  isReceived: false,
  isPassedOn: false,
  isHooked: false,
  expiresAtMs: nowMs + 300_000,
  ...more,
})
const situation = (notices: WaitingNotice[], more: Partial<Situation> = {}): Situation => ({
  notices,
  order: ["push", "email", "sms"],
  nowMs,
  quietUntilMs: null,
  askedSinceMs: null,
  quietSinceMs: null,
  ...more,
})
const idsOf = (notices: readonly WaitingNotice[]) => notices.map(({ id }) => id)

test("what is new goes out by the first channel that there is, all of it in one message", () => {
  const two = [notice(), notice()]
  assert.deepEqual(plan(situation(two)).message, {
    ids: idsOf(two),
    channel: "push",
    step: 0,
    isSilent: false,
    count: 2,
  })
  assert.equal(plan(situation(two, { order: [null, "email", null] })).message?.channel, "email")
  const none = plan(situation(two, { order: [null, null, null] }))
  assert.deepEqual([none.message, none.unreachable, none.passOn], [null, idsOf(two), idsOf(two)])
})

test("what a device has waits for its end, and what none has goes to the next channel with all that is new", () => {
  const [heard, unheard, fresh] = [
    notice({ step: 1, isDelivered: true, isReceived: true }),
    notice({ step: 1, isDelivered: true }),
    notice(),
  ]
  const next = plan(situation([heard, unheard, fresh]))
  assert.deepEqual([next.message!.channel, next.message!.count], ["email", 3])
  assert.deepEqual(new Set(next.message!.ids), new Set(idsOf([unheard, fresh])))
  assert.deepEqual(next.hold, [{ ids: [heard.id], untilMs: heard.expiresAtMs }])
})

test("a second one makes no sound before the first was looked at, and none within half a minute", () => {
  const waiting = notice({ isDue: false, isDelivered: true, step: 1 })
  const fresh = notice()
  const held = plan(situation([waiting, fresh]))
  assert.deepEqual([held.message, held.hold[0]!.ids], [null, [fresh.id]])
  const soon = plan(situation([fresh], { askedSinceMs: 10_000 }))
  assert.deepEqual([soon.message, soon.hold], [null, [{ ids: [fresh.id], untilMs: nowMs + BUZZ_MS - 10_000 }]])
  assert.notEqual(plan(situation([fresh], { askedSinceMs: BUZZ_MS })).message, null)
  // News keeps nothing waiting that asks.
  assert.notEqual(plan(situation([fresh], { quietSinceMs: 0 })).message, null)
})

test("at the end of all channels it is passed on once, and not by who stands in", () => {
  const tried = notice({ step: 3, isDelivered: true })
  assert.deepEqual(plan(situation([tried])).passOn, [tried.id])
  assert.deepEqual(plan(situation([{ ...tried, isPassedOn: true }])).passOn, [])
  assert.deepEqual(plan(situation([{ ...tried, isStandIn: true }])).passOn, [])
  assert.deepEqual(plan(situation([tried])).unreachable, [])
  const lost = notice({ step: 3 })
  assert.deepEqual(plan(situation([lost])).unreachable, [lost.id])
})

test("news goes to the phone without a sound at night, by letter with pauses, and by SMS in the morning", () => {
  const news = notice({ kind: "told" })
  const quietUntilMs = nowMs + 3_600_000
  const at = (more: Partial<Situation>) => plan(situation([news], more))
  assert.equal(at({ quietUntilMs }).message?.isSilent, true)
  assert.equal(at({ quietSinceMs: 1_000 }).message?.isSilent, true)
  assert.equal(at({ quietSinceMs: BUZZ_MS }).message?.isSilent, false)
  assert.equal(at({ quietUntilMs, order: ["email"] }).message?.channel, "email")
  assert.deepEqual(at({ quietSinceMs: 1_000, order: ["email"] }).hold, [
    { ids: [news.id], untilMs: nowMs + BUZZ_MS - 1_000 },
  ])
  assert.deepEqual(at({ quietUntilMs, order: ["sms"] }).hold, [{ ids: [news.id], untilMs: quietUntilMs }])
  const urgent = { ...news, isCritical: true }
  assert.equal(plan(situation([urgent], { quietUntilMs, order: ["sms"] })).message?.channel, "sms")
})

test("whatever waits, a turn brings something further, nothing comes to two things, and no sound is in quiet hours", () => {
  const notices = fc.array(
    fc
      .record({
        kind: fc.constantFrom("asked", "told", "enrolled"),
        step: fc.nat(4),
        expiresAtMs: fc.constantFrom(null, nowMs + 1_000, nowMs + 10_000_000),
        ...Object.fromEntries(
          (["isCritical", "isStandIn", "isDue", "isOver", "isDelivered", "isReceived", "isPassedOn"] as const).map(
            (name) => [name, fc.boolean()],
          ),
        ),
      })
      .map((more) => notice(more as Partial<WaitingNotice>)),
    { maxLength: 8 },
  )
  const channel = (name: string) => fc.constantFrom(null, name)
  const around = fc.record({
    order: fc.tuple(channel("push"), channel("email"), channel("sms")),
    quietUntilMs: fc.constantFrom(null, nowMs + 60_000),
    askedSinceMs: fc.constantFrom(null, 0, 29_999, 30_000, 1_000_000),
    quietSinceMs: fc.constantFrom(null, 0, 29_999, 30_000, 1_000_000),
  })
  fc.assert(
    fc.property(notices, around, (all, more) => {
      const { over, hold, message, unreachable } = plan(situation(all, more as Partial<Situation>))
      const once = [...over, ...hold.flatMap(({ ids }) => ids), ...(message?.ids ?? []), ...unreachable]
      assert.equal(new Set(once).size, once.length)
      const due = all.filter(({ isDue, isOver }) => isDue && !isOver).map(({ id }) => id)
      // What is left is another turn's; without one that comes to something, turns would go round for ever.
      if (due.length > 0) assert.ok(due.some((id) => once.includes(id)))
      for (const { untilMs } of hold) assert.ok(untilMs > nowMs)
      if (message === null || more.quietUntilMs === null) return
      const isCritical = all.some((each) => each.isCritical && message.ids.includes(each.id))
      assert.ok(isCritical || message.isSilent || message.channel === "email")
    }),
    { numRuns: 2_000 },
  )
})
