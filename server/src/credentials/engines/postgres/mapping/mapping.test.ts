import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLog } from "#kernel"
import { labDatabase, orderOf } from "../fixture.ts"
import { applyPrepare, checkPrepared, prepareStatements } from "../prepare.ts"

/** Each row: how somebody could have others believe whose a lease is, and what the check says of it. */
const changes: [change: (names: { account: string; clerk: string; group: string }) => string, what: RegExp][] = [
  [() => "drop schema safeconduct cascade", /Nothing here says whose a lease is/],
  [({ clerk }) => `alter schema safeconduct owner to ${clerk}`, /The schema safeconduct belongs to \w+_clerk/],
  [({ group }) => `grant create on schema safeconduct to ${group}`, /_read may make objects in the schema/],
  [({ clerk }) => `grant safeconduct_leases to ${clerk}`, /can be acted as by \w+_clerk/],
  [() => "drop table safeconduct.leases cascade", /The table safeconduct\.leases is missing/],
  [({ clerk }) => `alter table safeconduct.leases owner to ${clerk}`, /leases is not the one/],
  [() => "alter table safeconduct.leases add extra text", /leases is not the one/],
  [() => "alter table safeconduct.leases drop constraint leases_role_name", /leases is not the one/],
  [
    () =>
      "alter table safeconduct.leases drop constraint leases_role_name, add constraint leases_role_name check (true)",
    /leases is not the one/,
  ],
  [
    () =>
      "alter table safeconduct.leases drop constraint leases_pkey cascade, add constraint leases_pkey primary key (role_name, lease)",
    /leases is not the one/,
  ],
  [
    () =>
      "alter table safeconduct.leases drop ended_at, add ended_at timestamptz generated always as (null::timestamptz) stored",
    /has computed column ended_at/,
  ],
  [({ group }) => `grant select on safeconduct.leases to ${group}`, /_read has SELECT on/],
  [() => "grant insert on safeconduct.leases to public", /public has INSERT on/],
  [({ group }) => `grant update (subject) on safeconduct.leases to ${group}`, /column right on subject/],
  [
    () =>
      "create trigger t before insert on safeconduct.leases for each row execute function safeconduct.stamp('chain')",
    /has trigger t/,
  ],
  [() => "create rule r as on insert to safeconduct.leases do nothing", /has rule r/],
  [
    () => "create function safeconduct.claim(claim varchar) returns text language sql return ''",
    /claim\(character varying\) is none/,
  ],
  [() => "drop function safeconduct.subject()", /subject\(\) is missing/],
  [() => "drop table safeconduct.approvals", /The table safeconduct\.approvals is missing/],
  [() => "alter table safeconduct.approvals drop constraint approvals_approval", /approvals is not the one/],
  [() => "alter table safeconduct.approvals drop constraint approvals_role_name", /approvals is not the one/],
  [({ clerk }) => `alter table safeconduct.approvals owner to ${clerk}`, /approvals is not the one/],
  [
    ({ group }) => `grant update on safeconduct.approvals to ${group}`,
    /has UPDATE on safeconduct\.approvals, which says what was/,
  ],
  [
    () =>
      "create trigger t before update on safeconduct.approvals for each row execute function safeconduct.stamp('arguments')",
    /approvals has trigger t/,
  ],
  [() => "drop function safeconduct.use_approval", /use_approval\(text, jsonb\) is missing/],
  [() => "alter function safeconduct.use_approval security invoker", /use_approval\(text, jsonb\) is not the one/],
  [() => "alter function safeconduct.use_approval parallel safe", /use_approval\(text, jsonb\) is not the one/],
  [
    () => "grant execute on function safeconduct.approve to public",
    /public may call safeconduct\.approve\(name, jsonb\)/,
  ],
  [() => "alter function safeconduct.subject() owner to postgres", /subject\(\) is not the one/],
  [() => "alter function safeconduct.subject() security invoker", /subject\(\) is not the one/],
  [() => "alter function safeconduct.subject() immutable", /subject\(\) is not the one/],
  [() => "alter function safeconduct.claim(text) leakproof", /claim\(text\) is not the one/],
  [() => "alter function safeconduct.subject() reset search_path", /subject\(\) is not the one/],
  [() => "alter function safeconduct.subject() set search_path = public", /subject\(\) is not the one/],
  [
    () =>
      `create or replace function safeconduct.subject() returns text language plpgsql stable security definer parallel safe
         set search_path = pg_catalog, pg_temp as $$ begin return current_setting('x.subject', true); end $$`,
    /subject\(\) is not the one/,
  ],
  [
    () => "revoke execute on function safeconduct.subject() from public",
    /public may not call safeconduct\.subject\(\)/,
  ],
  [() => "grant execute on function safeconduct.bind(name, jsonb) to public", /public may call safeconduct\.bind/],
  [
    ({ group }) => `grant execute on function safeconduct.bind(name, jsonb) to ${group}`,
    /_read may call safeconduct\.bind/,
  ],
  [() => "revoke usage on schema safeconduct from public", /Not everybody may use the schema/],
  [
    ({ account }) => `revoke execute on function safeconduct.bind(name, jsonb) from ${account}`,
    /may not call safeconduct\.bind/,
  ],
]

