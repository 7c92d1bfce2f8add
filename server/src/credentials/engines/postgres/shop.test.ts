import assert from "node:assert/strict"
import { test } from "node:test"
import { checkPrepared } from "./prepare.ts"
import { alice, bob, openShop, type Shop } from "./shop.fixture.ts"

for (const version of [15, 18] as const) {
  const title = (what: string) => `PostgreSQL ${version}: ${what}`

  test(title("a lease sees its user's rows, and no other user's; the shop itself sees all"), async () => {
    await using shop = await openShop(version)
    assert.deepEqual(await checkPrepared(shop.lab.superuserUrl, shop.spec), [])
    for (const [user, ids] of [[alice, [17, 18]] as const, [bob, [19]] as const]) {
      await using lease = await shop.lease(user)
      const { rows } = await lease.query("select id from orders order by id")
      assert.deepEqual(
        rows,
        ids.map((id) => ({ id })),
      )
      assert.equal((await lease.query("select from customers")).rowCount, 1)
    }
    await shop.dba.query(`set role ${shop.roles.web}`)
    assert.equal((await shop.dba.query("select from orders")).rowCount, 3)
  })

  test(title("an agent to which one order was handed on sees that one"), async () => {
    await using shop = await openShop(version)
    await using lease = await shop.lease({ ...alice, operation: "one-order", parameters: { order: 18 } })
    assert.deepEqual((await lease.query("select id from orders")).rows, [{ id: 18 }])
    await using none = await shop.lease({ ...alice, operation: "one-order" })
    assert.equal((await none.query("select id from orders")).rowCount, 0)
    await using others = await shop.lease({ ...alice, operation: "one-order", parameters: { order: 19 } })
    assert.equal((await others.query("select id from orders")).rowCount, 0)
  })

  test(
    title("one query tells Alice's own change from her agent's, and names user, agent, purpose, session, application"),
    async () => {
      await using shop = await openShop(version)
      await using lease = await shop.lease(alice)
      await shop.dba.query(`set session authorization ${shop.roles.web}`)
      await shop.dba.query("update orders set status = 'cancelled' where id = 17")
      await shop.dba.query("reset session authorization")
      await lease.query("update orders set status = 'cancelled'  where id = 18")
      const nobody = { user: null, agent: null, purpose: null, session: null, application: null }
      const agent = { agent: "support-bot", purpose: "order-help", session: lease.session, application: "shop-web" }
      assert.deepEqual((await shop.dba.query(shop.query)).rows, [
        { id: 17, status: "cancelled", role: shop.roles.web, ...nobody },
        { id: 18, status: "cancelled", role: lease.role, user: "alice", ...agent },
      ])
      await shop.dba.query("delete from orders where id = 17")
      const { rows } = await shop.dba.query(
        "select by ->> 'role' as role, operation, before ->> 'id' as id from history.orders",
      )
      assert.deepEqual(rows, [
        { role: shop.roles.web, operation: "UPDATE", id: "17" },
        { role: lease.role, operation: "UPDATE", id: "18" },
        { role: "postgres", operation: "DELETE", id: "17" },
      ])
    },
  )

  test(title("each function says what the lease is; a claim of several values is none"), async () => {
    await using shop = await openShop(version)
    await using lease = await shop.lease({ ...alice, parameters: { order: 17, gift: true } })
    const said = async (expression: string) =>
      (await lease.query(`select ${expression} as said`)).rows[0].said as unknown
    const expected: [expression: string, said: unknown][] = [
      ["safeconduct.subject()", "alice"],
      ["safeconduct.issuer()", "https://id.shop.example"],
      ["safeconduct.claim('customer')", "1001"],
      ["safeconduct.claim('groups')", null],
      ["safeconduct.claim('other')", null],
      ["safeconduct.claims('groups')", ["customers", "newsletter"]],
      ["safeconduct.claims('other')", null],
      ["safeconduct.parameter('order')", "17"],
      ["safeconduct.parameter('gift')", "true"],
      ["safeconduct.parameter('other')", null],
      ["safeconduct.purpose()", "order-help"],
      ["safeconduct.session()", lease.session],
      ["safeconduct.agent()", "support-bot"],
      ["safeconduct.application()", "shop-web"],
      ["safeconduct.lease() ->> 'role'", lease.role],
    ]
    for (const [expression, value] of expected) assert.deepEqual(await said(expression), value, expression)
    for (const [expression] of expected) {
      const { rows } = await shop.dba.query(`select ${expression} as said`)
      assert.deepEqual(rows, [{ said: null }], `${expression}, for the DBA`)
    }
  })

  test(title("whoever has a lease's name or OID again is nobody, and a renamed lease is too"), async () => {
    await using shop = await openShop(version)
    await using lease = await shop.lease(alice)
    const subject = async () => (await lease.query("select safeconduct.subject() as who")).rows[0].who as unknown
    const change = (column: string, value: string) =>
      shop.dba.query(`update safeconduct.leases set ${column} = ${value} where role_name = $1`, [lease.role])
    assert.equal(await subject(), "alice")
    await change("role_oid", "1")
    assert.equal(await subject(), null)
    await change("role_oid", "(select oid from pg_roles where rolname = role_name)")
    assert.equal(await subject(), "alice")
    await shop.dba.query(`alter role ${lease.role} rename to ${lease.role}_x`)
    assert.equal(await subject(), null)
    await shop.dba.query(`alter role ${lease.role}_x rename to ${lease.role}`)
    await change("ended_at", "now()")
    assert.equal(await subject(), null)
    assert.equal((await lease.query("select from orders")).rowCount, 0)
  })

  test(title("a name is bound once, and only a lease's"), async () => {
    await using shop = await openShop(version)
    await using lease = await shop.lease(alice)
    const facts = { lease: "l", session: "s", purpose: "p", agent: "a", claims: {}, parameters: {}, chain: [] }
    const bind = (role: string) => shop.dba.query("select safeconduct.bind($1, $2)", [role, facts])
    await assert.rejects(bind(lease.role), { code: "23505" })
    await assert.rejects(bind(shop.roles.web), { code: "23514" })
    await assert.rejects(bind(`sc_00000000_${"0".repeat(26)}`), /There is no role/)
  })

  test(title("a stamp that would write nowhere is an error"), async () => {
    await using shop = await openShop(version)
    for (const made of [
      "before insert or update on orders for each row execute function safeconduct.stamp('changed')",
      "before insert or update on orders for each row execute function safeconduct.stamp()",
      "after insert or update on orders for each row execute function safeconduct.stamp('changed_by')",
      "before insert or update on orders for each statement execute function safeconduct.stamp('changed_by')",
    ]) {
      await shop.dba.query(`create or replace trigger wrong ${made}`)
      await assert.rejects(shop.dba.query("update orders set status = 'x'"), /is for a trigger before each row/)
    }
  })
}

