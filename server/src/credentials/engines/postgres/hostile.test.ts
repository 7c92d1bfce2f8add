import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import type { LabClient } from "./fixture.ts"
import { alice, bob, openShop, type Shop } from "./shop.fixture.ts"

/*
 * A fully hijacked agent: it holds a lease for Alice and sends any SQL that it likes. Nothing that comes back, in rows, copied
 * lines, notices or errors, may hold what is in Bob's row, and Bob's row may not change.
 */

/** Stands in Bob's rows alone, and in no attempt. */
const SECRET = "velvet-octopus"

/** Names that an attempt is written with. */
type Names = { group: string; owner: string; account: string; bob: string; own: string; version: number }

/** Each is refused, whatever came before it in its connection. */
const refused: [attempt: string, statements: (names: Names) => string[]][] = [
  [
    "SET ROLE and SET SESSION AUTHORIZATION",
    ({ owner, account, bob: victim }) => [
      `set role ${owner}`,
      `set role ${victim}`,
      `set role ${account}`,
      "set role safeconduct_leases",
      `set session authorization ${victim}`,
      "set session authorization postgres",
      `select set_config('session_authorization', '${victim}', false)`,
      `select set_config('role', '${victim}', false)`,
      `do $$ begin execute 'set session authorization ${victim}'; end $$`,
      "select set_config('is_superuser', 'on', false)",
    ],
  ],
  [
    "becoming Bob's lease, or its heir",
    ({ group, bob: victim, own }) => [
      `grant ${victim} to session_user`,
      `grant ${group} to ${victim} with admin option`,
      `alter role ${own} rename to sc`,
      `alter role ${victim} password 'x'`,
      `reassign owned by ${victim} to session_user`,
      "create role helper login",
      "alter role session_user bypassrls",
    ],
  ],
  [
    "the mapping itself",
    ({ bob: victim }) => [
      "select * from safeconduct.leases",
      "insert into safeconduct.leases select * from safeconduct.leases",
      "update safeconduct.leases set subject = 'bob'",
      "delete from safeconduct.leases",
      "truncate safeconduct.leases",
      "begin; lock table safeconduct.leases",
      "copy safeconduct.leases to stdout",
      "select table_to_xml('safeconduct.leases', true, false, '')",
      `select safeconduct.bind('${victim}', '{}')`,
      `select safeconduct.unbind('${victim}')`,
      "select safeconduct.tidy()",
      "alter table safeconduct.leases owner to session_user",
      "create trigger t before update on safeconduct.leases for each row execute function safeconduct.stamp('chain')",
      "create view pg_temp.v as table safeconduct.leases; select * from v",
    ],
  ],
  [
    "its functions, and their schema",
    () => [
      "create or replace function safeconduct.claim(claim text) returns text language sql return '1002'",
      "create function safeconduct.claim(claim varchar) returns text language sql return '1002'",
      "alter function safeconduct.claim(text) reset search_path",
      "alter function safeconduct.claim(text) rename to other",
      "drop function safeconduct.claim(text)",
      "drop function safeconduct.claim(text) cascade",
      "create schema other",
      "alter schema safeconduct rename to other",
      "drop schema safeconduct cascade",
      "create table safeconduct.t ()",
      "create function public.claim(text) returns text language sql return '1002'",
    ],
  ],
  [
    "row-level security and its policies",
    () => [
      "alter table orders disable row level security",
      "alter table orders no force row level security",
      "drop policy their_own on orders",
      "alter policy their_own on orders using (true)",
      "create policy mine on orders using (true)",
      "set row_security = off; select * from orders",
      "select set_config('row_security', 'off', false); table orders",
      "alter table orders owner to session_user",
      "create temp table child () inherits (orders)",
      "create table public.mine as table orders",
      "create index on orders (item)",
      "create statistics s on item, status from orders",
      "create publication p for table orders",
    ],
  ],
  [
    "the triggers that stamp",
    () => [
      "alter table orders disable trigger all",
      "alter table orders disable trigger zz_changed_by",
      "set session_replication_role = replica",
      "drop trigger zz_changed_by on orders",
      "create trigger zzz before update on orders for each row execute function suppress_redundant_updates_trigger()",
      "create rule r as on update to orders do instead nothing",
      "truncate orders",
      "delete from orders",
      "update history.orders set by = '{}'",
      "select keep_order()",
      "select safeconduct.stamp()",
    ],
  ],
  [
    "files, programs, other servers and the log of changes",
    () => [
      "copy orders to '/orders'",
      "copy (table orders) to program 'cat'",
      "copy orders from program 'id'",
      "select pg_read_file('PG_VERSION')",
      "select pg_ls_dir('base')",
      "select lo_import('/orders')",
      "create extension dblink",
      "create extension file_fdw",
      "select pg_create_logical_replication_slot('s', 'test_decoding')",
      "select * from pg_authid",
      "select * from pg_statistic",
      "alter system set session_preload_libraries = 'x'",
      "load '/x'",
      "create function pg_temp.c() returns int language c as '/x', 'c'",
      "create function pg_temp.l(text) returns boolean leakproof language sql return true",
    ],
  ],
]

