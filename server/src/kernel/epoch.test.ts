import assert from "node:assert/strict"
import { test } from "node:test"
import { bumpEpoch, type Database, openDatabase, refuseSkewed, silentLog, skewProblem, watchEpoch } from "#kernel"
import { testDatabase } from "#testing"

test("a bump is seen within a second, by a notice or without one", async () => {
  await using store = await testDatabase()
  for (const database of [store.database, withoutNotices(store.database)]) {
    await using epoch = await watchEpoch({ database, log: silentLog })
    const before = epoch.current
    const seen = nextChange(epoch)
    const startedAt = performance.now()
    await store.database.transaction(bumpEpoch)
    assert.equal(await seen, before + 1)
    assert.ok(performance.now() - startedAt < 1_000)
  }
})

test("a notice is enough: nobody waits for the next poll", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: store.database, log: silentLog, pollMs: 3_600_000 })
  const seen = nextChange(epoch)
  await store.database.transaction(bumpEpoch)
  assert.equal(await seen, 2)
})

test("the current epoch moves only after every listener has finished", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: store.database, log: silentLog, pollMs: 3_600_000 })
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  epoch.onChange(async () => {
    entered.resolve()
    await gate.promise
    order.push(`first, under ${epoch.current}`)
  })
  epoch.onChange(() => void order.push(`second, under ${epoch.current}`))
  await store.database.transaction(bumpEpoch)
  const refreshed = epoch.refresh()
  await entered.promise
  assert.equal(epoch.current, 1)
  gate.resolve()
  await refreshed
  assert.equal(epoch.current, 2)
  assert.deepEqual(order, ["first, under 1", "second, under 1"])
})

test("a listener that fails keeps the old epoch, and is asked again", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: withoutNotices(store.database), log: silentLog, pollMs: 3_600_000 })
  let attempts = 0
  epoch.onChange(() => {
    attempts++
    if (attempts === 1) throw new Error("cannot reload")
  })
  await store.database.transaction(bumpEpoch)
  await assert.rejects(epoch.refresh(), /cannot reload/)
  assert.equal(epoch.current, 1)
  assert.equal(await epoch.refresh(), 2)
  assert.equal(attempts, 2)
})

test("a refresh sees a bump that was committed before it was called, whatever read was under way", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: store.database, log: silentLog, pollMs: 1 })
  for (let round = 0; round < 20; round++) {
    const before = epoch.current
    const under = [epoch.refresh(), epoch.refresh()]
    await store.database.transaction(bumpEpoch)
    assert.ok((await epoch.refresh()) >= before + 1)
    await Promise.all(under)
  }
  assert.equal(await epoch.refresh(), 21)
})

test("a bump that is rolled back is never seen", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: store.database, log: silentLog })
  await assert.rejects(
    store.database.transaction(async (tx) => {
      await bumpEpoch(tx)
      throw new Error("no")
    }),
  )
  assert.equal(await epoch.refresh(), 1)
})

test("the epoch is followed again after every connection was ended", async () => {
  await using store = await testDatabase()
  await using database = openDatabase({ url: store.serverUrl })
  await using epoch = await watchEpoch({ database, log: silentLog, pollMs: 20 })
  await store.endConnections()
  const seen = nextChange(epoch)
  await store.owner.transaction(bumpEpoch)
  assert.equal(await seen, 2)
  // By a notice also: the listener is back.
  await using slow = await watchEpoch({ database, log: silentLog, pollMs: 3_600_000 })
  await store.endConnections()
  const noticed = nextChange(slow)
  await store.owner.transaction(bumpEpoch)
  assert.equal(await noticed, 3)
})

test("the age tells how long the database has not been read", async () => {
  await using store = await testDatabase()
  await using epoch = await watchEpoch({ database: withoutNotices(store.database), log: silentLog, pollMs: 3_600_000 })
  const stale = performance.now()
  while (performance.now() - stale < 20) await store.database.query("select 1")
  const before = epoch.ageMs()
  assert.ok(before >= 20)
  await epoch.refresh()
  assert.ok(epoch.ageMs() < before)
})

function nextChange(epoch: Awaited<ReturnType<typeof watchEpoch>>): Promise<number> {
  return new Promise((resolve) => epoch.onChange(resolve))
}

function withoutNotices(database: Database): Database {
  return { ...database, listen: async () => ({ [Symbol.asyncDispose]: async () => undefined }) }
}

test("a clock that is set shows at once, by how far, and again when it is right", async () => {
  await using store = await testDatabase()
  let offMs = 0
  const clock = { nowMs: () => Date.now() + offMs }
  await using epoch = await watchEpoch({ database: store.database, log: silentLog, pollMs: 3_600_000, clock })
  refuseSkewed(epoch)
  for (const off of [10_000, -10_000]) {
    offMs = off
    assert.ok(Math.abs(epoch.skewMs() - off) < 1_900, `${epoch.skewMs()}`)
    const words = off > 0 ? /1?\d\.\d s ahead of/ : /1?\d\.\d s behind/
    assert.throws(() => refuseSkewed(epoch), { code: "clock-skewed", message: words })
    assert.match(skewProblem(epoch)!, words)
  }
  offMs = 0
  refuseSkewed(epoch)
  assert.equal(skewProblem(epoch), null)
})

test("the way of a reading counts for neither side", async () => {
  await using store = await testDatabase()
  const slow: Database = {
    ...store.database,
    async query<Row extends object>(text: string, values?: unknown[]) {
      const rows = await store.database.query<Row>(text, values)
      await new Promise((resolve) => setTimeout(resolve, 300))
      return rows
    },
  }
  const behind = { nowMs: () => Date.now() - 200 }
  await using epoch = await watchEpoch({ database: slow, log: silentLog, pollMs: 3_600_000, clock: behind })
  // 200 ms behind, or a request that took 200 ms to arrive: nobody can tell, and it is not held against the clock.
  assert.ok(Math.abs(epoch.skewMs()) < 150, `${epoch.skewMs()}`)
})
