import assert from "node:assert/strict"
import { AsyncLocalStorage } from "node:async_hooks"
import { test } from "node:test"
import { createBatch, type Database, Refusal, type Statement, type Transaction } from "#kernel"
import { testDatabase } from "#testing"

test("a unit's rows and items are committed together, with its result, its receipts and the epoch", async () => {
  await using ledger = await openLedger()
  const committed = await ledger.batch.commit({
    work: async (tx) => {
      await tx.query("insert into toy (unit) values ('a')")
      return { name: "a" }
    },
    items: ({ name }) => [`${name}1`, `${name}2`],
  })
  assert.deepEqual(committed, { result: { name: "a" }, receipts: ["1:a1", "2:a2"], epoch: 7 })
  assert.deepEqual(await ledger.rows(), { units: ["a"], items: ["a1", "a2"] })
})

test("what units share is asked once for all of them, before their work, and asked anew of those that are left", async () => {
  await using ledger = await openLedger()
  const asked: string[][] = []
  const statement: Statement<string, string> = async (tx, questions) => {
    asked.push([...questions])
    const rows = await tx.query<{ answer: string }>(
      "select upper(word) as answer from unnest($1::text[]) with ordinality as w (word, nth) order by nth",
      [questions],
    )
    return rows.map(({ answer }) => answer)
  }
  const sharing = (question: string) => ({
    shared: { statement, question },
    async work(tx: Transaction, answer?: unknown) {
      if (question === "c") throw new Refusal("overloaded", "never")
      await tx.query("insert into toy (unit) values ($1)", [answer])
      return answer
    },
    items: () => [question],
  })
  const first = ledger.batch.commit(unit("first"))
  const commits = ["a", "b", "c", "d"].map((question) => ledger.batch.commit(sharing(question)))
  const alone = ledger.batch.commit(unit("alone"))
  const settled = await Promise.allSettled(commits)
  await Promise.all([first, alone])
  assert.deepEqual(
    settled.map((each) => (each.status === "fulfilled" ? each.value.result : "refused")),
    ["A", "B", "refused", "D"],
  )
  assert.deepEqual(asked[0], ["a", "b", "c", "d"])
  assert.deepEqual((await ledger.rows()).units, ["A", "B", "D", "alone", "first"])
})

test("a crowd shares one transaction, and everyone gets their own results in the order they came", async () => {
  await using ledger = await openLedger()
  const first = ledger.batch.commit(unit("first"))
  const crowd = Array.from({ length: 100 }, (_, at) => ledger.batch.commit(unit(`c${at}`, at % 3)))
  assert.equal(ledger.batch.queued, 100)
  await first
  const committed = await Promise.all(crowd)
  assert.equal(ledger.transactions, 2)
  committed.forEach(({ result, receipts }, at) => {
    assert.equal(result, `c${at}`)
    assert.deepEqual(
      receipts.map((receipt) => receipt.split(":")[1]),
      Array.from({ length: at % 3 }, () => `c${at}`),
    )
  })
  const numbers = committed.flatMap(({ receipts }) => receipts.map((receipt) => Number(receipt.split(":")[0])))
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, at) => at + 2),
  )
  assert.equal(ledger.batch.queued, 0)
})

test("what a batch does belongs to the context of its first unit, not of whoever woke the queue", async () => {
  await using ledger = await openLedger({ maxUnits: 1 })
  const storage = new AsyncLocalStorage<string>()
  const seen: string[][] = []
  const commits = ["a", "b", "c"].map((name) =>
    storage.run(name, () => {
      const items = () => {
        seen.push([name, String(storage.getStore())])
        return [name]
      }
      return ledger.batch.commit({ work: async () => undefined, items })
    }),
  )
  await Promise.all(commits)
  assert.deepEqual(seen, [
    ["a", "a"],
    ["b", "b"],
    ["c", "c"],
  ])
})