/** A function that tells what it is given, as cheap as can be, so that the planner would like to ask it first. */
const LEAK = `create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as $$ begin
  raise notice 'leaked %', $1; return true; end $$`

/** Each may succeed or not; what it tells is looked at. */
const tried: [attempt: string, statements: (names: Names) => string[]][] = [
  [
    "asking for all",
    () => ["select * from orders where customer = '1002' or true", "table orders", "select (o.*)::text from orders o"],
  ],
  [
    "settings that a rule might have asked",
    () => [
      "set safeconduct.customer = '1002'",
      "select set_config('safeconduct.claim', '1002', false), set_config('request.jwt.claims', '{\"customer\":\"1002\"}', false)",
      "set search_path = pg_temp, public, safeconduct",
      "table public.orders",
    ],
  ],
  [
    "UNION, EXCEPT and what is joined",
    () => [
      "select item, customer from orders union all select name, id from customers",
      "select item from orders except select name from customers",
      "select * from customers full join orders on true",
      "select array_agg(o) over () from orders o cross join lateral (select o.item) x",
      "with recursive r as (table orders union select o.* from orders o, r) table r",
      "select * from orders tablesample system (100)",
      "select tableoid, ctid, xmin, * from only orders for update of orders",
      "merge into orders using (values (19)) v (id) on orders.id = v.id when matched then update set status = item",
    ],
  ],
  [
    "COPY",
    () => [
      "copy orders to stdout",
      "copy (select * from orders) to stdout with (format csv)",
      "copy customers to stdout",
    ],
  ],
  [
    "what the catalogue knows",
    ({ bob: victim }) => [
      "select * from pg_stats",
      "select * from pg_stats_ext",
      "select most_common_vals::text, histogram_bounds::text from pg_stats where tablename in ('orders', 'customers')",
      "select * from pg_stat_activity",
      "select * from pg_shdescription",
      "select * from pg_prepared_statements",
      "select * from pg_cursors",
      "select * from pg_locks",
      "select * from pg_seclabels",
      `select pg_stat_get_activity(pid) from pg_stat_activity where usename = '${victim}'`,
      "select pg_get_expr(polqual, polrelid) from pg_policy",
      "select prosrc from pg_proc where pronamespace = 'safeconduct'::regnamespace",
    ],
  ],
  [
    "functions that run a query for it",
    () => [
      "select query_to_xml('select * from orders', true, false, '')",
      "select table_to_xml('orders', true, false, '')",
      "select schema_to_xml('public', true, false, '')",
      "select database_to_xml(true, false, '')",
      "select ts_stat('select to_tsvector(item) from orders')",
    ],
  ],
  [
    "a cheap function in a predicate",
    () => [
      LEAK,
      "select * from orders where pg_temp.leak(item)",
      "select * from orders where pg_temp.leak(item) and customer = '1002'",
      "select count(*) from orders where pg_temp.leak(item || status)",
      "update orders set status = status where pg_temp.leak(item) returning *",
      "select * from orders o join customers c on pg_temp.leak(o.item || c.name)",
      "select * from orders order by pg_temp.leak(item)",
      "set enable_seqscan = off; set enable_indexscan = off",
      "select * from orders where id = 19 and pg_temp.leak(item)",
    ],
  ],
  [
    "operators, casts, domains and aggregates of its own",
    () => [
      LEAK,
      "create function pg_temp.same(text, text) returns boolean language plpgsql as $$ begin raise notice '% %', $1, $2; return true; end $$",
      "create operator pg_temp.=== (leftarg = text, rightarg = text, function = pg_temp.same, restrict = eqsel, join = eqjoinsel)",
      "select * from orders where item operator(pg_temp.===) 'x'",
      "explain select * from orders where item operator(pg_temp.===) 'x'",
      "create domain pg_temp.told as text check (pg_temp.leak(value))",
      "select item::pg_temp.told from orders",
      "create function pg_temp.add(text, text) returns text language sql return $1 || $2",
      "create aggregate pg_temp.all_of(text) (sfunc = pg_temp.add, stype = text, initcond = '')",
      "select pg_temp.all_of(item) from orders",
      "create function pg_temp.cmp(text, text) returns int language plpgsql as $$ begin raise notice '% %', $1, $2; return 0; end $$",
      "select * from orders where item = any (select name from customers) or pg_temp.leak(item)",
    ],
  ],
  [
    "names in front of PostgreSQL's own and ours",
    () => [
      "create function pg_temp.jsonb_array_length(jsonb) returns int language sql return 1",
      "create temp table pg_roles as select oid, 'x'::name as rolname from pg_catalog.pg_roles",
      "create temp table leases (role_name name, subject text)",
      "create function pg_temp.claim(text) returns text language sql return '1002'",
      "create operator pg_temp.= (leftarg = text, rightarg = text, function = texteq)",
      "set search_path = pg_temp, pg_catalog, safeconduct, public",
      "select claim('customer'), safeconduct.claim('customer')",
      "table public.orders",
      "create temp table orders as table public.orders",
      "table orders",
    ],
  ],
  [
    "functions that run with somebody's rights",
    () => [
      "create function pg_temp.mine() returns setof orders security definer language sql as 'table public.orders'",
      "select pg_temp.mine()",
      "select count(*), min(item), max(item) from my_orders()",
      "create view pg_temp.v with (security_barrier = false, security_invoker = false) as table orders",
      "select * from v",
    ],
  ],
  [
    "errors that tell what they stumbled on",
    () => [
      "select item::int from orders",
      "select * from orders where item::int = 1",
      "select 1 / (length(item) - length(item)) from orders where customer = '1002'",
      "select xmlparse(document item) from orders",
      "select ('{' || item)::jsonb from orders",
      "do $$ declare r record; begin for r in select * from orders loop begin perform r.item::int; exception when others then raise notice '%', sqlerrm; end; end loop; end $$",
    ],
  ],
  [
    "EXPLAIN",
    () => [
      "explain (analyze, verbose, costs, buffers, settings) select * from orders",
      "explain (analyze, verbose) select * from orders where item > 'v' and item < 'w'",
      "explain (generic_plan) select * from orders where item = $1",
    ],
  ],
  [
    "prepared statements over a change of role",
    ({ group }) => [
      "prepare all_of as select * from orders",
      "execute all_of",
      `set role ${group}`,
      "execute all_of",
      "set plan_cache_mode = force_generic_plan",
      "execute all_of",
      "reset role",
      "execute all_of",
    ],
  ],
  [
    "DO, cursors and what is left open",
    () => [
      "do $$ declare r record; begin for r in table orders loop raise notice '%', r; end loop; end $$",
      "begin; declare c cursor with hold for table orders; commit",
      "fetch all from c",
      "begin isolation level serializable; savepoint s; table orders; rollback to s; table orders; commit",
      "begin; declare d cursor for select * from orders for update; fetch d; update orders set status = item where current of d; commit",
    ],
  ],
  [
    "NOTIFY",
    () => ["listen orders", "notify orders, 'x'", "select pg_notify('orders', string_agg(item, ',')) from orders"],
  ],
  [
    "several processes for one query",
    ({ version }) => [
      `set ${version >= 16 ? "debug_parallel_query" : "force_parallel_mode"} = on`,
      "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0",
      "select *, safeconduct.subject() from orders",
      "select max(item) from orders",
    ],
  ],
  [
    "asking for another's lease",
    ({ bob: victim }) => ["select safeconduct.lease()", `select safeconduct.claim('${victim}')`],
  ],
]

