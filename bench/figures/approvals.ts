import webPush from "web-push"
import { openApprovalRows } from "../approval-rows.ts"
import type { Figure } from "../figure.ts"
import { openBenchGround } from "../ground.ts"
import { openIssuer } from "../issuer.ts"
import { callersOf, progress, quantile, type Round, show, showSpread, spreadOf, timed } from "../measure.ts"
import { type Asked, type BenchPeople, openPeople, type Person } from "../people.ts"

const PEOPLE = 192
const WAVES = 12
const AT_ONCE = 16

/** How long it takes to ask a person and to act on what they say, beside what they think. */
export const approvals: Figure = {
  name: "approvals",
  title: "Approvals: asked, notified, approved, begun",
  what: `An agent over mutual TLS asks for a tool that users sign for (\`@ask("user")\`), for each of ${PEOPLE} users in a session of their own. People are software
passkeys that ask and answer the real pages, told by Web Push; agent, people and push service are the measuring process. Pacing, by which one person is asked five times a
minute, is set as wide as the configuration allows. *Ask to notified*: from sending POST /v1/actions until the push service has the message, for another person
each time; floors: that request's own answer, and a push of the same bytes that web-push encrypts and the measuring process sends. *Approve to …*: from sending the form with the
signature until the agent's long poll is answered (*heard*), and until POST /v1/actions with the approval has begun the action (*begun*), one at a time, and ${AT_ONCE} at the
same moment; floor: a tool that takes no approval, in the same sessions. *Approvals*: whole cycles of ask, challenge, signature, decision and use by so many callers;
floor: what that is to PostgreSQL alone (a request inserted, its decision inserted, approved, used: four commits) in tables of the same database with the same columns and indexes.`,
  async measure(pace) {
    await using ground = await openBenchGround({ policies: 1 })
    using issuer = await openIssuer("shop-client")
    const count = pace.isQuick ? 20 : PEOPLE
    progress(`approvals: ${count} people enrol and subscribe`)
    await using people = await openPeople(ground, issuer, count)
    // Whoever is at work waits for one person at a time.
    const free = [...people.all]
    const withPerson = async (work: (person: Person) => Promise<void>) => {
      const person = free.shift()!
      await work(person)
      free.push(person)
    }
    progress("approvals: one at a time")
    const alone = emptyWaits()
    const told: Told = { notified: [], answered: [], bare: [] }
    for (const person of people.all) await askAndApprove(people, person, { told, alone })
    progress(`approvals: ${AT_ONCE} at once`)
    const together = emptyWaits()
    for (let wave = 0; wave < (pace.isQuick ? 4 : WAVES); wave++) {
      const group = free.splice(0, AT_ONCE)
      await approveTogether(people, group, together)
      free.push(...group)
    }
    await using rows = await openApprovalRows(ground, AT_ONCE)
    const cycle = () => withPerson((person) => wholeCycle(people, person))
    const cycles: { callers: number; ours: Round[]; floor: Round[] }[] = []
    for (const callers of [1, AT_ONCE]) {
      progress(`approvals: whole cycles, ${callers} at once`)
      const [ours, floor]: [Round[], Round[]] = [[], []]
      await callersOf(callers, pace.seconds / 2, cycle)
      await callersOf(callers, pace.seconds / 2, rows.once)
      for (let round = 0; round < pace.rounds; round++) {
        ours.push(await callersOf(callers, pace.seconds, cycle))
        floor.push(await callersOf(callers, pace.seconds, rows.once))
      }
      cycles.push({ callers, ours, floor })
    }
    const asked = await ground.ours.query("select from approvals.requests")
    return {
      columns: ["what", "at once", "per second", "of the floor", "p50 ms", "p99 ms"],
      rows: [
        waited("ask to answered (floor)", 1, told.answered),
        waited("bare push (floor)", 1, told.bare),
        waited("ask to notified", 1, told.notified),
        ...effects(1, alone),
        ...effects(AT_ONCE, together),
        ...cycles.flatMap(({ callers, ours, floor }) => [
          perSecond("commits of an approval (floor)", callers, floor),
          perSecond("approvals, ask to use", callers, ours, floor),
        ]),
      ],
      aims: [],
      notes: [
        `Waits in the first nine rows: ${alone.begun.length} one at a time, ${together.begun.length} of ${AT_ONCE} at once.`,
        `A request is a row of ${show(rows.bytes)} bytes. ${show(asked.rowCount!)} were made by one agent within the hour, which pacing counts at each; with pacing as it comes there are 20.`,
      ],
    }
  },
}

