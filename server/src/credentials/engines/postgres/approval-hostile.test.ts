import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { type ApprovedLease, openPayroll, type Payroll, RAISE } from "./hr.fixture.ts"
import { REFUSED } from "./mapping/approvals.ts"

/*
 * A fully hijacked agent holds the credential that was made for one approved action, goes around us, and sends any SQL that it
 * likes. Alice's raise to 5,200 was approved; nothing else may come of it, and that once.
 */

const USE = `select safeconduct.use_approval('raise', '{"employee": "alice", "euros": 5200}')`
const DENIED = "42501"
const BEFORE = { alice: 4800, bob: 4100, carol: 3900 }
const AFTER = { ...BEFORE, alice: 5200 }

/** What comes of the last statement of each; the approval is as good as before. */
const refused: [attempt: string, code: string, statements: (group: string) => string[]][] = [
  ["another amount", REFUSED.differs, () => ["update salaries set euros = 52000 where employee = 'alice'"]],
  ["a cent more", REFUSED.differs, () => ["update salaries set euros = 5200.01 where employee = 'alice'"]],
  ["another employee", REFUSED.differs, () => ["update salaries set euros = 5200 where employee = 'bob'"]],
  ["everybody", REFUSED.differs, () => ["update salaries set euros = 5200"]],
  ["a new employee", REFUSED.differs, () => ["insert into salaries (employee, euros) values ('mallory', 5200)"]],
  ["a deletion", REFUSED.differs, () => ["delete from salaries where employee = 'alice'"]],
  [
    "an insertion that becomes another update",
    REFUSED.differs,
    () => [
      "insert into salaries (employee, euros) values ('bob', 1) on conflict (employee) do update set euros = 5200",
    ],
  ],
  [
    "a merge",
    REFUSED.differs,
    () => ["merge into salaries s using (select 1) x on s.employee = 'bob' when matched then update set euros = 9000"],
  ],
  [
    "another beside it in one statement",
    REFUSED.differs,
    () => [`with x as (${RAISE} returning 1) update salaries set euros = 9000 where employee = 'bob'`],
  ],
  ["the same twice in one transaction", REFUSED.used, () => ["begin", RAISE, RAISE]],
  ["the same again beneath a savepoint", REFUSED.used, () => ["begin", "savepoint a", RAISE, "release a", RAISE]],
  [
    "the same again after another savepoint was rolled back",
    REFUSED.used,
    () => ["begin", RAISE, "savepoint a", "select 1", "rollback to a", RAISE],
  ],
  ["the same in a loop", REFUSED.used, () => [`do $$ begin for n in 1..3 loop ${RAISE}; end loop; end $$`]],
  ["using it for each row", REFUSED.used, () => [`${USE} from generate_series(1, 3)`]],
  [
    "using it by a cursor that outlives its transaction",
    REFUSED.used,
    () => ["begin", `declare c cursor with hold for ${USE} from generate_series(1, 3)`, "fetch 1 from c", "commit"],
  ],
  ["another operation", REFUSED.none, () => [USE.replace("'raise'", "'demote'")]],
  ["an operation that is null", REFUSED.none, () => ["select safeconduct.use_approval(null, null)"]],
  ["arguments that are null", REFUSED.differs, () => ["select safeconduct.use_approval('raise', null)"]],
  ["arguments that are a list", REFUSED.differs, () => ["select safeconduct.use_approval('raise', '[]')"]],
  ["a number as text", REFUSED.differs, () => [USE.replace("5200", '"5200"')]],
  ["an argument more", REFUSED.differs, () => [USE.replace("5200}", '5200, "note": null}')]],
  ["an argument less", REFUSED.differs, () => [USE.replace(', "euros": 5200', "")]],
  ["a transaction that only reads", "25006", () => ["begin read only", USE]],
  ["the owner's own function", REFUSED.differs, () => ["select raise_by('bob', 1000)"]],
  [
    "functions and tables of its own that are found first",
    REFUSED.differs,
    () => [
      "create function pg_temp.jsonb_build_object(variadic text[]) returns jsonb language sql as $$ select '{}'::jsonb $$",
      "create function pg_temp.use_approval(text, jsonb) returns boolean language sql as 'select true'",
      "create temporary table approvals (role_name name, arguments jsonb)",
      "set search_path = pg_temp, public, pg_catalog",
      "update public.salaries set euros = 9000 where employee = 'bob'",
    ],
  ],
  [
    "an operator of its own that finds everything equal",
    REFUSED.differs,
    () => [
      "create function pg_temp.same(jsonb, jsonb) returns boolean language sql as 'select true'",
      "create operator pg_temp.= (leftarg = jsonb, rightarg = jsonb, function = pg_temp.same)",
      "set search_path = pg_temp, public",
      "update public.salaries set euros = 9000 where employee = 'bob'",
    ],
  ],
  [
    "a setting that says that it was approved",
    REFUSED.differs,
    () => ["set safeconduct.approval = 'yes'", "update salaries set euros = 9000 where employee = 'bob'"],
  ],
  ["turning triggers off", DENIED, () => ["set session_replication_role = replica"]],
  ["turning this one off", DENIED, () => ["alter table salaries disable trigger approved"]],
  ["dropping it", DENIED, () => ["drop trigger approved on salaries"]],
  [
    "replacing what it calls",
    DENIED,
    () => ["create or replace function approved_raise() returns trigger language plpgsql as 'begin return null; end'"],
  ],
  ["truncating", DENIED, () => ["truncate salaries"]],
  ["being the owner", DENIED, () => ["set role postgres"]],
  ["being the mapping's owner", DENIED, () => ["set role safeconduct_leases"]],
  ["logging in as somebody else without a login", DENIED, () => ["set session authorization postgres"]],
  ["reading what was approved", DENIED, () => ["select * from safeconduct.approvals"]],
  ["writing an approval", DENIED, () => ["insert into safeconduct.approvals select * from safeconduct.approvals"]],
  ["changing one", DENIED, () => [`update safeconduct.approvals set arguments = '{"employee": "bob", "euros": 1}'`]],
  ["using one again", DENIED, () => ["update safeconduct.approvals set used_at = null"]],
  ["locking them", DENIED, () => ["begin", "lock table safeconduct.approvals in row share mode"]],
  ["deleting them", DENIED, () => ["delete from safeconduct.approvals"]],
  ["having one written", DENIED, () => ["select safeconduct.approve(session_user, '{}')"]],
  [
    "a function beside the mapping's own",
    DENIED,
    () => ["create function safeconduct.use_approval(text, json) returns boolean language sql as 'select true'"],
  ],
]

