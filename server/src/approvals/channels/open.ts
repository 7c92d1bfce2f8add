import type { Audit } from "#audit"
import { type Clock, canonical, type Database, type Json, type Keyring, Refusal, type Secret } from "#kernel"
import { type Channel, type ChannelName, type Contact, type Delivery, type Message, undelivered } from "./channel.ts"
import { emailChannel } from "./email.ts"
import type { ChannelsPart } from "./part.ts"
import { pushChannel } from "./push.ts"
import { boundTo, type ChannelWithSecret, channelSecret, pushKey, settingChannelSecret } from "./secrets.ts"
import { smsChannel } from "./sms.ts"
import { steadily } from "./steady.ts"
import { webhookChannel } from "./webhook.ts"

/** A channel as operators see it. */
export type ChannelView = {
  name: ChannelName
  /** Null where none is needed. */
  hasSecret: boolean | null
}

/** The channels of the configuration in force. */
export interface Channels {
  /** Those that are configured, in the order in which they are tried; without the webhook. */
  order(): readonly Exclude<ChannelName, "webhook">[]
  /** Null for a channel that is not configured. */
  find(name: ChannelName): Channel | null
  /** Delivers by the contact's channel; never throws, and is over within half a minute. */
  deliver(message: Message, to: Contact): Promise<Delivery>
  /** Milliseconds until the next channel is tried. */
  fallbackMs(): number
  /** The public half of the key that browsers subscribe with; null without the channel. */
  pushKey(): Promise<string | null>
  /** Keeps a channel's secret, for its present place. `by` is the SPIFFE ID of who hands it over. Throws `not-found`, `invalid-request`. */
  setSecret(channel: string, secret: Secret, by: string): Promise<void>
  list(): Promise<ChannelView[]>
}

/** What they stand on. */
export type ChannelsParts = {
  database: Database
  audit: Audit
  keyring: Keyring
  clock: Clock
  /** The part in force. */
  part(): ChannelsPart
}

/** All tries of one message, by one contact. */
const DEADLINE_MS = 25_000

/** Opens them; nothing is connected to before something is delivered. */
export function openChannels(parts: ChannelsParts): Channels {
  const { audit, keyring } = parts
  const open = new Map<ChannelName, { definition: string; channel: Channel }>()
  const key = keptPushKey(parts)

  const find = (name: ChannelName): Channel | null => {
    const definition = parts.part()[name]
    if (definition === undefined) return null
    const text = canonical(definition as Json)
    const held = open.get(name)
    // What was learnt of a place, its circuit, is forgotten with its configuration.
    if (held?.definition === text) return held.channel
    const channel = steadily(channelOf(parts, name, key))
    open.set(name, { definition: text, channel })
    return channel
  }
  return {
    order: () => parts.part().order.filter((name) => parts.part()[name] !== undefined),
    find,
    async deliver(message, to) {
      const channel = find(to.kind)
      if (channel === null) return undelivered("not-configured")
      return await channel.deliver(message, to, AbortSignal.timeout(DEADLINE_MS))
    },
    fallbackMs: () => parts.part().fallbackSeconds * 1_000,
    pushKey: async () => (parts.part().push === undefined ? null : (await key()).publicKey),
    async setSecret(name, secret, by) {
      const channel = channelsNamed(name)
      const bound = boundTo(parts.part(), channel)
      if (bound === null) throw unknown(name)
      await audit.commit(settingChannelSecret(keyring, { channel, bound, secret, by }))
    },
    async list() {
      const names = (["push", "email", "sms", "webhook"] as const).filter((name) => parts.part()[name] !== undefined)
      return await Promise.all(names.map(async (name) => ({ name, hasSecret: await hasSecret(parts, name) })))
    },
  }
}

/** The channel of that name, configured, bare: without patience. Throws `not-found`. */
export function channelOf(
  parts: ChannelsParts,
  name: ChannelName,
  key: () => ReturnType<typeof pushKey> = () => pushKey(parts),
): Channel {
  const { push, email, sms, webhook } = parts.part()
  const nowMs = () => parts.clock.nowMs()
  const secret = (of: ChannelWithSecret) => () => channelSecret(parts, of, boundTo(parts.part(), of))
  if (name === "push" && push !== undefined) return pushChannel({ ...push, key, nowMs })
  if (name === "email" && email !== undefined) {
    return emailChannel({ ...email, host: email.smtp, username: email.username ?? null, password: secret("email") })
  }
  if (name === "sms" && sms !== undefined) return smsChannel({ ...sms, token: secret("sms") })
  if (name === "webhook" && webhook !== undefined) {
    return webhookChannel({ ...webhook, secret: secret("webhook"), nowMs })
  }
  throw unknown(name)
}

/** Read once: it never changes. One that could not be read is asked for again. */
function keptPushKey(parts: ChannelsParts): () => ReturnType<typeof pushKey> {
  let kept: ReturnType<typeof pushKey> | null = null
  return () => {
    kept ??= pushKey(parts)
    kept.catch(() => {
      kept = null
    })
    return kept
  }
}

async function hasSecret(parts: ChannelsParts, name: ChannelName): Promise<boolean | null> {
  if (name === "push" || (name === "email" && parts.part().email?.username === undefined)) return null
  return (await channelSecret(parts, name, boundTo(parts.part(), name))) !== null
}

function channelsNamed(name: string): ChannelWithSecret {
  if (name === "email" || name === "sms" || name === "webhook") return name
  throw unknown(name)
}

function unknown(name: string): Refusal {
  const what = `There is no channel "${name}" that takes a secret: configure it under approvals.channels first.`
  return new Refusal("not-found", what)
}
