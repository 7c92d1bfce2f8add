import assert from "node:assert/strict"
import { test } from "node:test"
import { happened, openTestAudit, type TestAudit } from "./fixture.ts"
import { takeIntent } from "./store.ts"

const begun = { event: "test.begun", session: "session_1", deadlineSeconds: 60 }

/** Makes every deadline one that has passed, by the database's clock. */
async function passDeadlines(t: TestAudit): Promise<void> {
  await t.store.owner.query("update audit.intents set deadline = clock_timestamp() - interval '1 ms'")
}

async function missing(t: TestAudit) {
  return (await t.audit.entries({ event: "audit.outcome-missing", limit: 256 })).entries.map(({ leaf }) => leaf)
}

test("an intent past its deadline without an outcome is recorded, once", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2, begun))
  assert.equal(await t.audit.sweepIntents(), 0)
  await passDeadlines(t)
  assert.equal(await t.audit.sweepIntents(), 2)
  assert.equal(await t.audit.sweepIntents(), 0)
  const found = await missing(t)
  assert.deepEqual(found.map(({ of }) => of).sort(), entries.map(({ id }) => id).sort())
  for (const { by, session, data } of found) {
    assert.deepEqual({ by, session, data }, { by: "server", session: "session_1", data: { event: "test.begun" } })
  }
})

test("an intent with an outcome is not missed", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(2, begun))
  await t.audit.commit(happened(1, { of: entries[0]!.id }))
  await passDeadlines(t)
  await t.audit.sweepIntents()
  assert.deepEqual(
    (await missing(t)).map(({ of }) => of),
    [entries[1]!.id],
  )
})

test("two servers that sweep at once record each intent once", async () => {
  await using t = await openTestAudit()
  const other = await t.another()
  await t.audit.commit(happened(150, begun))
  await passDeadlines(t)
  const counts = await Promise.all([t.audit, other, t.audit, other].map((audit) => audit.sweepIntents()))
  assert.equal(
    counts.reduce((a, b) => a + b),
    150,
  )
  assert.equal(new Set((await missing(t)).map(({ of }) => of)).size, 150)
})

test("an outcome that comes while its intent is being swept waits for nobody", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(1, begun))
  await t.store.database.transaction(async (tx) => {
    await tx.query("select from audit.intents for update")
    await t.audit.commit(happened(1, { of: entries[0]!.id }))
  })
})

test("an intent is taken once, late for a day after it was called missing, and never again", async () => {
  await using t = await openTestAudit()
  const { entries } = await t.audit.commit(happened(4, begun))
  const [taken, late, tooLate, finished] = entries.map(({ id }) => id) as [string, string, string, string]
  const take = async (id: string) =>
    (await t.audit.commit({ work: (tx) => takeIntent(tx, id), entries: () => [] })).result
  assert.deepEqual([await take(taken), await take(taken)], [{ isLate: false }, null])
  await passDeadlines(t)
  assert.equal(await t.audit.sweepIntents(), 3)
  assert.deepEqual([await take(late), await take(late)], [{ isLate: true }, null])
  await t.audit.commit(happened(1, { of: finished }))
  assert.equal(await take(finished), null)
  await t.store.owner.query("update audit.intents set missed_at = missed_at - interval '25 hours'")
  await t.audit.commit(happened(1, begun))
  await passDeadlines(t)
  assert.equal(await t.audit.sweepIntents(), 1, "what was missed is not missed again")
  assert.equal(await take(tooLate), null)
})

test("a server sweeps by itself", async () => {
  await using t = await openTestAudit({ sweepMs: 5 })
  await t.audit.commit(happened(1, { event: "test.begun", deadlineSeconds: 0.02 }))
  const deadline = performance.now() + 5_000
  while ((await missing(t)).length === 0) {
    assert.ok(performance.now() < deadline, "no sweep within five seconds")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
})
