import webPush from "web-push"
import type { Audit, Change } from "#audit"
import { type Database, type Keyring, Refusal, Secret } from "#kernel"
import type { ChannelsPart } from "./part.ts"
import type { PushKey } from "./push.ts"
import * as store from "./store.ts"
import { webhookSecretProblem } from "./webhook.ts"

/** Channels whose secret an operator hands over. */
export const channelsWithSecret = ["email", "sms", "webhook"] as const

/** One of them. */
export type ChannelWithSecret = (typeof channelsWithSecret)[number]

/** What the secrets rest in. */
export type SecretParts = { database: Database; keyring: Keyring }

/**
 * What a channel's secret is for: a configuration that leads the channel elsewhere, or to another account, does not take the
 * secret there. Null for a channel that is not configured.
 */
export function boundTo(part: ChannelsPart, channel: ChannelWithSecret): string | null {
  const { email, sms, webhook } = part
  if (channel === "email" && email !== undefined) {
    return JSON.stringify([email.smtp, email.port, email.username ?? null])
  }
  if (channel === "sms" && sms !== undefined) return JSON.stringify([sms.baseUrl, sms.accountSid])
  return channel === "webhook" && webhook !== undefined ? JSON.stringify([webhook.url]) : null
}

/** Keeps a secret, sealed and bound. `by` is the SPIFFE ID of who hands it over. Throws `invalid-request`. */
export function settingChannelSecret(
  keyring: Keyring,
  { channel, bound, secret, by }: { channel: ChannelWithSecret; bound: string; secret: Secret; by: string },
): Change<void> {
  const text = secret.reveal()
  const problem = channel === "webhook" ? webhookSecretProblem(text) : null
  if (problem !== null) throw new Refusal("invalid-request", `${problem}.`)
  const sealed = keyring.seal(contextOf({ channel, bound }), text)
  return {
    work: (tx) => store.writeChannelSecret(tx, { channel, bound, sealed, facts: null }),
    entries: () => [{ event: "approvals.channel-secret-set", by, data: { channel } }],
  }
}

/** The secret of a channel as it is bound now; null when there is none, or it is for another place. */
export async function channelSecret(
  { database, keyring }: SecretParts,
  channel: ChannelWithSecret,
  bound: string | null,
): Promise<Secret | null> {
  const row = await store.readChannelSecret(database, channel)
  if (row === null || bound === null || row.bound !== bound) return null
  return new Secret(keyring.open(contextOf(row), row.sealed).toString("utf8"))
}

/**
 * The key by which push services know this deployment; made when there is none. One for all servers and for good: browsers
 * subscribed with its public half, and with another they would have to subscribe again.
 */
export async function pushKey({ database, keyring, audit }: SecretParts & { audit: Audit }): Promise<PushKey> {
  const found = await store.readChannelSecret(database, "push")
  if (found !== null) {
    const privateKey = new Secret(keyring.open(contextOf(found), found.sealed).toString("utf8"))
    return { publicKey: found.facts!, privateKey }
  }
  const { publicKey, privateKey } = webPush.generateVAPIDKeys()
  const place = { channel: "push", bound: "" }
  const row = { ...place, sealed: keyring.seal(contextOf(place), privateKey), facts: publicKey }
  await audit.commit({
    work: (tx) => store.insertChannelSecret(tx, row),
    entries: (isOurs) => (isOurs ? [{ event: "approvals.push-key-made", by: "server", data: { publicKey } }] : []),
  })
  // Of two servers one made it, and both use that one.
  return await pushKey({ database, keyring, audit })
}

/** Seals anew what another key-encryption key sealed. Returns how many; repeated until it returns 0. */
export async function resealChannelSecrets(database: Database, keyring: Keyring): Promise<number> {
  const stale = (await store.readChannelSecrets(database)).filter(({ sealed }) => !keyring.isCurrent(sealed))
  for (const row of stale) {
    const context = contextOf(row)
    await store.replaceChannelSecret(database, row, keyring.seal(context, keyring.open(context, row.sealed)))
    // A crash here leaves the others under the old key, which opens them still; the next run goes on.
  }
  return stale.length
}

function contextOf({ channel, bound }: { channel: string; bound: string }): string {
  return `approvals.channel_secrets/${JSON.stringify([channel, bound])}`
}
