import assert from "node:assert/strict"
import { test } from "node:test"
import { type Id, newId, silentLog } from "#kernel"
import { labDatabase, orderOf } from "./fixture.ts"
import { openPayroll, type Payroll, preparingCluster, RAISE } from "./hr.fixture.ts"
import { REFUSED } from "./mapping/approvals.ts"
import { applyPrepare, checkPrepared } from "./prepare.ts"

const newApproval = () => newId("approval") as Id<"approval">

async function hasRole({ dba }: Payroll, role: string): Promise<boolean> {
  return (await dba.query("select from pg_roles where rolname = $1", [role])).rowCount === 1
}

/** Each: what was approved as JSON, what is done as SQL of type jsonb, and whether that is the same. */
const compared: [approved: string, done: string, isSame: boolean][] = [
  ['{"n": 5200}', `'{"n": 5200.00}'`, true],
  ['{"n": 5200}', "jsonb_build_object('n', 5200.00::numeric(12, 2))", true],
  ['{"n": 1e21}', "jsonb_build_object('n', 1000000000000000000000::numeric)", true],
  ['{"n": 0.1}', "jsonb_build_object('n', 0.1::numeric)", true],
  ['{"n": 0.1}', "jsonb_build_object('n', 0.1::float4)", true],
  ['{"n": 0.1}', "jsonb_build_object('n', 0.1::float4::float8)", false],
  // A number that JavaScript cannot hold was shown, and approved, as another one.
  ['{"n": 9007199254740993}', "jsonb_build_object('n', 9007199254740993)", false],
  ['{"n": -0}', `'{"n": 0}'`, true],
  ['{"n": 1}', `'{"n": true}'`, false],
  ['{"a": 1, "b": 2}', `'{"b": 2, "a": 1}'`, true],
  ['{"a": [1, 2]}', `'{"a": [2, 1]}'`, false],
  ['{"a": {"b": [1, {"c": null}]}}', `'{"a": {"b": [1, {"c": null}]}}'`, true],
  ['{"a": null}', `'{}'`, false],
  ["{}", `'{}'`, true],
  ['{"a": "x"}', `'{"a": "X"}'`, false],
  ['{"a": "\u00e9"}', `'{"a": "e\u0301"}'`, false],
  ['{"a": "x "}', "jsonb_build_object('a', 'x'::char(5))", false],
  [`{"a": "it's; drop table salaries --"}`, `jsonb_build_object('a', 'it''s; drop table salaries --')`, true],
]

for (const version of [15, 18] as const) {
  const title = (what: string) => `PostgreSQL ${version}: ${what}`

  test(title("arguments are what was approved when they are the same values, and nothing is rounded"), async () => {
    await using payroll = await openPayroll(version)
    for (const [approved, done, isSame] of compared) {
      await using lease = await payroll.lease({ arguments: JSON.parse(approved) })
      const using = lease.query(`select safeconduct.use_approval('raise', ${done}) as used`)
      if (isSame) assert.deepEqual((await using).rows, [{ used: true }], `${approved} ${done}`)
      else await assert.rejects(using, { code: REFUSED.differs }, `${approved} ${done}`)
    }
  })

  test(title("a refusal names the arguments that differ, and none of their values"), async () => {
    await using payroll = await openPayroll(version)
    await using lease = await payroll.lease()
    const error = await lease.query("update salaries set euros = 9999 where employee = 'alice'").then(
      () => assert.fail("it was done"),
      (thrown: Error & { detail?: string; hint?: string }) => thrown,
    )
    assert.equal(error.detail, "Other than approved: euros.")
    assert.doesNotMatch(`${error.message} ${error.detail} ${error.hint}`, /9999|5200|alice/)
  })

  test(title("an approval is one use, whichever lease it goes with; the one that was made last has it"), async () => {
    await using payroll = await openPayroll(version)
    const id = newApproval()
    await using first = await payroll.lease({ id })
    await using second = await payroll.lease({ id })
    await assert.rejects(first.query(RAISE), { code: REFUSED.none })
    await second.query(RAISE)
    const third = payroll.order({ id })
    await assert.rejects(payroll.engine.issue(third), { code: "approval-used" })
    assert.equal(await hasRole(payroll, third.name), false)
    await payroll.engine.revoke(second.account)
    assert.ok(await payroll.usedAt(id))
    await assert.rejects(payroll.engine.issue(payroll.order({ id })), { code: "approval-used" })
  })

  test(title("an approval of one action is none of another that has its id"), async () => {
    await using payroll = await openPayroll(version)
    const id = newApproval()
    await using lease = await payroll.lease({ id })
    const others = [
      payroll.order({ id, digest: "another" }),
      payroll.order({ id, arguments: { employee: "bob", euros: 5200 } }),
      payroll.order({ id }, "demote"),
    ]
    for (const order of others) {
      await assert.rejects(payroll.engine.issue(order), { code: "approval-used" })
      assert.equal(await hasRole(payroll, order.name), false)
    }
    await lease.query(RAISE)
  })

  test(
    title("an approved operation is not issued where the resource cannot hold an approval; others are"),
    async () => {
      await using payroll = await openPayroll(version)
      // As a release before approvals prepared it.
      await payroll.dba.query(
        "drop function safeconduct.use_approval, safeconduct.approve; drop table safeconduct.approvals",
      )
      const order = payroll.order()
      await assert.rejects(payroll.engine.issue(order), { code: "unprepared" })
      assert.equal(await hasRole(payroll, order.name), false)
      await payroll.engine.issue(payroll.order({}, "write"))
      const bound = { ...payroll.part, operations: { mine: { groupRole: payroll.group, bindsUser: true } } }
      await payroll.engine.issue(orderOf({ ...payroll.lab, part: bound }, { operation: "mine" }))
      const spec = (requiresApproval: boolean) => ({
        ...payroll.spec,
        groups: payroll.spec.groups.map((group) => ({ ...group, requiresApproval, bindsUser: true })),
      })
      const problems = async (requiresApproval: boolean) => {
        const found = await checkPrepared(payroll.lab.superuserUrl, spec(requiresApproval))
        return found.filter(({ level }) => level === "problem").map(({ what }) => what)
      }
      assert.deepEqual(await problems(false), [])
      assert.match((await problems(true)).join(" "), /The table safeconduct\.approvals is missing/)
      await applyPrepare(payroll.lab.superuserUrl, spec(true), silentLog)
      assert.deepEqual(await problems(true), [])
      await using lease = await payroll.lease()
      await lease.query(RAISE)
    },
  )

  test(title("a transaction that is left prepared holds the approval, and not the lease"), async () => {
    await using stack = new AsyncDisposableStack()
    const payroll = stack.use(await openPayroll(version, await preparingCluster(version, stack)))
    await using lease = await payroll.lease()
    await lease.query(`begin; ${RAISE}; prepare transaction 'raise'`)
    await using other = await lease.again()
    await other.query("set lock_timeout = '100ms'")
    await assert.rejects(other.query("select safeconduct.use_approval('raise', '{}')"), { code: "55P03" })
    // The line of the lease is not waited for; whether its role can be dropped is what the check warns of.
    await payroll.dba.query("set lock_timeout = '1s'")
    await payroll.dba.query("select safeconduct.unbind($1)", [lease.account.name])
    await assert.rejects(other.query(RAISE), { code: "55P03" })
    await payroll.dba.query("commit prepared 'raise'")
    await assert.rejects(other.query(RAISE), { code: REFUSED.none })
    assert.ok(await payroll.usedAt(lease.approval))
    assert.equal((await payroll.salaries())["alice"], 5200)
  })
}

