import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { checkPrepared } from "@safeconduct/server/programs"
import pg from "pg"
import { ORDER_HISTORY, type OrderEdit } from "../../examples/2-personalized/history.ts"
import { openPerson, plain } from "../../examples/2-personalized/person.ts"
import { prepareSpec } from "../../examples/2-personalized/shop.ts"
import { openShopHouse, type ShopHouse } from "./house.ts"

type Leaf = {
  event: string
  by: string
  user?: string
  purpose?: string
  application?: string
  agent?: { name: string }
  data?: { lease?: string; role?: string }
}
type Told = {
  id: string
  user: { id: string; iss: string; sub: string }
  agent: string
  purpose: string
  application: string
}

let house: ShopHouse
before(async () => {
  house = await openShopHouse()
})
after(() => house?.[Symbol.asyncDispose]())

test("Alice edits one order by hand and her agent another: the resource tells them apart, and the record says the same", async () => {
  const { shop, operator, owner } = house
  const alice = openPerson()
  const page = await alice.press(await alice.visit(`${shop.siteUrl}/sign-in`), "person=alice")
  const edited = await alice.press(page, "Change the note of 7003", { words: "By hand" })
  assert.match(plain(edited.html), /7003 Hammock: By hand/)
  const words = { words: "Please leave it with Mr Grey" }
  const consent = await alice.press(edited, "Ask about 7001", words)
  assert.match(plain((await alice.press(consent, "Allow")).html), /Done: the courier will leave it with Mr Grey/)

  const { rows } = await owner.query<OrderEdit>(ORDER_HISTORY)
  const [byHand, byAgent] = rows as [OrderEdit, OrderEdit]
  assert.equal(rows.length, 2)
  assert.deepEqual(byHand, {
    ...{ order: 7003, note: "By hand", who: "by hand", for: "alice", through: "shop_web" },
    ...{ issuer: null, purpose: null, session: null },
  })
  const { session, ...said } = byAgent
  assert.deepEqual(said, {
    ...{ order: 7001, note: "with Mr Grey", who: "support-bot", for: "alice", through: "shop-web" },
    ...{ issuer: shop.issuer, purpose: "order-help" },
  })

  // Our record, asked by the session that the row names.
  const told = await operator.json<Told>({ method: "GET", path: `/v1/sessions/${session}` })
  assert.deepEqual(
    [told.agent, told.user.sub, told.user.iss, told.purpose, told.application],
    [byAgent.who, byAgent.for, byAgent.issuer, byAgent.purpose, byAgent.through],
  )
  const path = `/v1/audit/entries?session=${session}&limit=100`
  const { entries } = await operator.json<{ entries: { leaf: Leaf }[] }>({ method: "GET", path })
  const leaves = entries.map(({ leaf }) => leaf)
  for (const { event, user, purpose, application, agent } of leaves) {
    assert.deepEqual([user, purpose, application], [told.user.id, "order-help", "shop-web"], event)
    if (agent !== undefined) assert.equal(agent.name, "support-bot", event)
  }
  // And by the lease: the role that the row's own stamp names is the one that the entry of its making does.
  const [stamp] = (
    await owner.query<{ role: string; lease: string }>(
      "select by ->> 'role' as role, by ->> 'lease' as lease from history.order_edits where order_id = 7001",
    )
  ).rows
  const issued = leaves.find(({ event }) => event === "credentials.lease-issued")
  assert.equal(issued?.data?.lease, stamp!.lease)
  assert.equal(issued?.data?.role, stamp!.role)
})

test("a bot that says that it is the web site, or somebody else, is noted as what it is", async () => {
  const { shop, owner } = house
  const session = await shop.sessionFor("bob", shop.agents.support, { request: "Leave it", order: "7002" })
  const lease = await session.lease("shop", { operation: "write", arguments: { order: "7002" } })
  const client = new pg.Client(lease.settings)
  await client.connect()
  await client.query("set shop.person = 'alice'")
  await client.query("update orders set delivery_note = 'Forged' where id = 7002")
  await client.end()
  await session.end()
  const { rows } = await owner.query<OrderEdit>(ORDER_HISTORY)
  const { who, for: whom, through } = rows.at(-1)!
  assert.deepEqual([who, whom, through], ["support-bot", "bob", "shop-web"])
  assert.equal(
    (await owner.query("select from history.order_edits where order_id = 7002 and person is not null")).rowCount,
    0,
  )
})

test("the shop's database is as Safeconduct would have it", async () => {
  const { host, port, user, password, database } = house.owner
  const url = new URL(`postgres://${host}:${port}/${database}`)
  url.username = user ?? ""
  url.password = String(password)
  assert.deepEqual(await checkPrepared(url.href, prepareSpec), [])
})
