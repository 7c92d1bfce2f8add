import type { Audit, Change, Draft } from "#audit"
import type { Clock, Database, Id, Json, Log } from "#kernel"
import type { Channels, Delivery, Message } from "../channels/index.ts"
import { type KnownContact, type People, quietUntil } from "../people/index.ts"
import { findRequest } from "../store.ts"
import { messageFor } from "./message.ts"
import { type Plan, plan } from "./plan.ts"
import * as store from "./store.ts"

/** What telling people stands on. */
export type NoticesParts = {
  database: Database
  audit: Audit
  channels: Channels
  people: People
  /** Our own, which links begin with. */
  issuer: string
  clock: Clock
  log: Log
}

/** What came of a turn outside: a message by each contact of one channel, and the deployment's own program. */
type Told = {
  message: { delivery: Delivery; gone: Id<"contact">[] } | null
  hook: { ids: string[]; delivery: Delivery } | null
}

/** Tells the claimed person what is due: one message at the most, then its mark. */
export async function takeTurn(parts: NoticesParts, claim: store.Claim): Promise<void> {
  const { channels, people } = parts
  const { quietHours, contacts } = await people.reach(claim.user)
  const usable = contacts.filter(
    ({ isVerified, contact }) => isVerified && channels.find(contact.kind)?.canReach(contact) === true,
  )
  const quiet = quietHours === null ? null : quietUntil(quietHours, claim.nowMs)
  const planned = plan({
    ...claim,
    quietUntilMs: quiet?.getTime() ?? null,
    order: channels.order().map((kind) => (usable.some(({ contact }) => contact.kind === kind) ? kind : null)),
  })
  const told = await tell(parts, claim, planned, usable)
  // A crash here leaves a message without its mark. The claim lapses and the message goes out again, with the same id: a person
  // may be told twice, and is never told of nothing.
  const standIns = await standInsFor(parts, claim, planned)
  const done = settling(parts, { claim, planned, told, standIns, isQuiet: quiet !== null })
  await parts.audit.commit(done)
}

async function tell(
  parts: NoticesParts,
  claim: store.Claim,
  { message }: Plan,
  contacts: readonly KnownContact[],
): Promise<Told> {
  const noticesOf = (ids: readonly string[]) => claim.notices.filter(({ id }) => ids.includes(id))
  const by = async (): Promise<Told["message"]> => {
    if (message === null) return null
    const carried = messageFor({ ...parts, ...claim }, noticesOf(message.ids), message)
    return await tellByAll(
      parts.channels,
      carried,
      contacts.filter(({ contact }) => contact.kind === message.channel),
    )
  }
  const hook = async (): Promise<Told["hook"]> => {
    const fresh = claim.notices.filter((each) => each.isDue && !each.isOver && !each.isHooked)
    if (parts.channels.find("webhook") === null || fresh.length === 0) return null
    const carried = messageFor({ ...parts, ...claim }, fresh, { isSilent: false, count: fresh.length })
    return {
      ids: fresh.map(({ id }) => id),
      delivery: await parts.channels.deliver(carried, { kind: "webhook", user: claim.user }),
    }
  }
  const [told, hooked] = await Promise.all([by(), hook()])
  return { message: told, hook: hooked }
}

/** To every device, address or number of one kind; one of them is enough. */
async function tellByAll(channels: Channels, message: Message, contacts: readonly KnownContact[]) {
  const all = await Promise.all(
    contacts.map(async ({ id, contact }) => ({ id, delivery: await channels.deliver(message, contact) })),
  )
  const isGone = ({ delivery }: { delivery: Delivery }) =>
    delivery.outcome === "undelivered" && delivery.reason === "gone"
  const best =
    all.find(({ delivery }) => delivery.outcome === "delivered") ?? all.find((each) => !isGone(each)) ?? all[0]!
  return { delivery: best.delivery, gone: all.filter(isGone).map(({ id }) => id) }
}

type StandInNotice = { user: Id<"user">; approval: Id<"approval">; expiresAt: Date; isCritical: boolean }

/** Whoever stands in for the person in what is passed on. The person whom it is done for is nobody's second. */
async function standInsFor({ database, people }: NoticesParts, claim: store.Claim, { passOn }: Plan) {
  const notices = claim.notices.filter(({ id, approval }) => passOn.includes(id) && approval !== null)
  const found = await Promise.all(
    notices.map(async ({ approval, isCritical }): Promise<StandInNotice[]> => {
      const request = await findRequest(database, approval!)
      if (request === null || !request.isOpen) return []
      const groups = request.requirements.filter(({ members }) => members !== null).map(({ of }) => of)
      const others = (await people.standIns.of(claim.user, groups)).filter((user) => user !== request.user)
      const { expiresAt } = request
      return [...new Set(others)].map((user) => ({ user, approval: approval!, expiresAt, isCritical }))
    }),
  )
  return found.flat()
}

type Turn = { claim: store.Claim; planned: Plan; told: Told; standIns: StandInNotice[]; isQuiet: boolean }

