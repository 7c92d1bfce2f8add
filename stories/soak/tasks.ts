import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { type Lease, type Safeconduct, SafeconductError, type Session } from "@safeconduct/sdk"
import type { AgentOrder } from "./agent.ts"
import { type Ask, askAt, type Leased, type Opened } from "./ask.ts"
import { type Connected, open, refusesLogin } from "./connection.ts"
import { purposeNames } from "./document.ts"
import type { Seen } from "./observations.ts"
import type { Chance } from "./random.ts"

/** What a task works with. */
export type Desk = {
  safeconduct: Safeconduct
  order: AgentOrder
  chance: Chance
  write: (seen: Seen) => void
  pace: () => Promise<void>
}

/** How long a connection may outlive the answer that says it is cut: until the end reaches this busy process. */
const NOTICE_MS = 3_000
const LAST_MS = 2_000
const SEARCH = { type: "tool", operation: "search" } as const

/** By turns, by chance. Errand comes oftener, because it is what agents do. */
export const tasks: readonly ((desk: Desk) => Promise<void>)[] = [errand, errand, errand, talk, twins, abandon, greed]

/** A session by the SDK, with leases that renew themselves, connections at work, and one of several ends. */
async function errand(desk: Desk): Promise<void> {
  const { safeconduct, chance, write, pace, order } = desk
  await pace()
  const session = await safeconduct.open({ purpose: chance.pick(purposeNames) })
  const held: { lease: Lease; connected: Connected | null }[] = []
  let isEnded = false
  try {
    write({ kind: "token", session: session.id, jti: jtiOf(await session.token()) })
    for (let count = chance.between(1, 2); count > 0; count--) {
      await pace()
      const lease = await session.lease(chance.pick(order.resources), { operation: "read" })
      write({ kind: "leased", session: session.id, lease: lease.id, role: lease.settings.user })
      held.push({ lease, connected: await open(lease.settings).catch(() => null) })
    }
    await decide(desk, session)
    await delay(chance.between(0, 6_000))
    if (chance.next() < 0.3) {
      await pace()
      write({ kind: "token", session: session.id, jti: jtiOf(await session.token()) })
    }
    if (chance.next() < 0.4) await giveBack(desk, held[0]!.lease)
    // Some forget to end: the session lapses or reaches its hard end, and everything of it goes.
    if (chance.next() < 0.2) await untilOver(session)
  } finally {
    await pace()
    // In its last second no token fits into what is left, to end it with; then its time does, and the SDK calls it over.
    const wasOpen = !session.signal.aborted && session.expiresAt.getTime() - Date.now() > LAST_MS
    await session.end().then(
      () => {
        isEnded = wasOpen
        write({ kind: "ended", session: session.id })
      },
      (error: SafeconductError) => write({ kind: "refused", call: "end", code: error.code }),
    )
    await Promise.all(held.map(({ connected }) => connected?.close()))
  }
  if (isEnded && chance.next() < 0.3) await tryAfterEnd(desk, session.id)
}

/** Actions that are allowed, some of them, and denied; their outcomes are told, mostly, and never twice. */
async function decide({ write, pace, chance, order }: Desk, session: Session): Promise<void> {
  for (let count = chance.between(1, 4); count > 0; count--) {
    const operation = chance.next() < 0.7 ? "search" : "drop"
    await pace()
    const decision = await session.act({ type: "tool", operation, resource: chance.pick(order.resources) })
    const { entry, verdict } = decision
    write({ kind: "decided", session: session.id, entry, verdict, operation })
    if (verdict !== "allow" || chance.next() < 0.1) continue
    const outcome = chance.next() < 0.8 ? "succeeded" : "failed"
    await pace()
    await session.outcome({ entry }, outcome)
    write({ kind: "outcome", entry, outcome })
    if (chance.next() > 0.1) continue
    await pace()
    await refused(write, "a second outcome", session.outcome({ entry }, "failed"))
  }
}

async function giveBack({ write, pace }: Desk, lease: Lease): Promise<void> {
  await pace()
  // One that was over before is not given back by us.
  if (lease.signal.aborted) return
  await lease.revoke()
  // The SDK does not say whether it is cut already, or still being tried; the checker looks.
  write({ kind: "returned", lease: lease.id, isCut: false })
}

/** Talks to both servers in turn, without the SDK's keeping: what one did, the other knows. */
async function talk(desk: Desk): Promise<void> {
  const { write, pace, chance, order } = desk
  using here = askAt(desk, chance.between(0, 1))
  using there = askAt(desk, chance.between(0, 1))
  const session = await opened(desk, here, "errand")
  for (let count = chance.between(2, 6); count > 0; count--) {
    const ask = chance.pick([here, there])
    await pace()
    const decision = await ask.act(session, { ...SEARCH, resource: chance.pick(order.resources) }, randomUUID())
    const { entry, verdict } = decision
    write({ kind: "decided", session, entry, verdict, operation: SEARCH.operation })
    if (chance.next() < 0.5) {
      await pace()
      write({ kind: "token", session, jti: jtiOf(await ask.token(session)) })
    }
    if (verdict !== "allow") continue
    await pace()
    await ask.call("POST", `/v1/actions/${entry}/outcome`, { outcome: "succeeded" })
    write({ kind: "outcome", entry, outcome: "succeeded" })
  }
  await end(desk, there, session)
}

