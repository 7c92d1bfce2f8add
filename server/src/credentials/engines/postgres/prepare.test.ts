import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLog } from "#kernel"
import { labDatabase, orderOf } from "./fixture.ts"
import { applyPrepare, checkPrepared, prepareStatements } from "./prepare.ts"

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: what prepare makes passes the check, and preparing again changes nothing`, async () => {
    const lab = await labDatabase(version)
    assert.deepEqual(await checkPrepared(lab.superuserUrl, lab.spec), [])
    assert.equal(await applyPrepare(lab.superuserUrl, lab.spec, silentLog), null)
    await using engine = lab.engine()
    assert.deepEqual(await engine.check(lab.part), [])
  })

  test(`PostgreSQL ${version}: a lease reads what its group may, and can neither write, create nor act as the group`, async () => {
    const lab = await labDatabase(version, { scramIterations: 1 })
    await using dba = await lab.dba()
    await dba.query("create table salaries (amount int)")
    await using engine = lab.engine()
    const order = orderOf(lab)
    const { oid, credential } = await engine.issue(order)
    {
      await using lease = await lab.lease(credential.reveal())
      await lease.query("select * from faq")
      const statements = [
        "select * from salaries",
        "insert into faq values (0, '')",
        "create table mine (n int)",
        "select lo_create(0)",
        "select lo_from_bytea(0, '')",
        "create role more login",
        `grant ${lab.spec.groups[0]!.role} to current_user`,
        "alter role current_user valid until 'infinity'",
        `set role ${lab.spec.account}`,
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${lab.spec.account}'`,
      ]
      for (const statement of statements) await assert.rejects(lease.query(statement), { code: "42501" }, statement)
    }
    await engine.revoke({ name: order.name, oid })
  })
}

/** Each row: what the DBA got wrong, and what the check says of it. */
const mistakes: [mistake: (lab: { account: string; group: string }) => string, level: string, what: RegExp][] = [
  [({ account }) => `alter role ${account} superuser`, "reject", /superuser/],
  [({ account }) => `grant postgres to ${account}`, "reject", /may act as postgres, a superuser/],
  [({ account }) => `alter role ${account} nocreaterole`, "problem", /may not make roles/],
  [({ account }) => `revoke pg_signal_backend from ${account}`, "problem", /close connections/],
  [({ account }) => `revoke pg_read_all_stats from ${account}`, "warning", /last used/],
  [({ account }) => `alter role ${account} bypassrls`, "warning", /does not need/],
  [({ account, group }) => `revoke ${group} from ${account}`, "problem", /may not give out/],
  [({ group }) => `drop owned by ${group}; drop role ${group}`, "problem", /does not exist/],
  [({ group }) => `alter role ${group} createrole`, "problem", /rights over the server/],
  [({ group }) => `grant pg_read_server_files to ${group}`, "problem", /pg_read_server_files/],
  [
    ({ account, group }) => `create role ${account}_boss createrole; grant ${account}_boss to ${group}`,
    "problem",
    /_boss, which reaches/,
  ],
  [
    ({ account }) => `create role ${account}_clerk; grant ${account} to ${account}_clerk`,
    "problem",
    /_clerk may act as/,
  ],
  [({ account }) => `alter role ${account}_maker_3 login`, "problem", /_maker_3 may do more than make leases/],
  [({ account }) => `grant pg_read_all_data to ${account}_maker_3`, "problem", /_maker_3 may do more/],
  [
    ({ account }) => `create role ${account}_clerk; grant ${account}_maker_3 to ${account}_clerk`,
    "problem",
    /_clerk may act as \w+_maker_3/,
  ],
  [({ account }) => `drop owned by ${account}_maker_3; drop role ${account}_maker_3`, "warning", /31 of 32 roles/],
  [({ group }) => `create table theirs (n int); alter table theirs owner to ${group}`, "warning", /owns 1 objects/],
  [
    ({ group }) => `set role ${group}; alter default privileges grant select on tables to public; reset role`,
    "warning",
    /default privileges/,
  ],
  [() => "grant create on schema public to public", "problem", /create objects/],
  [() => "grant execute on function lo_create(oid) to public", "warning", /large objects/],
  [({ group }) => `create view v as select 1; grant select on v to ${group}`, "warning", /view public.v reads/],
  [() => "create function f() returns int security definer return 1", "warning", /public.f\(\) runs/],
]

for (const [mistake, level, what] of mistakes) {
  const title = mistake({ account: "root", group: "readers" })
  test(`the check finds: ${title}`, async () => {
    const lab = await labDatabase(18)
    await using dba = await lab.dba()
    await dba.query(mistake({ account: lab.spec.account, group: lab.spec.groups[0]!.role }))
    const found = await checkPrepared(lab.superuserUrl, lab.spec)
    assert.equal(found.length, 1)
    assert.equal(found[0]?.level, level)
    assert.match(found[0]!.what, what)
  })
}

test("a view with security_invoker is not warned of", async () => {
  const lab = await labDatabase(18)
  await using dba = await lab.dba()
  const group = lab.spec.groups[0]!.role
  await dba.query(`create view v with (security_invoker = true) as select 1; grant select on v to ${group}`)
  assert.deepEqual(await checkPrepared(lab.superuserUrl, lab.spec), [])
})

test("chosen tables only, and no temporary tables where that is asked for", () => {
  const statements = prepareStatements({
    database: "kb",
    account: "safeconduct",
    groups: [{ role: "kb_read", schemas: ["public"], tables: [["public", "faq"]] }],
    revokesTemporary: true,
  })
  assert.ok(statements.includes('grant select on "public"."faq" to "kb_read"'))
  assert.ok(!statements.some((statement) => statement.includes("all tables")))
  assert.ok(statements.includes('revoke temporary on database "kb" from public'))
})

test("names that are SQL stay names", async () => {
  const lab = await labDatabase(18)
  const account = `Robert'); drop table faq; -- ${lab.database}`
  await applyPrepare(lab.superuserUrl, { ...lab.spec, account: account.slice(0, 60) }, silentLog)
  await using dba = await lab.dba()
  assert.equal((await dba.query("select count(*)::int as n from faq")).rows[0].n, 100)
  assert.equal((await dba.query("select 1 from pg_roles where rolname = $1", [account.slice(0, 60)])).rowCount, 1)
})