test("what was approved goes when the lease's line does, long after it ended", async () => {
  await using payroll = await openPayroll(18)
  await using lease = await payroll.lease()
  await payroll.engine.revoke(lease.account)
  assert.equal(await payroll.usedAt(lease.approval), null)
  await payroll.dba.query("update safeconduct.leases set ended_at = now() - interval '91 days'")
  await payroll.engine.tidy()
  assert.equal(await payroll.usedAt(lease.approval), undefined)
})

test("an operation that requires no approval takes one along where it can", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 }, false)
  await using dba = await lab.dba()
  const bare = await labDatabase(18, { scramIterations: 1 })
  await using engine = bare.engine()
  await using bareDba = await bare.dba()
  await bareDba.query("drop schema safeconduct cascade")
  const approval = { id: newApproval(), digest: "d", arguments: {} }
  await engine.issue(orderOf(bare, { approval }))
  await applyPrepare(lab.superuserUrl, lab.spec, silentLog)
  assert.equal((await dba.query("select from safeconduct.approvals")).rowCount, 0)
  await using payroll = await openPayroll(18)
  await using lease = await payroll.lease({}, "write")
  assert.equal(await payroll.usedAt(lease.approval), null)
})

/** Each row: what makes a lease of the group less bound to what was approved, and what the check says of it. */
const lapses: [change: (group: string) => string, level: "problem" | "warning", what: RegExp][] = [
  [() => "drop trigger approved on salaries", "warning", /may write public\.salaries, and nothing there asks/],
  [() => "alter table salaries disable trigger approved", "warning", /may write public\.salaries/],
  [() => "alter table salaries enable replica trigger approved", "warning", /may write public\.salaries/],
  [(group) => `create table bonus (n int); grant insert on bonus to ${group}`, "warning", /may write public\.bonus/],
  [
    (group) => `revoke all on salaries from ${group}; revoke execute on function approved_raise from public`,
    "warning",
    /Nothing that a lease of \w+_raise may write or call asks/,
  ],
  [(group) => `grant truncate on salaries to ${group}`, "problem", /may truncate public\.salaries/],
  [(group) => `grant trigger on salaries to ${group}`, "problem", /may put triggers on public\.salaries/],
  [
    (group) => `grant set on parameter session_replication_role to ${group}`,
    "problem",
    /may turn triggers off, those that .* ask for an approval too/,
  ],
]
for (const [change, level, what] of lapses) {
  test(`the check finds, where an approval is required: ${change("group")}`, async () => {
    await using payroll = await openPayroll(18)
    const look = async () => {
      const found = await checkPrepared(payroll.lab.superuserUrl, payroll.spec)
      // raise_by() belongs to the fixture.
      return found.filter((finding) => !finding.what.includes("runs with its owner's rights"))
    }
    assert.deepEqual(await look(), [])
    await payroll.dba.query(change(payroll.group))
    const found = await look()
    assert.deepEqual(
      found.map((finding) => finding.level),
      [level],
    )
    assert.match(found[0]!.what, what)
  })
}

test("a rule of rows that asks counts as one that asks", async () => {
  await using payroll = await openPayroll(18)
  await payroll.dba.query(`drop trigger approved on salaries; alter table salaries enable row level security;
    create policy seen on salaries for select using (true);
    create policy approved on salaries for update using (true)
      with check (safeconduct.use_approval('raise', jsonb_build_object('employee', employee, 'euros', euros)))`)
  const found = await checkPrepared(payroll.lab.superuserUrl, payroll.spec)
  assert.deepEqual(
    found.filter(({ what }) => what.includes("asks what was approved")),
    [],
  )
  await using lease = await payroll.lease()
  await assert.rejects(lease.query("update salaries set euros = 5200"), { code: REFUSED.differs })
  await lease.query(RAISE)
  await assert.rejects(lease.query(RAISE), { code: REFUSED.used })
})
