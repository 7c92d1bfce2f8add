import { z } from "zod"
import { isAddress } from "./email.ts"
import { isNumber } from "./sms.ts"

const network = z.enum(["public", "private", "loopback"]).default("public")
/** PEM of the authority that signed the receiver's certificate; absent: those that Node trusts. */
const ca = z.string().startsWith("-----BEGIN CERTIFICATE-----").max(65_536).optional()
const host = z.string().regex(/^[A-Za-z0-9.-]{1,253}$|^\[[0-9a-f:]+\]$/i, "a host is a name or an address")
const URL_PROBLEM = "write an https URL without user, query and fragment (http with network: loopback alone)"

const push = z.strictObject({
  /** RFC 8292 §2.1 */
  contact: z.string().regex(/^mailto:[^\s@]+@[^\s@]+$|^https:\/\/\S+$/, "a contact is mailto: or https:"),
  network,
  ca,
})

const email = z
  .strictObject({
    smtp: host,
    port: z.int().min(1).max(65_535).default(465),
    tls: z.enum(["implicit", "starttls", "none"]).default("implicit"),
    /** Whose password is handed over; absent for a server that asks for none. */
    username: z.string().min(1).max(255).optional(),
    from: z.string().refine(isAddress, "an address is name@host"),
    ca,
  })
  .refine(({ tls, smtp }) => tls !== "none" || isLoopback(smtp), {
    path: ["tls"],
    message: "without TLS is for a server on this machine",
  })

const sms = z
  .strictObject({
    from: z.string().refine((text) => isNumber(text) || /^[A-Za-z0-9 ]{1,11}$/.test(text), "a sender is +… or a name"),
    accountSid: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "an account is letters and digits"),
    baseUrl: z.string().max(500).default("https://api.twilio.com"),
    network,
    ca,
  })
  .refine((part) => isPlace(part.baseUrl, part.network), { path: ["baseUrl"], message: URL_PROBLEM })

const webhook = z
  .strictObject({ url: z.string().max(500), network, ca })
  .refine((part) => isPlace(part.url, part.network), { path: ["url"], message: URL_PROBLEM })

/** The `channels` of the part `approvals`: ways to tell people that something waits for them. */
export const channelsSchema = z
  .strictObject({
    push: push.optional(),
    email: email.optional(),
    sms: sms.optional(),
    webhook: webhook.optional(),
    /** Tried one after another until a device or a person says that it was heard. */
    order: z.array(z.enum(["push", "email", "sms"])).default(["push", "email", "sms"]),
    /** How long a channel has before the next is tried. */
    fallbackSeconds: z.int().min(1).max(3_600).default(20),
  })
  .superRefine(({ order }, { addIssue }) => {
    if (new Set(order).size === order.length) return
    addIssue({ code: "custom", path: ["order"], message: "a channel is named twice" })
  })
  .prefault({})

/** The same, checked and with defaults filled in. */
export type ChannelsPart = z.infer<typeof channelsSchema>

/** True for a place that messages may be posted to. */
function isPlace(text: string, where: "public" | "private" | "loopback"): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== "" || url.password !== "" || /[?#]/.test(text)) return false
  return url.protocol === "https:" || (where === "loopback" && url.protocol === "http:" && isLoopback(url.hostname))
}

function isLoopback(name: string): boolean {
  return ["127.0.0.1", "localhost", "[::1]"].includes(name)
}
