import type { Secret } from "#kernel"
import type { Network } from "#sessions"
import { type Channel, type Message, undeliverable, undelivered } from "./channel.ts"
import { post } from "./post.ts"

/** What the channel needs. */
export type SmsParts = {
  /** A number or a sender's name, as the account has it. */
  from: string
  accountSid: string
  baseUrl: string
  network: Network
  ca?: string | undefined
  /** Null before an operator handed it over. */
  token(): Promise<Secret | null>
}

/** One message of GSM 03.38; a longer one is sent, and paid for, in pieces. */
const SEPTETS = 160
const GSM =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
/** Characters that take two. */
const EXTENDED = "^{}\\[~]|€"

/** SMS in the form that Twilio documents for its Messages resource, which other gateways speak too. */
export function smsChannel(parts: SmsParts): Channel {
  const base = parts.baseUrl.replace(/\/$/, "")
  const url = `${base}/2010-04-01/Accounts/${encodeURIComponent(parts.accountSid)}/Messages.json`
  return {
    name: "sms",
    canReach: (contact) => contact.kind === "sms" && isNumber(contact.number),
    async deliver(message, to, signal) {
      if (to.kind !== "sms" || !isNumber(to.number)) return undeliverable("no-contact")
      const text = textOf(message)
      if (text === null) return undeliverable("refused")
      const token = await parts.token()
      if (token === null) return undelivered("not-configured")
      const authorization = Buffer.from(`${parts.accountSid}:${token.reveal()}`).toString("base64")
      const headers = {
        authorization: `Basic ${authorization}`,
        "content-type": "application/x-www-form-urlencoded",
        accept: "application/json",
      }
      const body = new URLSearchParams({ To: to.number, From: parts.from, Body: text }).toString()
      return await post(parts, { url, headers, body, signal })
    },
  }
}

/** E.164: plus, country, number; fifteen digits at the most. */
export function isNumber(text: string): boolean {
  return /^\+[1-9]\d{6,14}$/.test(text)
}

/** Sentence and link where both fit into one message, else the one that is of use by itself; null when even that does not fit. */
function textOf({ sentence, url, isCode = false }: Message): string | null {
  return [`${sentence} ${url}`, isCode ? sentence : url].find((text) => septetsOf(text) <= SEPTETS) ?? null
}

/** Septets of a text; infinitely many when a character is in no alphabet of GSM 03.38. */
export function septetsOf(text: string): number {
  let septets = 0
  for (const character of text) {
    septets += GSM.includes(character) ? 1 : EXTENDED.includes(character) ? 2 : Number.POSITIVE_INFINITY
  }
  return septets
}
