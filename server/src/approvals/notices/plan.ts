import type { ChannelName } from "../channels/index.ts"
import type { WaitingNotice } from "./store.ts"

/** What is known when somebody is to be told something. */
export type Situation = {
  notices: readonly WaitingNotice[]
  /** Channels in the order in which they are tried; null in the place of one that the person cannot be reached by. */
  order: readonly (Exclude<ChannelName, "webhook"> | null)[]
  nowMs: number
  /** End of quiet hours that hold now. */
  quietUntilMs: number | null
  /** Since something that asks last made a sound; null: never. */
  askedSinceMs: number | null
  /** The same of anything. */
  quietSinceMs: number | null
}

/** One message, about all of these. */
export type Planned = {
  ids: string[]
  channel: Exclude<ChannelName, "webhook">
  step: number
  isSilent: boolean
  /** What the person will find when they look. */
  count: number
}

/** What is done in one turn: at most one message. What is due after it is another turn's. */
export type Plan = {
  over: string[]
  /** Looked at again then. */
  hold: { ids: string[]; untilMs: number }[]
  message: Planned | null
  /** No channel is left for them; those that none took are recorded as that. */
  unreachable: string[]
  /** For whoever stands in for the person. */
  passOn: string[]
}

/** Between two sounds. */
export const BUZZ_MS = 30_000
/** One that has no end of its own is of use for a day. */
const DAY_MS = 86_400_000
/** What waits for a person to look is looked at again after this; that they looked is a hint to do so at once. */
const LOOK_MS = 5_000

/**
 * What is to be done now. Of what asks, one thing at a time makes a sound: what comes while a person has not looked, waits and is
 * counted in the next message. It goes from channel to channel until a device or the person says that it was heard. What merely
 * tells goes out at once, without a sound where there was one just before, and is told when a channel took it; what is critical of
 * that, by every channel, so that who added one of them, or who has it, is not the only one to hear.
 */
export function plan(situation: Situation): Plan {
  const { notices, order } = situation
  const alive = notices.filter(({ isOver }) => !isOver).map((each) => ({ ...each, step: nextOf(order, each.step) }))
  const empty: Plan = {
    over: idsOf(notices.filter(({ isOver }) => isOver)),
    hold: [],
    message: null,
    unreachable: [],
    passOn: [],
  }
  const asked = planAsked(
    situation,
    alive.filter(({ kind }) => kind === "asked"),
    empty,
  )
  return asked.message === null
    ? planTold(
        situation,
        alive.filter(({ kind }) => kind !== "asked"),
        asked,
      )
    : asked
}

function planAsked(situation: Situation, asked: readonly WaitingNotice[], so: Plan): Plan {
  const { order, nowMs, quietUntilMs, askedSinceMs } = situation
  const isQuiet = (each: WaitingNotice) => quietUntilMs !== null && !each.isCritical
  const due = asked.filter(({ isDue }) => isDue)
  const quiet = planQuiet(due.filter(isQuiet), quietUntilMs ?? nowMs, so)
  const loud = due.filter((each) => !isQuiet(each))
  const heard = loud.filter(({ isReceived }) => isReceived)
  const tried = loud.filter(({ step, isReceived }) => !isReceived && step >= order.length)
  const lost = tried.filter(({ isDelivered }) => !isDelivered)
  const next: Plan = {
    ...quiet,
    unreachable: [...quiet.unreachable, ...idsOf(lost)],
    passOn: [...quiet.passOn, ...idsOf(tried.filter(isOwn))],
    // Every channel carried it: it waits for the person, and for its end.
    hold: [
      ...quiet.hold,
      ...[...heard, ...tried.filter(({ isDelivered }) => isDelivered)].map((each) => holdToEnd(each, nowMs)),
    ],
  }
  const open = loud.filter(({ step, isReceived }) => !isReceived && step < order.length)
  const again = open.filter(({ isDelivered }) => isDelivered)
  const fresh = open.filter(({ isDelivered }) => !isDelivered)
  if (open.length === 0) return next
  // What waits for its turn goes along with what is tried again.
  const isSend = again.length > 0 || (!asked.some(({ isDelivered }) => isDelivered) && hasRested(askedSinceMs))
  if (!isSend) {
    const restMs = hasRested(askedSinceMs) ? LOOK_MS : BUZZ_MS - askedSinceMs!
    return { ...next, hold: [...next.hold, { ids: idsOf(fresh), untilMs: nowMs + restMs }] }
  }
  const step = Math.min(...(again.length > 0 ? again : fresh).map((each) => each.step))
  const along = asked.filter((each) => !each.isDelivered && !each.isReceived && !isQuiet(each) && each.step <= step)
  const ids = new Set([...idsOf(again.filter((each) => each.step === step)), ...idsOf(along)])
  return { ...next, message: { ids: [...ids], channel: order[step]!, step, isSilent: false, count: asked.length } }
}

