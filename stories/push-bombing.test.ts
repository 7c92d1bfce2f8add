import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { openPushService, type PushService } from "./fixtures/catchers.ts"
import type { Asking } from "./fixtures/ciba-ground.ts"
import type { Phone } from "./fixtures/phones.ts"
import { openSigningGround, type SigningGround } from "./fixtures/signing-ground.ts"
import { until } from "./fixtures/until.ts"

/** Pitfall 5: an agent that is not its owner's any more asks a thousand times, wherever and as whatever it can. */
const patient = { everyMs: 100, withinMs: 120_000 }
const AT_ONCE = 16
let at: SigningGround
let service: PushService
let alice: Phone
let bob: Phone
const stack = new AsyncDisposableStack()

before(async () => {
  service = stack.use(await openPushService())
  const channels = { push: { contact: "mailto:operator@example.org", network: "loopback" }, order: ["push"] }
  // Pacing as it is shipped.
  at = stack.use(await openSigningGround({ approvals: { channels } }))
  alice = await at.phone("alice")
  bob = await at.phone("bob")
})
after(() => stack.disposeAsync())

/** What is pushed to somebody. */
async function deviceOf(person: string) {
  const { people } = at.here.rooms.approvals
  const subscription = service.subscribe()
  await at.here.rooms.audit.commit(people.subscribe((await at.userOf(person)) as `user_${string}`, subscription))
  const path = new URL(subscription.endpoint).pathname
  return () => service.caught.all.filter(({ to }) => to === path)
}

/** Three instances, at both servers, with two sessions each for Alice. */
async function hijacked(): Promise<Pick<Asking, "sdk" | "session">[]> {
  const instances = [at.one, at.two, at.one].map((server) => at.ground.enrolled("bot", server))
  const sessions = (await Promise.all(instances)).flatMap((sdk) => [sdk, sdk])
  const asking: Pick<Asking, "sdk" | "session">[] = []
  for (const sdk of sessions) asking.push({ sdk, session: await at.sessionFor("alice", sdk) })
  return asking
}

/** All of it, a few at a time. */
async function flood<T>(count: number, one: (nth: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  let next = 0
  const work = async () => {
    while (next < count) answers.push(await one(next++))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return answers
}

const rowsOf = async (table: string) => {
  const { rows } = await at.ground.ours.query(`select count(*)::int as count from approvals.${table}`)
  return Number(rows[0].count)
}
const entriesOf = async (event: string) => {
  const { rows } = await at.ground.ours.query(
    "select count(*)::int as count from audit.entries where convert_from(leaf, 'UTF8')::jsonb ->> 'event' = $1",
    [event],
  )
  return Number(rows[0].count)
}

test("pitfall 5: of 1,000 requests Alice sees a handful, is told once that the rest was refused, and stops it with one press", async () => {
  const pushed = await deviceOf("alice")
  const bots = await hijacked()
  const others = await at.asking("other", "bob")
  const kinds = ["raise-salary", "announce", "promote"]
  let done = 0
  const bombing = flood(1_000, async (nth) => {
    const tool = {
      operation: kinds[nth % kinds.length]!,
      arguments: { employee: `E-${nth}`, amount: nth },
      said: "Urgent!",
    }
    const answer = await at.act(bots[nth % bots.length]!, tool)
    done += 1
    return answer
  })
  await until("the flood", () => done > 200, patient)
  const bobs = await at.act(others)
  assert.equal(bobs.verdict, "ask", "others ask meanwhile")
  assert.ok(done < 1_000, "and are not held up until it is over")
  assert.equal((await bob.approve(bobs.approval!)).status, 303)
  assert.equal((await at.act(others, { approval: bobs.approval! })).verdict, "allow")

  const answers = await bombing
  const asked = answers.filter(({ verdict }) => verdict === "ask").length
  assert.ok(asked > 0 && asked <= 30, `${asked} were asked`)
  assert.equal(answers.filter(({ verdict }) => verdict === "deny").length, 1_000 - asked)

  // Of each kind ten at the most, on five cards a minute; then one refusal, and nothing waits.
  const { rows: waiting } = await at.ground.ours.query(
    "select from approvals.requests where state = 'requested' and agent = 'bot'",
  )
  assert.equal(waiting.length, 0)
  assert.equal(await entriesOf("approvals.refused"), kinds.length)
  assert.ok((await entriesOf("approvals.requested")) <= 31)
  const grown = { requests: await rowsOf("requests"), notices: await rowsOf("notices"), kinds: await rowsOf("kinds") }
  assert.ok(grown.requests <= 31 && grown.notices <= 60 && grown.kinds <= 4, JSON.stringify(grown))
  const { rows: told } = await at.ground.ours.query(
    "select kind, count(*)::int as count from approvals.notices where user_id = $1 group by kind order by kind",
    [await at.userOf("alice")],
  )
  const counts = Object.fromEntries(told.map(({ kind, count }) => [kind, count]))
  assert.ok(counts["asked"] <= 10 && counts["refused"] === 2, JSON.stringify(counts))
  await until("told", () => pushed().some(({ notification }) => notification.silent !== undefined), patient)
  assert.ok(pushed().length <= 6, `${pushed().length} messages`)

  const { text } = await alice.send("/approvals/history")
  const [, refused] = /href="\/approvals\/(approval_\w+)"/.exec(text)!
  assert.match((await alice.send(`/approvals/${refused}`)).text, /Refused: too many of one kind at once/)
  assert.equal((await alice.decide(await alice.card(refused!), { decision: "report" })).status, 303)
  const after = await flood(20, (nth) => at.act(bots[nth % bots.length]!))
  for (const { verdict } of after) assert.match(verdict, /agent-suspended|session-ended/)
  assert.equal(
    (await at.act(others, { arguments: { employee: "E-1", amount: 1 } })).verdict,
    "ask",
    "Bob's agent is another",
  )
})

test("pitfall 25: whoever reads along, on a lock screen or at the push service, learns neither who, nor what, nor how much", () => {
  assert.ok(service.caught.all.length > 0)
  for (const { notification, topic } of service.caught.all) {
    const text = JSON.stringify({ ...notification, navigate: "", data: "", topic })
    assert.doesNotMatch(text, /alice|bob|\bbot\b|raise|announce|promote|salary|E-\d|Urgent|amount|employee/i)
    assert.match(notification.navigate, /\/(approvals(\/approval_\w+|\/history)?|me)$/)
  }
})

test("what is done without asking, again and again, is told all of it, and rings no more than once in half a minute", async () => {
  const pushed = await deviceOf("bob")
  const own = await at.asking("other", "bob")
  const began = performance.now()
  const answers = await flood(200, (nth) => at.act(own, { operation: "hire", arguments: { employee: `E-${nth}` } }))
  assert.ok(answers.every(({ verdict }) => verdict === "allow"))
  const states = async () => {
    const { rows } = await at.ground.ours.query(
      "select state, count(*)::int as count from approvals.notices where user_id = $1 and kind = 'told' group by state",
      [await at.userOf("bob")],
    )
    return rows as { state: string; count: number }[]
  }
  await until("told", async () => (await states()).every(({ state }) => state === "told"), patient)
  assert.deepEqual(await states(), [{ state: "told", count: 200 }])
  const rings = pushed().filter(({ notification }) => notification.silent !== true).length
  assert.ok(rings <= 1 + (performance.now() - began) / 30_000, `${rings} of ${pushed().length} rang`)
})
