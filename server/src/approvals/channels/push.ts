import { createHash, ECDH } from "node:crypto"
import webPush from "web-push"
import type { Secret } from "#kernel"
import { isAllowed, type Network } from "#sessions"
import { type Channel, type Message, type PushSubscription, undeliverable } from "./channel.ts"
import { post } from "./post.ts"

/** How push services know us (RFC 8292): the public half as browsers subscribe with it, and a way to reach the operator. */
export type PushKey = { publicKey: string; privateKey: Secret }

/** What the channel needs. */
export type PushParts = {
  /** `mailto:` or `https:`; a push service writes there when we misbehave. */
  contact: string
  network: Network
  ca?: string | undefined
  key(): Promise<PushKey>
  nowMs(): number
}

/** A push service has to take 4,096 bytes (RFC 8030 §7.2); the encryption adds 103 (RFC 8188 §2.1, RFC 8291 §4). */
const MAX_BYTES = 3_993
/** Longest that a push service is asked to keep a message. */
const MOST_SECONDS = 86_400

/** Web Push: to a browser on a phone or a desk, encrypted for it alone. */
export function pushChannel(parts: PushParts): Channel {
  return {
    name: "push",
    canReach: (contact) => contact.kind === "push" && subscriptionProblem(contact, parts.network) === null,
    async deliver(message, to, signal) {
      if (to.kind !== "push" || subscriptionProblem(to, parts.network) !== null) return undeliverable("no-contact")
      const payload = declarative(message)
      if (Buffer.byteLength(payload) > MAX_BYTES) return undeliverable("refused")
      const leftSeconds = Math.floor((message.expiresAtMs - parts.nowMs()) / 1_000)
      if (leftSeconds <= 0) return undeliverable("expired")
      const { publicKey, privateKey } = await parts.key()
      const { headers, body } = webPush.generateRequestDetails(
        { endpoint: to.endpoint, keys: { p256dh: to.p256dh, auth: to.auth } },
        payload,
        {
          TTL: Math.min(leftSeconds, MOST_SECONDS),
          topic: topicOf(message.topic),
          urgency: message.isSilent ? "low" : "high",
          vapidDetails: { subject: parts.contact, publicKey, privateKey: privateKey.reveal() },
        },
      )
      // RFC 8030 §7.3; 410 is what push services answer in its place.
      return await post(parts, { url: to.endpoint, headers: textual(headers), body, signal, gone: [404, 410] })
    },
  }
}

/** Why messages cannot be sent to a subscription; null when they can. */
export function subscriptionProblem({ endpoint, p256dh, auth }: PushSubscription, network: Network): string | null {
  const url = endpoint.length <= 2_000 ? URL.parse(endpoint) : null
  if (url === null || !isAllowed(url, network)) return "its endpoint is no https URL"
  const [key, secret] = [Buffer.from(p256dh, "base64url"), Buffer.from(auth, "base64url")]
  // RFC 8291 §3.1, §3.2: an uncompressed point of P-256, and 16 bytes.
  if (key.length !== 65 || key[0] !== 4 || !isOnCurve(key)) return "its key is no point of P-256"
  return secret.length === 16 ? null : "its secret is not of 16 bytes"
}

/** Nothing is encrypted for a point beside the curve: without this look, sending would throw, and with it everybody's turn end. */
function isOnCurve(point: Buffer): boolean {
  try {
    return ECDH.convertKey(point, "prime256v1").length > 0
  } catch {
    return false
  }
}

/**
 * Declarative Web Push: the browser shows it by itself, and our service worker reads the same members. What is tapped only leads
 * somewhere: a notification has no button that decides.
 */
function declarative({ title, sentence, url, receiptUrl, count, isSilent, topic }: Message): string {
  const shown = { title, body: sentence, navigate: url, tag: topicOf(topic), silent: isSilent }
  const data = receiptUrl === null ? {} : { data: { receipt: receiptUrl } }
  return JSON.stringify({ web_push: 8030, notification: { ...shown, ...data }, app_badge: String(count) })
}

/** RFC 8030 §5.4: at most 32 characters of base64url, and nothing that a push service could read. */
function topicOf(topic: string): string {
  return createHash("sha256").update(`safeconduct topic ${topic}`).digest("base64url").slice(0, 32)
}

function textual(headers: { [name: string]: unknown }): { [name: string]: string } {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}