/** One Idempotency-Key at both servers at once, and again later, is one lease; given back at one, it is over at the other. */
async function twins(desk: Desk): Promise<void> {
  const { write, pace, chance, order } = desk
  using one = askAt(desk, 0)
  using two = askAt(desk, 1)
  const session = await opened(desk, chance.pick([one, two]), "idle")
  const key = randomUUID()
  const action = { type: "credential", operation: "read", resource: chance.pick(order.resources) } as const
  const take = async (ask: Ask) => {
    await pace()
    const answer = await ask.act<Leased>(session, action, key)
    const { entry, lease, credential } = answer
    write({ kind: "decided", session, entry, verdict: answer.verdict, operation: "read" })
    if (lease === undefined || credential === undefined) return null
    write({ kind: "leased", session, lease: lease.id, role: credential.user, key, entry })
    return { lease, credential }
  }
  const answers = await Promise.allSettled([take(one), take(two), take(one)])
  const given = answers.flatMap((each) => (each.status === "fulfilled" && each.value !== null ? [each.value] : []))
  for (const each of answers) if (each.status === "rejected") noteRefusal(write, "twins", each.reason)
  const [first] = given
  if (first === undefined) return await end(desk, two, session)
  if (given.some(({ credential }) => credential.password !== first.credential.password)) {
    write({ kind: "wrong", what: `one Idempotency-Key gave two passwords in ${session}` })
  }
  const connected = await open({ ...first.credential, ssl: false }).catch(() => null)
  await pace()
  const cut = await two.call<{ isCut: boolean }>("DELETE", `/v1/credentials/leases/${first.lease.id}`)
  write({ kind: "returned", lease: first.lease.id, isCut: cut.isCut })
  if (cut.isCut) {
    if (connected !== null) await mustClose(write, connected, `lease ${first.lease.id} was cut`)
    if (!(await refusesLogin({ ...first.credential, ssl: false }))) {
      write({ kind: "wrong", what: `lease ${first.lease.id} was cut, and still lets us in` })
    }
  }
  await connected?.close()
  await end(desk, one, session)
}

/** A short session that nobody ends: its time does, with the connection that is at work. */
async function abandon(desk: Desk): Promise<void> {
  const { write, pace, chance, order } = desk
  using ask = askAt(desk, chance.between(0, 1))
  const session = await opened(desk, ask, "brief", { lifetimeSeconds: chance.between(1, 4) })
  await pace()
  const action = { type: "credential", operation: "read", resource: chance.pick(order.resources) } as const
  const { entry, verdict, lease, credential } = await ask.act<Leased>(session, action, randomUUID())
  write({ kind: "decided", session, entry, verdict, operation: "read" })
  if (lease === undefined || credential === undefined) return
  write({ kind: "leased", session, lease: lease.id, role: credential.user, entry })
  const connected = await open({ ...credential, ssl: false }).catch(() => null)
  // The checker sees when it goes; whoever is in trouble may be later than this, and is no worse for our leaving.
  await Promise.race([connected?.lost, delay(15_000, undefined, { ref: false })])
  await connected?.close()
}

/** Asks for more leases than a session may have, all at once. */
async function greed(desk: Desk): Promise<void> {
  const { write, pace, chance, order } = desk
  using one = askAt(desk, 0)
  using two = askAt(desk, 1)
  const session = await opened(desk, one, "errand")
  const resource = chance.pick(order.resources)
  const asked = Array.from({ length: order.leasesPerSession + 2 }, async (_, nth) => {
    await pace()
    const operation = nth === 0 ? "edit" : "read"
    const action = { type: "credential", operation, resource } as const
    const ask = nth % 2 === 0 ? one : two
    const { entry, verdict, lease, credential } = await ask.act<Leased>(session, action, randomUUID())
    write({ kind: "decided", session, entry, verdict, operation })
    if (lease && credential) write({ kind: "leased", session, lease: lease.id, role: credential.user, entry })
  })
  for (const each of await Promise.allSettled(asked)) {
    if (each.status === "rejected") noteRefusal(write, "greed", each.reason)
  }
  await end(desk, two, session)
}

async function opened({ write, pace }: Desk, ask: Ask, purpose: string, shorter: object = {}): Promise<string> {
  await pace()
  const { session, accessToken } = await ask.call<Opened>("POST", "/v1/sessions", { purpose, ...shorter })
  write({ kind: "token", session: session.id, jti: jtiOf(accessToken) })
  return session.id
}

async function end(desk: Desk, ask: Ask, session: string): Promise<void> {
  await desk.pace()
  await ask.call("DELETE", `/v1/sessions/${session}`)
  desk.write({ kind: "ended", session })
}

/** Nothing is given to a session that its end was confirmed of, at either server. */
async function tryAfterEnd(desk: Desk, id: string): Promise<void> {
  using ask = askAt(desk, desk.chance.between(0, 1))
  await desk.pace()
  await refused(
    desk.write,
    `an action in ${id}, which is over,`,
    ask.act(id, { ...SEARCH, resource: "old" }, randomUUID()),
  )
}

async function refused(write: Desk["write"], what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
    write({ kind: "wrong", what: `${what} was taken` })
  } catch (error) {
    if (!(error instanceof SafeconductError)) throw error
  }
}

async function mustClose(write: Desk["write"], connected: Connected, why: string): Promise<void> {
  const late = delay(NOTICE_MS, "late" as const, { ref: false })
  if ((await Promise.race([connected.lost, late])) !== "late") return
  // A stalled process hears of it late; asking tells.
  if (await connected.isAlive()) write({ kind: "wrong", what: `${why}, and its connection is alive` })
}

async function untilOver({ signal }: Session): Promise<void> {
  if (signal.aborted) return
  const over = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
  await Promise.race([over, delay(45_000, undefined, { ref: false })])
}

function noteRefusal(write: Desk["write"], call: string, error: unknown): void {
  if (!(error instanceof SafeconductError)) throw error
  write({ kind: "refused", call, code: error.code })
}

function jtiOf(token: string): string {
  return (JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as { jti: string }).jti
}