/** Milliseconds from asking. */
type Told = { notified: number[]; answered: number[]; bare: number[] }
/** Milliseconds from deciding, and those of the floor. */
type Waits = { floor: number[]; heard: number[]; begun: number[] }

function emptyWaits(): Waits {
  return { floor: [], heard: [], begun: [] }
}

/** Asks somebody who was not asked before, and lets them approve; the floors in between. */
async function askAndApprove(people: BenchPeople, person: Person, { told, alone }: { told: Told; alone: Waits }) {
  const notified = people.notified(person)
  const beganMs = performance.now()
  const asked = await people.ask(person)
  told.answered.push(performance.now() - beganMs)
  told.notified.push((await notified) - beganMs)
  told.bare.push(await timed(barePush(people)))
  alone.floor.push(await timed(() => people.search(person)))
  // The long poll is under way for as long as challenge and signature take.
  const heard = people.decided(asked)
  await effectOf(people, { asked, heard, form: await people.sign(asked) }, alone)
}

/** Lets all of them approve at the same moment what each was asked before. */
async function approveTogether(people: BenchPeople, group: readonly Person[], waits: Waits) {
  const ready = await Promise.all(
    group.map(async (person) => {
      const asked = await people.ask(person)
      const heard = people.decided(asked)
      return { asked, heard, form: await people.sign(asked) }
    }),
  )
  await Promise.all(ready.map((each) => effectOf(people, each, waits)))
  const floors = group.map((person) => timed(() => people.search(person)))
  waits.floor.push(...(await Promise.all(floors)))
}

type Ready = { asked: Asked; heard: Promise<void>; form: { [name: string]: string } }

async function effectOf(people: BenchPeople, { asked, heard, form }: Ready, waits: Waits) {
  const beganMs = performance.now()
  const begun = async () => {
    await heard
    waits.heard.push(performance.now() - beganMs)
    await people.use(asked)
    waits.begun.push(performance.now() - beganMs)
  }
  await Promise.all([people.approve(asked, form), begun()])
}

async function wholeCycle(people: BenchPeople, person: Person): Promise<void> {
  const asked = await people.ask(person)
  await people.approve(asked, await people.sign(asked))
  await people.use(asked)
}

/** A push of the bytes that came last, to another browser, by a key of its own. */
function barePush({ push }: BenchPeople): () => Promise<void> {
  const { web_push, notification, app_badge } = push.caught.all.at(-1)!
  const payload = JSON.stringify({ web_push, notification, app_badge })
  const { endpoint, p256dh, auth } = push.subscribe()
  const vapidDetails = { subject: "mailto:operator@example.org", ...webPush.generateVAPIDKeys() }
  return async () => {
    const to = { endpoint, keys: { p256dh, auth } }
    const { headers, body } = webPush.generateRequestDetails(to, payload, { TTL: 300, urgency: "high", vapidDetails })
    const textual = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    const { status } = await fetch(endpoint, {
      method: "POST",
      headers: textual,
      body: body as Uint8Array<ArrayBuffer>,
    })
    if (status !== 201) throw new Error(`the push service answered ${status}`)
  }
}

function effects(atOnce: number, { floor, heard, begun }: Waits): string[][] {
  return [
    waited("no approval (floor)", atOnce, floor),
    waited("approve to heard", atOnce, heard),
    waited("approve to begun", atOnce, begun),
  ]
}

function waited(what: string, atOnce: number, waits: readonly number[]): string[] {
  const sorted = waits.toSorted((a, b) => a - b)
  return [what, String(atOnce), "", "", show(quantile(sorted, 0.5)), show(quantile(sorted, 0.99))]
}

function perSecond(what: string, callers: number, rounds: readonly Round[], floor = rounds): string[] {
  const of = (value: (round: Round) => number) => spreadOf(rounds.map(value))
  const ratio = spreadOf(rounds.map((round, at) => round.perSecond / floor[at]!.perSecond))
  return [
    ...[what, String(callers), showSpread(of((round) => round.perSecond))],
    floor === rounds ? "1.00" : showSpread(ratio),
    ...[show(of((round) => round.p50Ms).median), showSpread(of((round) => round.p99Ms))],
  ]
}