for (const version of [15, 18] as const) {
  const shop = await openShop(version)
  const [hers, his] = [await shop.lease(alice), await shop.lease(bob)]
  await makeItTempting(shop, his)
  const names: Names = {
    group: shop.roles.desk,
    owner: shop.roles.owner,
    account: shop.lab.spec.account,
    bob: his.role,
    own: hers.role,
    version,
  }
  const before = await rowsOf(shop)

  describe(`PostgreSQL ${version}: a hijacked agent's attempt`, { timeout: 120_000 }, () => {
    after(async () => {
      for (const each of [hers, his, shop]) await each[Symbol.asyncDispose]()
    })

    for (const [attempt, statements] of refused) {
      test(`at ${attempt} is refused`, async () => {
        for (const statement of statements(names)) {
          await using lease = await hers.again()
          await assert.rejects(lease.query(statement), { code: /^(42501|0A000|55P02)$/ }, statement)
        }
        assert.deepEqual(await rowsOf(shop), before)
      })
    }

    for (const [attempt, statements] of tried) {
      test(`by ${attempt} tells nothing of Bob's, and changes none of it`, async () => {
        await using lease = await hers.again()
        const told = await allTold(lease, statements(names))
        assert.doesNotMatch(told, new RegExp(SECRET))
        assert.deepEqual(await rowsOf(shop), before)
      })
    }

    test("to write its own stamp, where it may write every column, is written over", async () => {
      const { dba } = shop
      await dba.query(`grant insert, update on orders to ${shop.roles.desk}`)
      const fake = `'{"subject": "bob", "role": "${his.role}"}'`
      const statements = [
        `update orders set status = 'a', changed_by = ${fake} where id = 17`,
        `insert into orders values (100, '1001', 'Vase', 'paid', ${fake})`,
        `insert into orders values (100, '1001', 'Vase', 'b', ${fake}) on conflict (id) do update set changed_by = excluded.changed_by`,
        `merge into orders using (values (101), (17)) v (id) on orders.id = v.id
           when matched then update set changed_by = ${fake}
           when not matched then insert values (v.id, '1001', 'Mug', 'paid', ${fake})`,
        `with x as (update orders set changed_by = ${fake} where id = 18 returning *) select * from x`,
        `prepare p as update orders set changed_by = $1 where id = 18; execute p (${fake})`,
        `begin; declare c cursor for select * from orders for update; fetch c; update orders set changed_by = null where current of c; commit`,
        `do $$ begin update orders set changed_by = ${fake}; end $$`,
      ]
      await using lease = await hers.again()
      const ids =
        "select array_agg(id order by id) as ids from orders where customer = '1001' and changed_by ->> 'subject'"
      for (const statement of statements) {
        await lease.query(statement)
        const { rows } = await dba.query(`${ids} is distinct from 'alice' and changed_by ->> 'role' <> 'postgres'`)
        assert.deepEqual(rows, [{ ids: null }], statement)
      }
      const { rows } = await dba.query(`${ids} = 'alice' and changed_by ->> 'role' = $1`, [hers.role])
      assert.deepEqual(rows, [{ ids: [17, 18, 100, 101] }])
      for (const statement of [
        "insert into orders values (102, '1002', 'Vase', 'paid')",
        "update orders set customer = '1002' where id = 17",
      ]) {
        await assert.rejects(lease.query(statement), /row-level security policy/, statement)
      }
      await dba.query(`revoke insert, update on orders from ${shop.roles.desk}`)
    })

    test("with settings that its next connection begins with changes nobody's rows", async () => {
      await using lease = await hers.again()
      for (const setting of ["search_path = pg_temp", `role = ${his.role}`, `session_authorization = ${his.role}`]) {
        await lease.query(`alter role session_user set ${setting}`).catch(() => undefined)
        const next = await hers.again().catch(() => null)
        if (next !== null) {
          const { rows } = await next.query("select safeconduct.subject() as who, session_user::text as role")
          assert.deepEqual(rows, [{ who: "alice", role: hers.role }], setting)
          await next[Symbol.asyncDispose]()
        }
        await lease.query("alter role session_user reset all")
      }
    })

    test("is heard by this test wherever something comes back", async () => {
      await using dba = await shop.lab.dba()
      const ways = [
        "select item from orders",
        "copy orders to stdout",
        "do $$ begin raise notice '%', (select min(item) from orders where id = 19); end $$",
        "select item::int from orders where id = 19",
        "select * from pg_stats where tablename = 'customers'",
        "select * from pg_stat_activity",
      ]
      for (const way of ways) assert.match(await allTold(dba, [way]), new RegExp(SECRET), way)
      await dba.query("listen orders")
      assert.match(
        await allTold(dba, ["select pg_notify('orders', item) from orders where id = 19"]),
        new RegExp(SECRET),
      )
    })
  })
}

