import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { ResourceError } from "../../engine.ts"
import { labDatabase, orderOf } from "./fixture.ts"
import { alice, bob, openShop } from "./shop.fixture.ts"

describe("a question asked with an account of ours", async () => {
  const lab = await labDatabase(18, { scramIterations: 1, connectionsPerLease: 20 })
  const engine = lab.engine()
  const { credential } = await engine.issue(orderOf(lab))
  const asking = (query: string, values: string[] = [], withinMs = 10_000) =>
    engine.lookUp(credential, { query, values, withinMs })
  /** Its code, after a look at its text. */
  const failed = async (query: string, values: string[] = [], withinMs = 10_000) => {
    const error = await asking(query, values, withinMs).then(
      (found) => assert.fail(`${query} found ${found.join()}`),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof ResourceError, String(error))
    assert.doesNotMatch(`${error.message} ${error.cause ?? ""}`, /Nine|secret/)
    return error
  }
  const isOdd = async (query: string) => assert.equal((await failed(query)).code, "odd", query)
  after(() => engine[Symbol.asyncDispose]())

  test("it gets the values of one column, and what is bound is a value and nothing else", async () => {
    assert.deepEqual(await asking("select id from public.faq where id <= 2 order by id"), [1, 2])
    assert.deepEqual(await asking("select answer from public.faq where id = $1 -- of this one", ["7"]), [
      "Nine to five.",
    ])
    assert.deepEqual(await asking("select answer from public.faq where answer = $1", ["' or true --"]), [])
    assert.deepEqual(await asking("select id > 1 from public.faq where id < 3 order by id"), [false, true])
    assert.deepEqual(
      await asking("select id from public.faq"),
      Array.from({ length: 100 }, (_, at) => at + 1),
    )
  })

  test("numbers are exact or none", async () => {
    assert.deepEqual(await asking("values (12.50), (0), (-0.1)"), [12.5, 0, -0.1])
    assert.deepEqual(await asking("select 999999999999999::bigint"), [999_999_999_999_999])
    for (const number of ["9007199254740993::bigint", "0.12345678901234567", "'NaN'::numeric"]) {
      await isOdd(`select ${number}`)
    }
  })

  test("too much, nothing at all and what cannot be compared is no answer", async () => {
    await isOdd("select n from pg_catalog.generate_series(1, 101) n")
    await isOdd("select null::text")
    await isOdd("values ('a'), (null)")
    await isOdd("select pg_catalog.repeat('x', 1001)")
    for (const value of ["json '1'", "bytea 'a'", "date '2026-01-01'", "1::float8", "'a'::char(20)"]) {
      await isOdd(`select ${value}`)
    }
    assert.equal((await failed("select id, answer from public.faq")).code, "42601")
  })

  test("it changes nothing, is one statement, and sees what its operation may", async () => {
    assert.equal((await failed("select 1; select 2")).code, "42601")
    assert.equal((await failed("select 1) as looked_up)) as found (value); drop table public.faq; --")).code, "42601")
    assert.equal((await failed("select pg_catalog.lo_create(0)")).code, "42501")
    assert.equal((await failed("with gone as (delete from public.faq returning id) select id from gone")).code, "0A000")
    assert.equal((await failed("select rolpassword from pg_catalog.pg_authid")).code, "42501")
    // A role that may write could put a table or a function of its own where a path is searched.
    assert.equal((await failed("select id from faq")).code, "42P01")
    assert.equal((await failed("select pg_catalog.set_config('transaction_read_only', 'off', false)")).code, "25001")
  })

  test("what takes too long is given up at both ends, and no text of an error holds a value", async () => {
    const { code } = await failed("select pg_catalog.pg_sleep(60)::text", [], 300)
    assert.ok(code === "57014" || code === null, String(code))
    assert.equal((await failed("select answer::int from public.faq")).code, "22P02")
    assert.equal((await failed("select id from public.faq where id = $1", ["secret"])).code, "22P02")
  })
})

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: a question about Alice does not find Bob's row`, async () => {
    await using shop = await openShop(version)
    const order = async (user: typeof alice, values: string[]) => {
      const ordered = orderOf({ ...shop.lab, part: shop.part }, { operation: "own-orders", ...user })
      const { credential } = await shop.engine.issue(ordered)
      const query = "select id from public.orders where id = $1"
      return await shop.engine.lookUp(credential, { query, values, withinMs: 10_000 })
    }
    assert.deepEqual(await order(alice, ["19"]), [])
    assert.deepEqual(await order(alice, ["17"]), [17])
    assert.deepEqual(await order(bob, ["19"]), [19])
  })
}
