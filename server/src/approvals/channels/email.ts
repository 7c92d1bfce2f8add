import { createHash } from "node:crypto"
import { createTransport } from "nodemailer"
import type { Secret } from "#kernel"
import { type Channel, type Delivery, delivered, type Message, undeliverable, undelivered } from "./channel.ts"

/** What the channel needs. */
export type EmailParts = {
  host: string
  port: number
  /** TLS from the first byte (RFC 8314 §3.3), or by STARTTLS and not without; none on loopback alone. */
  tls: "implicit" | "starttls" | "none"
  from: string
  username: string | null
  ca?: string | undefined
  /** Null where the server asks for none. */
  password(): Promise<Secret | null>
}

const TIMEOUT_MS = 5_000

/** E-mail over SMTP. The link opens a page that asks who one is; scanners that follow it change nothing. */
export function emailChannel(parts: EmailParts): Channel {
  return {
    name: "email",
    canReach: (contact) => contact.kind === "email" && isAddress(contact.address),
    async deliver(message, to, signal) {
      if (to.kind !== "email" || !isAddress(to.address)) return undeliverable("no-contact")
      const password = parts.username === null ? null : await parts.password()
      if (parts.username !== null && password === null) return undelivered("not-configured")
      const transport = createTransport({
        host: parts.host,
        port: parts.port,
        secure: parts.tls === "implicit",
        requireTLS: parts.tls === "starttls",
        ignoreTLS: parts.tls === "none",
        tls: { minVersion: "TLSv1.2", ...(parts.ca === undefined ? {} : { ca: parts.ca }) },
        ...(password === null ? {} : { auth: { user: parts.username!, pass: password.reveal() } }),
        connectionTimeout: TIMEOUT_MS,
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
        dnsTimeout: TIMEOUT_MS,
        // A text of ours names no file and no URL that the library would fetch.
        disableFileAccess: true,
        disableUrlAccess: true,
      })
      const sending = transport.sendMail(letterOf(parts, message, to.address)).then(() => delivered, deliveryOf)
      try {
        return await Promise.race([sending, aborted(signal)])
      } finally {
        transport.close()
      }
    },
  }
}

/** One mailbox in the plain form (RFC 5321 §4.1.2, without quoting): nothing that a header could be made of. */
export function isAddress(text: string): boolean {
  return text.length <= 254 && /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text)
}

function letterOf({ from }: EmailParts, { id, title, sentence, url }: Message, address: string) {
  const host = from.slice(from.lastIndexOf("@") + 1)
  // The same letter again has the same id (RFC 5322 §3.6.4), by which mailboxes find that they have it.
  const name = createHash("sha256").update(`safeconduct letter ${id} ${address}`).digest("base64url").slice(0, 32)
  return {
    from,
    to: { name: "", address },
    envelope: { from, to: [address] },
    subject: title,
    text: `${sentence}\n\n${url}\n`,
    messageId: `<${name}@${host}>`,
    // RFC 3834 §5: nobody's holiday reply answers it.
    headers: { "auto-submitted": "auto-generated" },
  }
}

/** RFC 5321 §4.2.1: 4yz may be taken later, 5yz will not; who we are is the operator's trouble and not the contact's. */
function deliveryOf(error: { code?: string; responseCode?: number }): Delivery {
  if (error.code === "EAUTH" || error.code === "ENOAUTH") return undelivered("not-configured")
  const { responseCode = 0 } = error
  if (responseCode >= 500) return undeliverable("refused")
  return undelivered(responseCode >= 400 ? "refused" : "unreachable")
}

function aborted(signal: AbortSignal): Promise<Delivery> {
  const late = undelivered("too-slow")
  if (signal.aborted) return Promise.resolve(late)
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(late), { once: true }))
}
