import type { Id } from "#kernel"

/** Names of channels, which are also the kinds of contacts. */
export const channelNames = ["push", "email", "sms", "webhook"] as const

/** A way to tell somebody that something waits. */
export type ChannelName = (typeof channelNames)[number]

/** A browser that takes push messages (Push API §8): where to, and what to encrypt them with. */
export type PushSubscription = { endpoint: string; p256dh: string; auth: string }

/**
 * How one person is reached by one channel. A webhook is the deployment's own and tells of every user, by the id that stands for
 * them. All but that one are personal, and are in no log, no entry and no error.
 */
export type Contact =
  | ({ kind: "push" } & PushSubscription)
  | { kind: "email"; address: string }
  | { kind: "sms"; number: string }
  | { kind: "webhook"; user: Id<"user"> }

/**
 * What a channel carries: one of our own sentences and a link that nobody gets anywhere with who is not signed in. Whoever reads
 * it on the way, or on a locked screen, learns that something waits and nothing of what. A code is the one thing else there is,
 * for a contact that has still to prove whose it is.
 */
export type Message = {
  /** The same when it is sent again, so that a receiver may see that. */
  id: string
  title: string
  sentence: string
  /** The sentence brings a code: without it the link is worth nothing. */
  isCode?: boolean
  /** Where a person reads more, after they signed in; also what a link in the message leads to. */
  url: string
  /** Where a device says that it has the message; null where nobody waits to hear. */
  receiptUrl: string | null
  /** Number of things that wait, for a badge. */
  count: number
  /** Of no use after that. */
  expiresAtMs: number
  /** Whether it may make a sound. */
  isSilent: boolean
  /** A later message takes the place of an earlier one of the same topic. */
  topic: string
}

/** Why something was not delivered, in words for operators and entries. */
export type Reason =
  | "not-configured"
  | "no-contact"
  | "gone"
  | "refused"
  | "unreachable"
  | "too-slow"
  | "circuit-open"
  | "expired"

/**
 * What became of a message. `isPermanent`: the same to the same contact will not fare better; `gone`: there is no such contact
 * any more, and it is forgotten.
 */
export type Delivery =
  | { outcome: "delivered" }
  | { outcome: "undelivered"; reason: Reason; isPermanent: boolean; retryAfterMs?: number }

/**
 * One way to reach people. It carries and never decides: nothing that comes back by a channel approves anything. Delivering may be
 * repeated (a crash between delivery and its mark does that); the message's id is the same then. It never throws, and is over soon
 * after the signal.
 */
export interface Channel {
  readonly name: ChannelName
  /** True when the contact is of this channel's kind and form. */
  canReach(contact: Contact): boolean
  deliver(message: Message, to: Contact, signal: AbortSignal): Promise<Delivery>
}

/** It was taken by whoever carries it on; a person may not have seen it. */
export const delivered: Delivery = { outcome: "delivered" }

/** It was not, for that reason; worth another try. */
export function undelivered(reason: Reason, retryAfterMs?: number): Delivery {
  const more = retryAfterMs === undefined ? {} : { retryAfterMs }
  return { outcome: "undelivered", reason, isPermanent: false, ...more }
}

/** It was not, and will not be. */
export function undeliverable(reason: Reason): Delivery {
  return { outcome: "undelivered", reason, isPermanent: true }
}
