import { Webhook } from "standardwebhooks"
import type { Secret } from "#kernel"
import type { Network } from "#sessions"
import { type Channel, undeliverable, undelivered } from "./channel.ts"
import { post } from "./post.ts"

/** What the channel needs. */
export type WebhookParts = {
  url: string
  network: Network
  ca?: string | undefined
  /** `whsec_` and 24 to 64 bytes in base64; null before there is one. */
  secret(): Promise<Secret | null>
  nowMs(): number
}

/**
 * A program of the deployment's own, told by Standard Webhooks: id, time and HMAC over both and the body. It learns for which user
 * something waits, by the id that stands for them, and fetches whatever else with rights of its own.
 */
export function webhookChannel(parts: WebhookParts): Channel {
  return {
    name: "webhook",
    canReach: (contact) => contact.kind === "webhook",
    async deliver(message, to, signal) {
      if (to.kind !== "webhook") return undeliverable("no-contact")
      const secret = await parts.secret()
      if (secret === null) return undelivered("not-configured")
      const at = new Date(parts.nowMs())
      const { id, sentence, url, count } = message
      const expiresAt = new Date(message.expiresAtMs).toISOString()
      const facts = { user: to.user, sentence, url, count, expiresAt }
      const body = JSON.stringify({ type: "approvals.notice", timestamp: at.toISOString(), data: facts })
      const headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret.reveal()).sign(id, at, body),
      }
      return await post(parts, { url: parts.url, headers, body, signal })
    },
  }
}

/** Why the text is no secret of Standard Webhooks; null when it is one. */
export function webhookSecretProblem(text: string): string | null {
  const bytes = Buffer.from(text.replace(/^whsec_/, ""), "base64")
  const isExact = text === `whsec_${bytes.toString("base64")}`
  return isExact && bytes.length >= 24 && bytes.length <= 64
    ? null
    : "A secret of Standard Webhooks is whsec_ and 24 to 64 bytes in base64"
}