for (const [change, what] of changes) {
  const title = change({ account: "root", clerk: "clerk", group: "readers" }).replaceAll(/\s+/g, " ")
  test(`the check finds, and no credential for a user is given after: ${title}`, async () => {
    const lab = await labDatabase(18, { scramIterations: 1 })
    await using dba = await lab.dba()
    const group = lab.spec.groups[0]!.role
    const names = { account: lab.spec.account, clerk: `${lab.database}_clerk`, group }
    await dba.query(`create role ${names.clerk}; grant create on database ${lab.database} to ${names.clerk}`)
    await dba.query(change(names))
    const spec = { ...lab.spec, groups: lab.spec.groups.map((each) => ({ ...each, bindsUser: true })) }
    const found = (await checkPrepared(lab.superuserUrl, spec)).filter(({ level }) => level === "problem")
    assert.match(found.map((finding) => finding.what).join(" "), what)
    const part = { ...lab.part, operations: { read: { groupRole: group, bindsUser: true } } }
    await using engine = lab.engine()
    const order = orderOf({ ...lab, part })
    await assert.rejects(engine.issue(order), { code: "unprepared" })
    const { rowCount } = await dba.query("select from pg_roles where rolname = $1", [order.name])
    assert.equal(rowCount, 0)
    await dba.query(`revoke safeconduct_leases from ${names.clerk}`)
  })
}

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: the statements work one by one, as they are printed, and again; others' rights are kept out`, async () => {
    const lab = await labDatabase(version, {}, false)
    await using dba = await lab.dba()
    // What the DBA makes is everybody's, by his own default privileges.
    await dba.query("alter default privileges grant all on tables to public")
    await dba.query("alter default privileges grant create on schemas to public")
    for (const time of ["first", "second"]) {
      for (const statement of prepareStatements(lab.spec)) await dba.query(statement)
      const problems = (await checkPrepared(lab.superuserUrl, lab.spec)).filter(({ level }) => level === "problem")
      assert.deepEqual(problems, [], time)
    }
    assert.deepEqual((await dba.query("select current_user::text as who, current_schemas(false)::text as path")).rows, [
      { who: "postgres", path: "{public}" },
    ])
  })
}