/** Nobody is disturbed, and whoever stands in for them is asked; what ends before the quiet does is heard of by nobody else. */
function planQuiet(quiet: readonly WaitingNotice[], untilMs: number, so: Plan): Plan {
  const isLost = ({ expiresAtMs }: WaitingNotice) => expiresAtMs !== null && expiresAtMs <= untilMs
  const waiting = quiet.filter((each) => !isLost(each))
  return {
    ...so,
    unreachable: [...so.unreachable, ...idsOf(quiet.filter(isLost))],
    passOn: [...so.passOn, ...idsOf(quiet.filter(isOwn))],
    hold: waiting.length === 0 ? so.hold : [...so.hold, { ids: idsOf(waiting), untilMs }],
  }
}

function planTold(situation: Situation, told: readonly WaitingNotice[], so: Plan): Plan {
  const { order, nowMs, quietUntilMs, quietSinceMs } = situation
  const due = told.filter(({ isDue }) => isDue)
  const lost = due.filter(({ step }) => step >= order.length)
  const next = { ...so, unreachable: [...so.unreachable, ...idsOf(lost)] }
  const open = due.filter(({ step }) => step < order.length)
  if (open.length === 0) return next
  const step = Math.min(...open.map((each) => each.step))
  const now = open.filter((each) => each.step === step)
  const channel = order[step]!
  const isUrgent = now.some(({ isCritical }) => isCritical)
  const isQuiet = quietUntilMs !== null && !isUrgent
  // Only a phone can take it and keep still; letters and texts wait for each other.
  const mayGo = channel === "push" || isUrgent || (hasRested(quietSinceMs) && !(isQuiet && channel === "sms"))
  if (!mayGo) {
    const untilMs = isQuiet && channel === "sms" ? quietUntilMs! : nowMs + BUZZ_MS - quietSinceMs!
    return { ...next, hold: [...next.hold, { ids: idsOf(now), untilMs }] }
  }
  const isSilent = channel === "push" && (isQuiet || !hasRested(quietSinceMs))
  return { ...next, message: { ids: idsOf(now), channel, step, isSilent, count: now.length } }
}

/** Whoever stands in for somebody has nobody standing in for them in that. */
function isOwn({ isPassedOn, isStandIn }: WaitingNotice): boolean {
  return !isPassedOn && !isStandIn
}

/** The first channel from there on that the person can be reached by; the length of the order when there is none. */
function nextOf(order: Situation["order"], step: number): number {
  const found = order.findIndex((channel, at) => at >= step && channel !== null)
  return found === -1 ? order.length : found
}

function hasRested(quietSinceMs: number | null): boolean {
  return quietSinceMs === null || quietSinceMs >= BUZZ_MS
}

function holdToEnd({ id, expiresAtMs }: WaitingNotice, nowMs: number) {
  return { ids: [id], untilMs: expiresAtMs ?? nowMs + DAY_MS }
}

function idsOf(notices: readonly WaitingNotice[]): string[] {
  return notices.map(({ id }) => id)
}
