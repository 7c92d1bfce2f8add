import type { Transaction } from "#kernel"
import type { ApprovalsPart } from "../part.ts"
import type { Approval, NewRequest } from "../request.ts"
import * as store from "./store.ts"

/**
 * Why nobody is asked. `cooling-off`: people denied the like, or nobody answered · `bulk-refused`: so many of one kind are one
 * refusal · `asked-too-often`: the agent, or whoever it would ask, has had enough for now.
 */
export type Refused = {
  code: "cooling-off" | "bulk-refused" | "asked-too-often"
  /** For the agent, and whoever operates it. */
  words: string
  retryAfterSeconds: number
}

/** The kind of a request. */
export function kindOf({ agent, user, action }: Pick<NewRequest, "agent" | "user" | "action">): store.Kind {
  return { agent, user, resource: action.resource, operation: action.operation }
}

/**
 * Whether the request is made at all, in the transaction that would make it; null when it is. It counts as asked for whatever
 * comes of it. Transactions that change anything come one after another (audit's head), so that two servers count together.
 */
export async function paceKind(tx: Transaction, { pacing }: ApprovalsPart, asked: NewRequest): Promise<Refused | null> {
  const kind = kindOf(asked)
  const cooling = await store.coolingOf(tx, kind)
  if (cooling !== null) return cooled(cooling)
  const count = await store.countAsked(tx, kind, pacing.bulk + 1)
  if (count <= pacing.bulk) return null
  await store.coolOff(tx, kind, pacing.coolOffSeconds, true)
  return {
    code: "bulk-refused",
    words: `More than ${pacing.bulk} requests of one kind within ten minutes are refused together. Nobody is asked again for now.`,
    retryAfterSeconds: pacing.coolOffSeconds,
  }
}

/**
 * Whether one more card may be made: of the agent's, and for everybody whom it takes. Null when it may. What an agent asks of one
 * user counts for nobody else: or whoever uses it for themselves would keep it from asking anybody.
 */
export async function paceCard(tx: Transaction, { pacing }: ApprovalsPart, asked: NewRequest): Promise<Refused | null> {
  for (const { of, members } of asked.requirements) {
    const whom = members === null ? { user: asked.user } : { group: of }
    const { cards, seconds } = await store.cardsOfAgent(tx, asked.agent, whom)
    if (cards < pacing.perAgentPerHour) continue
    return tooOften(`This agent has asked them ${cards} times within the last hour.`, seconds)
  }
  const most = pacing.perPersonPerMinute
  for (const { members, required } of asked.requirements) {
    const counts =
      members === null ? [await store.cardsOfUser(tx, asked.user ?? "")] : await store.cardsOfMembers(tx, members)
    const free = counts.filter((count) => count < most).length
    if (free < required)
      return tooOften("Those who could approve this were asked too often within the last minute.", 60)
  }
  return null
}

/** After somebody said no, or nobody said anything: enough of that, and the kind cools off. */
export async function noteDenied(
  tx: Transaction,
  { pacing }: ApprovalsPart,
  approval: Pick<Approval, "agent" | "user" | "action">,
): Promise<void> {
  const { agent, user, action } = approval
  if (action === null) return
  const kind = kindOf({ agent, user, action })
  if ((await store.denialsOf(tx, kind, pacing.denialWindowSeconds)) < pacing.denialsToCoolOff) return
  await store.coolOff(tx, kind, pacing.coolOffSeconds, false)
}

function cooled({ seconds, isBulk }: { seconds: number; isBulk: boolean }): Refused {
  const why = isBulk
    ? "So many were asked for at once that all were refused"
    : "The like was denied, or left unanswered"
  return {
    code: "cooling-off",
    words: `${why}: nobody is asked again for ${seconds} seconds.`,
    retryAfterSeconds: Math.max(1, seconds),
  }
}

function tooOften(why: string, seconds: number): Refused {
  const retryAfterSeconds = Math.max(1, seconds)
  return { code: "asked-too-often", words: `${why} Try again in ${retryAfterSeconds} seconds.`, retryAfterSeconds }
}