test("more than fit one transaction are split, and none is lost", async () => {
  await using ledger = await openLedger({ maxUnits: 10 })
  const names = Array.from({ length: 35 }, (_, at) => `c${String(at).padStart(2, "0")}`)
  await Promise.all(names.map((name) => ledger.batch.commit(unit(name))))
  assert.equal(ledger.transactions, 5)
  assert.deepEqual(await ledger.rows(), { units: names, items: names })
})

test("a refused unit leaves nothing of itself and everything of its neighbours", async () => {
  await using ledger = await openLedger()
  const before = ledger.batch.commit(unit("before"))
  const refused = ledger.batch.commit({
    work: async (tx) => {
      await tx.query("insert into toy (unit) values ('refused')")
      throw new Refusal("lease-limit", "Enough.")
    },
    items: () => ["refused"],
  })
  const failing = ledger.batch.commit({
    work: async (tx) => void (await tx.query("insert into toy (unit) values ('before')")),
    items: () => ["duplicate"],
  })
  const mistaken = ledger.batch.commit({
    work: async (tx) => void (await tx.query("insert into toy (unit) values ('mistaken')")),
    items: () => {
      throw new TypeError("bug")
    },
  })
  const after = ledger.batch.commit(unit("after"))
  const [first, ...others] = await Promise.allSettled([before, refused, failing, mistaken, after])
  assert.equal(first.status, "fulfilled")
  assert.deepEqual(
    others.map((each) => (each.status === "rejected" ? (each.reason.code ?? each.reason.name) : each.value.result)),
    ["lease-limit", "23505", "TypeError", "after"],
  )
  assert.deepEqual(await ledger.rows(), { units: ["after", "before"], items: ["before", "after"] })
})

test("one that is refused costs a crowd a few transactions more, and not one for everybody", async () => {
  await using ledger = await openLedger()
  const first = ledger.batch.commit(unit("first"))
  const names = Array.from({ length: 64 }, (_, at) => `c${String(at).padStart(2, "0")}`)
  const crowd = names.map((name) => ledger.batch.commit(unit(name)))
  const refused = ledger.batch.commit({
    work: () => Promise.reject(new Refusal("lease-limit", "Enough.")),
    items: () => [],
  })
  const after = ledger.batch.commit(unit("d"))
  await assert.rejects(refused, { code: "lease-limit" })
  await Promise.all([first, ...crowd, after])
  assert.deepEqual(await ledger.rows(), { units: [...names, "d", "first"], items: ["first", ...names, "d"] })
  assert.ok(ledger.transactions <= 2 + 2 * 7, `${ledger.transactions} transactions`)
})

test("a unit that hides a failed statement is refused alone", async () => {
  await using ledger = await openLedger()
  const before = ledger.batch.commit(unit("before"))
  const hiding = ledger.batch.commit({
    work: async (tx) => void (await tx.query("select 1/0").catch(() => undefined)),
    items: () => [],
  })
  const after = ledger.batch.commit(unit("after"))
  await assert.rejects(hiding)
  await Promise.all([before, after])
  assert.deepEqual(await ledger.rows(), { units: ["after", "before"], items: ["before", "after"] })
})

test("a unit without work or items is a question about the epoch", async () => {
  await using ledger = await openLedger()
  assert.deepEqual(await ledger.batch.commit({ items: () => [] }), { result: undefined, receipts: [], epoch: 7 })
})

test("units without work are appended alone, all that wait at once; one with work takes them along", async () => {
  await using ledger = await openLedger()
  const first = ledger.batch.commit(item("first"))
  const alone = ["a", "b", "c"].map((name) => ledger.batch.commit(item(name)))
  assert.deepEqual((await first).receipts, ["alone:first"])
  const receipts = (await Promise.all(alone)).map((committed) => committed.receipts)
  assert.deepEqual(receipts, [["alone:a"], ["alone:b"], ["alone:c"]])
  assert.deepEqual([ledger.appends, ledger.transactions], [2, 0])

  const mixed = await Promise.all([
    ledger.batch.commit(item("d")),
    ledger.batch.commit(unit("e")),
    ledger.batch.commit(item("f")),
  ])
  assert.deepEqual(
    mixed.map((committed) => committed.receipts),
    [["alone:d"], ["1:e"], ["2:f"]],
  )
  assert.deepEqual([ledger.appends, ledger.transactions], [3, 1])
})

