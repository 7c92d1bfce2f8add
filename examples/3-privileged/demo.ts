/**
 * Use case 3, told as it happens, on real parts: an HR department with a database and an OpenID provider, an agent that works for
 * Alice, who is not in any application, and a document that tells it to offboard everybody. Alice's browser and her phone are
 * played by person.ts and phone.ts; nothing else is played.
 *
 *     node --conditions=source examples/3-privileged/demo.ts
 */
import { mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Pending, SafeconductError, type Session } from "@safeconduct/sdk"
import { createLog, verifyApproval } from "@safeconduct/server/programs"
import pg from "pg"
import { type Page, plain } from "../2-personalized/person.ts"
import { detail, type Entry, heading, line, say, seconds, timed, verifyReceipts } from "../telling.ts"
import { lookUp, offboard, onboard, raiseSalary, workOn } from "./agent.ts"
import { openHr } from "./open.ts"
import { openPhone } from "./phone.ts"

const startedAt = performance.now()
const folder = mkdtempSync(join(tmpdir(), "safeconduct-demo-"))

say("Safeconduct, use case 3: an agent that may change employment, and Alice's signature under each change.")

heading("Setting up (what an operator does once)")
await using hr = await openHr({ folder, log: createLog({ level: "error" }), step: timed })

heading("In the morning, Alice delegates her HR work, and goes")
const session = await timed("Alice signs in, allows it, and closes the browser", () =>
  hr.sessionFor(hr.browser(), "alice"),
)
const phone = await timed("her phone has a passkey of hers", () =>
  openPhone(hr.webUrl, { issuer: hr.issuer, name: "alice" }),
)

heading("The agent works, and Alice is in no application")
const [chloe] = await timed(`"Who is Chloé Castro?"  →  nobody is asked`, () => lookUp(session, "Chloé Castro"))
const newcomer = { id: "E-2001", name: "Ines Herrmann", role: "Planner" }
await timed("Ines is hired  →  Alice is told, and asked nothing", () => onboard(session, newcomer))
const raised = await waits((waiting) => raiseSalary(session, chloe!.id, 52_000, waiting), "She led the big order.")
detail(`on Alice's phone: ${cardOf(raised.card)}`)
await signs(`Chloé's raise, from Alice's signature to the database`, raised)
const left = await waits((waiting) => offboard(session, "E-1030", waiting), "He retires.")
detail(`on Alice's phone: ${cardOf(left.card)}`)
await signs("one retirement, the same way", left)

heading("The agent is hijacked, with the key to one approved raise in its hand")
await goAround(session)

heading("A document says: end the employment of everybody")
await obeys(session)

heading("What happened, provably")
await prove(raised.approval)
const entries = await entriesOf(session.id)
const told = entries.filter(({ leaf }) => /^approvals\.|lease-issued/.test(leaf.event)).slice(0, 40)
await verifyReceipts(hr.operator, told, hr.logKey)
say(`\nDone in ${seconds(performance.now() - startedAt)}. Next: docs/tutorials/approving-on-the-phone.md.`)

/** Something that the agent does, which waits, the request for its approval, and the card that Alice is shown of it. */
type Waiting = { done: Promise<void>; approval: string; card: Page }

async function waits(
  work: (waiting: { onPending: (pending: Pending) => void; justification: string }) => Promise<void>,
  justification: string,
): Promise<Waiting> {
  const asked = Promise.withResolvers<Pending>()
  const began = performance.now()
  const done = work({ justification, onPending: asked.resolve })
  // It waits, or it failed.
  const pending = await Promise.race([asked.promise, done])
  if (pending === undefined) throw new Error("this was done without Alice")
  const card = await phone.card()
  line(performance.now() - began, "the agent asks, and waits; it is on Alice's phone")
  return { done, approval: pending.id, card }
}

async function signs(what: string, { done, card }: Waiting): Promise<void> {
  await timed(what, async () => {
    await phone.sign(card)
    await done
  })
}

/** What is on the card: from what would be done to what the agent says. */
function cardOf({ html }: Page): string {
  const [main = html] = /<main\b[\s\S]*<\/main>/.exec(html) ?? []
  return plain(main).split(" Everything The action")[0]!
}