for (const version of [15, 18] as const) {
  test(`PostgreSQL ${version}: a DBA who is no superuser prepares it too, and may not act as the owner after`, async () => {
    const lab = await labDatabase(version, { scramIterations: 1 }, false)
    await using superuser = await lab.dba()
    const dba = `${lab.database}_dba`
    await superuser.query(`create role ${dba} login createrole password 'x'; alter table faq owner to ${dba}`)
    await superuser.query(`grant pg_signal_backend, pg_read_all_stats to ${dba} with admin option`)
    await superuser.query(`alter database ${lab.database} owner to ${dba}`)
    // Roles are the whole cluster's, and this one was made by a superuser for an earlier test.
    await superuser.query(OWNER_THERE)
    await superuser.query(`grant safeconduct_leases to ${dba} with admin option`)
    if (version === 18) await superuser.query(`grant safeconduct_leases to ${dba} with inherit false, set false`)
    const url = new URL(lab.superuserUrl)
    url.username = dba
    url.password = "x"
    for (const time of ["first", "second"]) {
      await applyPrepare(url.href, lab.spec, silentLog)
      const found = await checkPrepared(url.href, lab.spec)
      assert.deepEqual(
        found.filter(({ level }) => level !== "warning"),
        [],
        time,
      )
    }
    await using client = await lab.lease({
      engine: "postgres",
      host: url.hostname,
      port: Number(url.port),
      user: dba,
      password: "x",
      tls: "disable",
    })
    await assert.rejects(client.query("set role safeconduct_leases"), { code: "42501" })
  })
}

test("preparing again mends a function, and leaves the leases that are bound", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  await using engine = lab.engine()
  const order = orderOf(lab)
  await engine.issue(order)
  await dba.query("alter function safeconduct.agent() immutable")
  await applyPrepare(lab.superuserUrl, lab.spec, silentLog)
  assert.deepEqual(await checkPrepared(lab.superuserUrl, lab.spec), [])
  const { rows } = await dba.query("select agent from safeconduct.leases where role_name = $1", [order.name])
  assert.deepEqual(rows, [{ agent: "support-bot" }])
})

const OWNER_THERE = `do $$ begin create role safeconduct_leases; exception when duplicate_object then null; end $$`

const strangers: [title: string, made: string, why: RegExp][] = [
  ["somebody else's schema", "create schema safeconduct", /There is a schema safeconduct that is somebody else's/],
  [
    "an owner that may log in",
    "alter role safeconduct_leases login",
    /safeconduct_leases is there already and may do more/,
  ],
]
for (const [title, made, why] of strangers) {
  test(`prepare is refused by ${title}, and changes nothing`, async () => {
    await labDatabase(15)
    const lab = await labDatabase(15, {}, false)
    await using dba = await lab.dba()
    await dba.query(made)
    await assert.rejects(applyPrepare(lab.superuserUrl, lab.spec, silentLog), why)
    assert.equal((await dba.query("select from pg_roles where rolname = $1", [lab.spec.account])).rowCount, 0)
    await dba.query("alter role safeconduct_leases nologin")
  })
}

test("a function of the same name in somebody else's schema is not run with our rights", async () => {
  const lab = await labDatabase(18, { scramIterations: 1 })
  await using dba = await lab.dba()
  await dba.query("create table public.caught (who text); grant insert on public.caught to public")
  await dba.query(
    "drop schema safeconduct cascade; create schema safeconduct; grant usage on schema safeconduct to public",
  )
  for (const trap of ["bind(name, jsonb)", "unbind(name)", "tidy()"]) {
    const body = "insert into public.caught values (current_user)"
    await dba.query(`create function safeconduct.${trap} returns void language sql as '${body}'`)
  }
  await using engine = lab.engine()
  const order = orderOf(lab)
  const { oid } = await engine.issue(order)
  await engine.tidy()
  await engine.revoke({ name: order.name, oid })
  assert.deepEqual((await dba.query("select who from public.caught")).rows, [])
})

test("no group role reads the mapping's schema", () => {
  const groups = [{ role: "kb_read", schemas: ["public", "safeconduct"] }]
  assert.throws(() => prepareStatements({ database: "kb", account: "safeconduct", groups }), {
    code: "invalid-request",
  })
})