test("what cannot be appended alone is appended in a transaction", async () => {
  await using ledger = await openLedger()
  assert.deepEqual((await ledger.batch.commit(item("not alone"))).receipts, ["1:not alone"])
  assert.equal(ledger.transactions, 1)
})

test("an item that cannot be appended alone is refused, and its neighbours are not", async () => {
  await using ledger = await openLedger()
  const all = ["first", "a", "broken", "b"].map((name) => ledger.batch.commit(item(name)))
  const answers = await Promise.allSettled(all)
  assert.deepEqual(
    answers.map((answer) => (answer.status === "rejected" ? answer.reason.message : answer.value.receipts[0])),
    ["alone:first", "alone:a", "broken", "alone:b"],
  )
})

test("a full queue refuses at once, and takes units again when it has drained", async () => {
  await using ledger = await openLedger({ maxQueued: 3 })
  const accepted = ["running", "a", "b", "c"].map((name) => ledger.batch.commit(unit(name)))
  const refused = ledger.batch.commit(unit("refused"))
  await assert.rejects(refused, { name: "Refusal", code: "overloaded" })
  await Promise.all(accepted)
  await ledger.batch.commit(unit("later"))
  assert.deepEqual((await ledger.rows()).units, ["a", "b", "c", "later", "running"])
})

test("an unreachable store refuses everyone once, without trying each, and the next is committed", async () => {
  await using ledger = await openLedger()
  ledger.breakNext(2, new Refusal("store-unavailable", "Down."))
  const all = ["a", "b", "c"].map((name) => ledger.batch.commit(unit(name)))
  for (const each of await Promise.allSettled(all)) {
    assert.equal(each.status === "rejected" && each.reason.code, "store-unavailable")
  }
  assert.equal(ledger.transactions, 2)
  await ledger.batch.commit(unit("later"))
  assert.deepEqual((await ledger.rows()).units, ["later"])
})

function unit(name: string, itemCount = 1) {
  return {
    work: async (tx: Transaction) => {
      await tx.query("insert into toy (unit) values ($1)", [name])
      return name
    },
    items: (result: string) => Array.from({ length: itemCount }, () => result),
  }
}

function item(name: string) {
  return { items: () => [name] }
}

/** A batch over a real database, whose items are numbered texts. */
async function openLedger(options: { maxUnits?: number; maxQueued?: number } = {}) {
  const store = await testDatabase()
  await store.owner.query(`
    create table toy (unit text primary key);
    create table item (number int primary key generated always as identity, text text)`)
  let transactions = 0
  let appends = 0
  let broken: { times: number; error: Error } | undefined
  const database: Database = {
    ...store.owner,
    async transaction(work) {
      transactions++
      if (broken !== undefined && broken.times-- > 0) throw broken.error
      return await store.owner.transaction(work)
    },
  }
  const batch = createBatch<string, string>({
    ...options,
    database,
    append: async (tx, items) => {
      const receipts: string[] = []
      for (const text of items) {
        const [row] = await tx.query<{ number: number }>(
          "insert into item (number, text) overriding system value select count(*) + 1, $1 from item returning number",
          [text],
        )
        receipts.push(`${row!.number}:${text}`)
      }
      return { receipts, epoch: 7 }
    },
    appendAlone: async (_database, items) => {
      if (items.length === 0 || items.includes("not alone")) return null
      if (items.includes("broken")) throw new Error("broken")
      appends++
      return { receipts: items.map((text) => `alone:${text}`), epoch: 7 }
    },
  })
  const column = async (query: string) => (await store.owner.query<{ text: string }>(query)).map(({ text }) => text)
  return {
    batch,
    get transactions() {
      return transactions
    },
    /** Made alone. */
    get appends() {
      return appends
    },
    breakNext(times: number, error: Error) {
      broken = { times, error }
    },
    rows: async () => ({
      units: await column("select unit as text from toy order by unit"),
      items: await column("select text from item order by number"),
    }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