/** Everything that it could do with the key itself. Each line would throw if it came through. */
async function goAround(of: Session): Promise<void> {
  const asked = { operation: "raise-salary", arguments: { employee: "E-1040", euros: 48_000 }, wait: true }
  const pending = Promise.withResolvers<Pending>()
  const leasing = of.lease("hr", { ...asked, onPending: pending.resolve })
  await Promise.race([pending.promise, leasing])
  await phone.sign(await phone.card())
  await using lease = await leasing
  const client = new pg.Client(lease.settings)
  client.on("error", () => undefined)
  await client.connect()
  const before = await payroll()
  const tries = [
    "update salaries set euros = 480000 where employee = 'E-1040'",
    "update salaries set euros = 48000 where employee = 'E-1041'",
    "update salaries set euros = euros * 2",
    "set session_replication_role = replica",
    "update safeconduct.approvals set arguments = '{}'",
    "set role hr_owner",
  ]
  for (const sql of tries) await attempt(client, sql)
  if ((await payroll()) !== before) throw new Error("a salary was changed that nobody approved")
  await timed("update salaries set euros = 48000 where employee = 'E-1040'  →  done, as it was approved", () =>
    client.query("update salaries set euros = 48000 where employee = 'E-1040'"),
  )
  await attempt(client, "update salaries set euros = 48000 where employee = 'E-1040'")
  await client.end()
}

async function attempt(client: pg.Client, sql: string): Promise<void> {
  const began = performance.now()
  const refused = await client.query(sql).then(
    () => null,
    (error: Error & { code?: string }) => error,
  )
  if (refused === null) throw new Error(`this came through: ${sql}`)
  line(performance.now() - began, `${sql}  →  ${refused.message} (${refused.code})`)
}

async function payroll(): Promise<string> {
  return (await hr.owner.query<{ sum: string }>("select sum(euros)::text as sum from salaries")).rows[0]!.sum
}

/** It reads the document, and does what that says, 413 times at once. */
async function obeys(of: Session): Promise<void> {
  const open = await of.lease("hr", { operation: "look-up" })
  const client = new pg.Client(open.settings)
  client.on("error", () => undefined)
  await client.connect()
  const cut = new Promise<number>((resolve) => client.once("end", () => resolve(performance.now())))
  const document = readFileSync(new URL("./documents/handover.txt", import.meta.url), "utf8")
  const outcomes = await timed("the agent reads it, and asks to offboard everybody, all at once", () =>
    workOn(of, document, { justification: "No confirmation is needed." }),
  )
  const came = outcomes.filter(({ status }) => status === "fulfilled").length
  const events = (await entriesOf(of.id)).map(({ leaf }) => leaf.event)
  const refusals = events.filter((event) => event === "approvals.refused").length
  const cards = events.filter((event) => event === "approvals.withdrawn").length
  detail(
    `${outcomes.length} requests: ${came} done, ${refusals} refusal of them all; the ${cards} that were on Alice's phone by then are gone`,
  )
  const { rows } = await hr.owner.query<{ left: number }>(
    "select count(*)::int as left from employees where status = 'left'",
  )
  if (came > 0 || rows[0]!.left !== 1) throw new Error("somebody was offboarded whom nobody approved")
  const page = await phone.latest()
  detail(`on Alice's phone: ${cardOf(page).slice(0, 200)}…`)
  const pressedAt = performance.now()
  await timed("Alice: this is not what I asked for. Deny and report", () => phone.report(page))
  line((await cut) - pressedAt, "after she pressed the button, the agent's last connection was closed")
  const again = await lookUp(of, "Ada").then(
    () => null,
    (error: unknown) => error,
  )
  if (!(again instanceof SafeconductError)) throw new Error("the agent goes on", { cause: again })
  detail(`the agent, once more: ${again.message}`)
}

/** Proves one of the approvals with the log's public key and nothing else, and tries with one digit changed. */
async function prove(approval: string): Promise<void> {
  const { bytes } = await hr.operator.send({ method: "GET", path: `/v1/approvals/${approval}/evidence` })
  const text = bytes.toString("utf8")
  const { agreed, asked, action, used } = await timed("Chloé's raise, verified offline with the public key alone", () =>
    verifyApproval(text, [hr.logKey]),
  )
  const [alice] = agreed
  const [headline] = alice!.card
  detail(`she saw "${headline!.text}", and signed it with her ${alice!.way}: ${JSON.stringify(action.arguments)},`)
  detail(`for ${asked.agent.name}, which got ${used!.leases.join()} for it; ${used!.outcome}`)
  const changed = text.replace("52000", "62000")
  if (changed === text) throw new Error("there is no amount in it")
  const refused = await verifyApproval(changed, [hr.logKey]).then(
    () => null,
    (error: Error) => error,
  )
  if (refused === null) throw new Error("another amount is proven")
  detail(`with one digit changed: ${refused.message}`)
}

async function entriesOf(id: string): Promise<Entry[]> {
  const all: Entry[] = []
  for (let from = 0; ; ) {
    const path = `/v1/audit/entries?session=${id}&from=${from}&limit=100`
    const { entries: page } = await hr.operator.json<{ entries: Entry[] }>({ method: "GET", path })
    if (page.length === 0) return all
    all.push(...page)
    from = page.at(-1)!.index + 1
  }
}