for (const version of [15, 18] as const) {
  describe(`PostgreSQL ${version}: whoever holds the credential of an approved raise`, async () => {
    const payroll = await openPayroll(version)
    after(() => payroll[Symbol.asyncDispose]())

    for (const [attempt, code, statements] of refused) {
      test(`comes to nothing with ${attempt}, and can still do what was approved, once`, async () => {
        await using lease = await payroll.lease()
        const all = statements(payroll.group)
        for (const statement of all.slice(0, -1)) await lease.query(statement)
        await assert.rejects(lease.query(all.at(-1)!), { code })
        await lease.query("rollback; reset search_path; reset role")
        assert.deepEqual(await payroll.salaries(), BEFORE)
        await doOnce(payroll, lease)
      })
    }

    test("that went on as the group is still itself", async () => {
      await using lease = await payroll.lease()
      // From 16 on it cannot even do that.
      await lease.query(`set role ${payroll.group}`).catch(() => undefined)
      await assert.rejects(lease.query("update salaries set euros = 9000 where employee = 'bob'"), {
        code: REFUSED.differs,
      })
      await doOnce(payroll, lease)
    })

    test("spends the approval by using it for nothing", async () => {
      await using lease = await payroll.lease()
      await lease.query(USE)
      await assert.rejects(lease.query(RAISE), { code: REFUSED.used })
      assert.deepEqual(await payroll.salaries(), BEFORE)
    })

    const givenBack: [how: string, statements: string][] = [
      ["a rollback", `begin; ${RAISE}; rollback`],
      ["a rollback to a savepoint", `begin; savepoint a; ${RAISE}; rollback to a; commit`],
      [
        "an error that was caught",
        `do $$ begin begin ${RAISE}; raise 'x'; exception when others then null; end; end $$`,
      ],
    ]
    for (const [how, statements] of givenBack) {
      test(`has it back after ${how}, with nothing done`, async () => {
        await using lease = await payroll.lease()
        await lease.query(statements)
        assert.deepEqual(await payroll.salaries(), BEFORE)
        await doOnce(payroll, lease)
      })
    }

    test("does it once with eight connections at once", async () => {
      await using lease = await payroll.lease()
      const clients = await Promise.all(Array.from({ length: 8 }, () => lease.again()))
      const outcomes = await Promise.allSettled(clients.map((client) => client.query(RAISE)))
      assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1)
      const codes = outcomes.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []))
      assert.deepEqual(codes, Array(7).fill(REFUSED.used))
      assert.deepEqual(await payroll.salaries(), AFTER)
      await Promise.all(clients.map((client) => client.end()))
      await payroll.correct()
    })

    for (const [isolation, code] of [
      ["read committed", REFUSED.used],
      ["serializable", "40001"],
    ] as const) {
      test(`waits for its other transaction, ${isolation}, and is refused, or does it where that did not`, async () => {
        for (const end of ["commit", "rollback"] as const) {
          await using lease = await payroll.lease()
          await using other = await lease.again()
          await lease.query(`begin; ${USE}`)
          await other.query(`begin isolation level ${isolation}; select 1`)
          const waiting = other.query(USE)
          waiting.catch(() => undefined)
          await blocked(payroll, lease.account.name)
          await lease.query(end)
          if (end === "commit") await assert.rejects(waiting, { code })
          else await waiting
          await other.query("commit")
          assert.ok(await payroll.usedAt(lease.approval))
        }
      })
    }

    test("of another one's approval has nothing, and of none neither", async () => {
      await using _approved = await payroll.lease()
      await using other = await payroll.lease({ arguments: { employee: "bob", euros: 4500 } })
      await assert.rejects(other.query(RAISE), { code: REFUSED.differs })
      await using demoting = await payroll.lease({}, "demote")
      await assert.rejects(demoting.query(RAISE), { code: REFUSED.none })
      await using unasked = await payroll.lease(null, "write")
      await assert.rejects(unasked.query(RAISE), { code: REFUSED.none })
      assert.deepEqual(await payroll.salaries(), BEFORE)
    })

    test("of one that is being taken away, or whose name somebody has again, has nothing", async () => {
      await using lease = await payroll.lease()
      const change = (text: string) =>
        payroll.dba.query(`update safeconduct.leases set ${text} where role_name = $1`, [lease.account.name])
      await change("ended_at = now()")
      await assert.rejects(lease.query(RAISE), { code: REFUSED.none })
      await change("ended_at = null, role_oid = 1")
      await assert.rejects(lease.query(RAISE), { code: REFUSED.none })
      await payroll.engine.revoke(lease.account)
      await lease.ended
      await assert.rejects(lease.again())
      assert.equal(await payroll.usedAt(lease.approval), null)
    })
  })
}

/** The approved raise works, and then no more. */
async function doOnce(payroll: Payroll, lease: ApprovedLease): Promise<void> {
  await lease.query(RAISE)
  assert.ok(await payroll.usedAt(lease.approval))
  await assert.rejects(lease.query(RAISE), { code: REFUSED.used })
  await assert.rejects(lease.query(USE), { code: REFUSED.used })
  assert.deepEqual(await payroll.salaries(), AFTER)
  await payroll.correct()
}

/** Resolves once a connection of the role waits for another one. */
async function blocked({ dba }: Payroll, role: string): Promise<void> {
  const waits = "select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'"
  while ((await dba.query(waits, [role])).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}
