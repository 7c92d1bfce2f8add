import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { ResourceError } from "./engine.ts"
import { createBreaker, createLane } from "./lanes.ts"

test("a lane runs as many as it is wide, and the rest in turn", async () => {
  const lane = createLane({ width: 2, maxWaiting: 10, maxWaitMs: 60_000 })
  let running = 0
  let most = 0
  const order: number[] = []
  const work = (n: number) => async () => {
    most = Math.max(most, ++running)
    await new Promise(setImmediate)
    order.push(n)
    running--
  }
  await Promise.all([1, 2, 3, 4, 5].map((n) => lane.run(work(n))))
  assert.deepEqual([most, order], [2, [1, 2, 3, 4, 5]])
})

test("a full lane refuses, and a failure gives its place back", async () => {
  const lane = createLane({ width: 1, maxWaiting: 0, maxWaitMs: 60_000 })
  const { promise, reject } = Promise.withResolvers<never>()
  const first = lane.run(() => promise)
  await assert.rejects(
    lane.run(async () => 1),
    (error) => refusalCode(error) === "overloaded",
  )
  reject(new Error("broken"))
  await assert.rejects(first, /broken/)
  assert.equal(await lane.run(async () => 2), 2)
})

test("whoever waits too long is refused, and its place is not lost", async () => {
  const lane = createLane({ width: 1, maxWaiting: 10, maxWaitMs: 20 })
  const { promise, resolve } = Promise.withResolvers<number>()
  const first = lane.run(() => promise)
  await assert.rejects(
    lane.run(async () => 1),
    (error) => refusalCode(error) === "overloaded",
  )
  resolve(2)
  assert.deepEqual([await first, await lane.run(async () => 3)], [2, 3])
})

test("a breaker opens after one call that hung", async () => {
  let nowMs = 0
  const breaker = createBreaker(() => nowMs)
  const hang = async () => {
    nowMs += 3_000
    throw new ResourceError("no answer", null, true)
  }
  await breaker.watch(hang).catch(() => undefined)
  assert.equal(breaker.waitMs(), 250)
})

test("of those that wait for an open breaker one tries first", async () => {
  let nowMs = 0
  const breaker = createBreaker(() => nowMs)
  const fail = () => breaker.watch(() => Promise.reject(new ResourceError("away", null, true))).catch(() => undefined)
  for (let n = 0; n < 3; n++) await fail()
  nowMs = 250
  assert.equal(breaker.waitMs(), 0)
  const { promise, resolve } = Promise.withResolvers<number>()
  const trying = breaker.watch(() => promise)
  assert.ok(breaker.waitMs() > 0)
  resolve(1)
  await trying
  assert.equal(breaker.waitMs(), 0)
})

test("a breaker opens after three failures to reach the resource, longer each time, and closes on success", async () => {
  let nowMs = 0
  const breaker = createBreaker(() => nowMs)
  const fail = () => breaker.watch(() => Promise.reject(new ResourceError("away", null, true))).catch(() => undefined)
  await fail()
  await fail()
  assert.equal(breaker.waitMs(), 0)
  await fail()
  assert.equal(breaker.waitMs(), 250)
  nowMs = 250
  await fail()
  assert.equal(breaker.waitMs(), 500)
  await breaker.watch(async () => 1)
  assert.equal(breaker.waitMs(), 0)
})

test("a resource that answers with an error is reachable", async () => {
  const breaker = createBreaker()
  for (let n = 0; n < 5; n++) {
    await assert.rejects(breaker.watch(() => Promise.reject(new ResourceError("no", "2BP01", false))))
  }
  assert.equal(breaker.waitMs(), 0)
})