/** Each row: what the DBA got wrong, how grave that is, and what the check says of it. */
const mistakes: [mistake: (roles: Shop["roles"]) => string, level: string, what: RegExp][] = [
  [
    () => "alter table orders disable row level security",
    "warning",
    /security is off on public\.orders: a lease of \w+_desk/,
  ],
  [
    ({ desk }) => `create table notes (text text); grant insert on notes to ${desk}`,
    "warning",
    /security is off on public\.notes/,
  ],
  [
    ({ desk }) => `create materialized view sums as select count(*) from orders; grant select on sums to ${desk}`,
    "warning",
    /public\.sums cannot have row-level rules/,
  ],
  [({ desk }) => `grant truncate on orders to ${desk}`, "problem", /_desk may truncate public\.orders/],
  [({ desk }) => `grant trigger on orders to ${desk}`, "problem", /_desk may put triggers on public\.orders/],
  [
    ({ desk }) => `grant set on parameter session_replication_role to ${desk}`,
    "problem",
    /_desk may turn triggers off/,
  ],
  [
    ({ desk }) => `create policy all_of on orders to ${desk} using (true)`,
    "warning",
    /all_of on public\.orders lets leases of \w+_desk in/,
  ],
  [
    () => "create policy all_of on orders using (true)",
    "warning",
    /all_of on public\.orders lets leases of \w+_desk in/,
  ],
  [
    ({ desk }) => `create policy asked on orders to ${desk} using (customer = current_setting('app.customer', true))`,
    "problem",
    /asked on public\.orders asks a setting/,
  ],
  [
    ({ desk }) =>
      `create policy asked on orders to ${desk} using (safeconduct.claim(current_setting('app.claim')) = customer)`,
    "problem",
    /asked on public\.orders asks a setting/,
  ],
  [
    ({ desk }) => `create policy slow on orders to ${desk} using (customer = safeconduct.claim('customer'))`,
    "warning",
    /slow on public\.orders asks anew for each row/,
  ],
  [
    ({ desk, owner }) => `grant ${owner} to ${desk}`,
    "problem",
    /_desk owns public\.orders, and row-level security does not hold/,
  ],
]
for (const [mistake, level, what] of mistakes) {
  const title = mistake({ owner: "shop_owner", web: "shop_web", desk: "order_desk", parcels: "parcel_desk" })
  test(`the check finds: ${title}`, async () => {
    await using shop = await openShop(18)
    await shop.dba.query(mistake(shop.roles))
    const found = await checkPrepared(shop.lab.superuserUrl, shop.spec)
    const named = found.find((finding) => what.test(finding.what))
    assert.equal(named?.level, level, JSON.stringify(found))
  })
}

test("what holds a lease to its user's rows is not warned of", async () => {
  await using shop = await openShop(18)
  const { desk, owner } = shop.roles
  await shop.dba.query(`
    create table lines (order_id int references orders, what text);
    alter table lines enable row level security;
    grant select on lines to ${desk};
    create policy by_order on lines to ${desk} using (exists (select from orders o where o.id = order_id));
    create policy never on lines as restrictive to ${desk} using (true);
    alter table orders force row level security;
    alter table customers force row level security;
    create view mine with (security_invoker = true) as table orders;
    grant select on mine to ${desk}`)
  assert.deepEqual(await checkPrepared(shop.lab.superuserUrl, shop.spec), [])
  await shop.dba.query(`grant ${owner} to ${desk}`)
  const owned = (await checkPrepared(shop.lab.superuserUrl, shop.spec)).filter(({ what }) =>
    /does not hold its owner/.test(what),
  )
  assert.deepEqual(owned, [])
})