/** Writes what became of a turn, where the claim still stands; what was carried is recorded in any case. */
function settling(parts: NoticesParts, turn: Turn): Change<{ isOurs: boolean; forgotten: (string | null)[] }> {
  const { claim, told, standIns } = turn
  const gone = (told.message?.gone ?? []).map((id) => parts.people.gone(claim.user, id))
  return {
    async work(tx) {
      const isOurs = await store.holdClaim(tx, claim)
      const forgotten: (string | null)[] = []
      for (const each of gone) forgotten.push(await each.work!(tx))
      for (const attempt of attemptsOf(turn)) await store.insertAttempt(tx, attempt)
      if (!isOurs) return { isOurs, forgotten }
      for (const outcome of outcomesOf(parts, turn)) await store.writeOutcome(tx, outcome)
      for (const { user, ...about } of standIns) {
        await store.insertNotice(tx, { user, kind: "asked", standsInFor: claim.user, ...about })
      }
      await store.releaseClaim(tx, claim, soundOf(turn))
      return { isOurs, forgotten }
    },
    entries: ({ isOurs, forgotten }) => [
      ...draftsOf(turn, isOurs),
      ...gone.flatMap((each, nth) => each.entries(forgotten[nth] ?? null)),
    ],
  }
}

/** What of a turn made a sound. */
function soundOf({ claim, planned: { message }, told }: Turn): "asked" | "told" | null {
  if (message === null || message.isSilent || told.message?.delivery.outcome !== "delivered") return null
  return isAsked(claim, message.ids) ? "asked" : "told"
}

function isAsked({ notices }: store.Claim, ids: readonly string[]): boolean {
  return notices.some(({ id, kind }) => kind === "asked" && ids.includes(id))
}

/** What the person hears by every channel. */
function isForAll({ notices }: store.Claim, of: string): boolean {
  return notices.some(({ id, kind, isCritical }) => id === of && kind !== "asked" && isCritical)
}

function attemptsOf({ planned: { message }, told }: Turn): store.Attempt[] {
  const attempts: store.Attempt[] = []
  if (message !== null && told.message !== null) {
    attempts.push({ ids: message.ids, channel: message.channel, delivery: told.message.delivery })
  }
  if (told.hook !== null) attempts.push({ ...told.hook, channel: "webhook" })
  return attempts
}

function outcomesOf({ channels }: NoticesParts, { claim, planned, told }: Turn): store.Outcome[] {
  const { over, hold, message, passOn } = planned
  const outcomes: store.Outcome[] = [
    { ids: over, state: "over" },
    ...hold.map(({ ids, untilMs }) => ({
      ids,
      state: "waiting" as const,
      dueInMs: Math.max(untilMs - claim.nowMs, 0),
    })),
  ]
  if (message !== null && told.message !== null) {
    const isDelivered = told.message.delivery.outcome === "delivered"
    const of = { step: message.step + 1, isDelivered }
    const forAll = message.ids.filter((id) => isForAll(claim, id))
    const others = message.ids.filter((id) => !forAll.includes(id))
    const state = isDelivered && !isAsked(claim, others) ? "told" : "waiting"
    outcomes.push({ ...of, ids: others, state, dueInMs: isDelivered ? channels.fallbackMs() : 0 })
    outcomes.push({ ...of, ids: forAll, state: "waiting", dueInMs: 0 })
  }
  outcomes.push(...passedOn(claim, passOn, hold))
  outcomes.push({ ids: unheard({ claim, planned, told }), state: "unreachable" })
  outcomes.push({ ids: planned.unreachable, state: "told" })
  return outcomes
}

/** The mark that they were passed on, without another time than they have. */
function passedOn(claim: store.Claim, ids: readonly string[], hold: Plan["hold"]): store.Outcome[] {
  return ids.map((id) => {
    const untilMs = hold.find((each) => each.ids.includes(id))?.untilMs ?? claim.nowMs
    return { ids: [id], state: "waiting", dueInMs: Math.max(untilMs - claim.nowMs, 0), isPassedOn: true }
  })
}

/** Those that nobody heard of, not the deployment's own program either. */
function unheard({ claim, planned, told }: Pick<Turn, "claim" | "planned" | "told">): string[] {
  const heard: string[] = claim.notices.flatMap(({ id, isDelivered }) => (isDelivered ? [id] : []))
  const hooked = told.hook?.delivery.outcome === "delivered" ? told.hook.ids : []
  return planned.unreachable.filter((id) => !hooked.includes(id) && !heard.includes(id))
}

function draftsOf(turn: Turn, isOurs: boolean): Draft[] {
  const { claim, planned, told, isQuiet } = turn
  const about = (event: string, data: { [name: string]: Json }): Draft => {
    return { event, by: "server", user: claim.user, data }
  }
  const drafts: Draft[] = []
  const { message } = planned
  if (message !== null && told.message?.delivery.outcome === "delivered") {
    const { ids, channel, isSilent } = message
    drafts.push(about("approvals.notified", { notices: ids, channel, isSilent }))
  }
  if (told.hook?.delivery.outcome === "delivered") {
    drafts.push(about("approvals.notified", { notices: told.hook.ids, channel: "webhook", isSilent: false }))
  }
  const lost = isOurs ? unheard(turn) : []
  if (lost.length > 0) {
    drafts.push(about("approvals.unreachable", { notices: lost, reason: isQuiet ? "quiet-hours" : "undelivered" }))
  }
  return drafts
}