/** Fills Bob's part with what may not be told, and leaves it lying about as it would. */
async function makeItTempting({ dba, roles }: Shop, his: LabClient): Promise<void> {
  await dba.query(`
    update orders set item = '${SECRET}' where customer = '1002';
    insert into orders select n, '1002', '${SECRET} ' || n % 7, '${SECRET}' from generate_series(1000, 3000) n;
    update customers set name = '${SECRET}' where id = '1002';
    create function my_orders() returns setof orders stable security definer set search_path = pg_catalog, pg_temp
      language sql as $$ select * from public.orders where customer = safeconduct.claim('customer') $$;
    alter function my_orders() owner to ${roles.owner}`)
  await dba.query("analyze orders")
  await dba.query("analyze customers")
  await his.query(`select '${SECRET}', * from orders limit 1`)
}

/** What is Bob's, without what only tells how often it was written. */
async function rowsOf({ dba }: Shop): Promise<unknown> {
  const text = `select md5(string_agg(o::text, ',' order by id)) as digest, count(*)::int as n from orders o where customer = '1002'
    union all select md5(string_agg(c::text, ',' order by id)), count(*)::int from customers c`
  return (await dba.query(text)).rows
}

/** Everything that comes back from the statements: rows, copied lines, notices, notifications, and errors whole. */
async function allTold(client: LabClient, statements: readonly string[]): Promise<string> {
  const told: string[] = []
  const tell = (thing: object) => told.push(JSON.stringify(thing, [...Object.getOwnPropertyNames(thing)]))
  const listened = client as unknown as {
    connection: { on(event: "copyData", on: (line: { chunk: Buffer }) => void): void }
  }
  listened.connection.on("copyData", ({ chunk }) => told.push(chunk.toString()))
  client.on("notice", tell)
  client.on("notification", tell)
  for (const statement of statements) {
    const found = await client.query(statement).catch((error: Error) => error)
    if (found instanceof Error) tell(found)
    else for (const { rows } of [found].flat() as { rows: unknown[] }[]) told.push(JSON.stringify(rows))
  }
  // What was sent meanwhile is here by the next answer.
  await client.query("rollback").catch(() => undefined)
  return told.join("\n")
}
