import { z } from "zod"
import { Refusal } from "#kernel"
import { actionDetails, oneActionDetails } from "./details.ts"
import type { AgentsPart } from "./principal.ts"

/** Names of agents, operators and purposes: one segment of a SPIFFE ID, in lower case so that no two look alike by case. */
export const principalName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/,
    "must be 1 to 63 of a-z 0-9 . _ -, beginning and ending with a-z 0-9",
  )

/** Hosts that are this machine, as a URL has them. */
const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"]

/**
 * Where a user comes back to with a code (RFC 6749 §3.1.2): https, or http on this machine (RFC 8252 §7.3), in the one
 * spelling that a URL parser gives it, because it is compared as text.
 */
const redirectUri = z
  .string()
  .max(500)
  .superRefine((text, { addIssue }) => {
    const url = URL.parse(text)
    const isPlain = url !== null && url.href === text && url.username === "" && url.password === ""
    const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.includes(url.hostname))
    if (!isPlain) addIssue({ code: "custom", message: `must be a URL, written as ${url?.href ?? "https://…"}` })
    else if (!isSafe) addIssue({ code: "custom", message: "must be https, or http on this machine" })
    else if (text.includes("#")) addIssue({ code: "custom", message: "must have no fragment" })
  })

/** Where pings go: no fragment, nobody's name or password, and plain http on this machine alone. */
const notificationEndpoint = z
  .string()
  .max(500)
  .superRefine((text, { addIssue }) => {
    const url = URL.parse(text)
    const isPlain =
      url !== null && url.href === text && url.username === "" && url.password === "" && !text.includes("#")
    if (!isPlain) addIssue({ code: "custom", message: `must be a URL, written as ${url?.href ?? "https://…"}` })
  })

const backchannel = z
  .strictObject({
    delivery: z.enum(["poll", "ping"]).default("poll"),
    notificationEndpoint: notificationEndpoint.optional(),
    network: z.enum(["public", "private", "loopback"]).default("public"),
    signed: z.enum(["required", "optional"]).default("optional"),
    defaultAuthorizationDetails: z.array(oneActionDetails).length(1).optional(),
  })
  .superRefine(({ delivery, notificationEndpoint: endpoint, network }, { addIssue }) => {
    const refuse = (message: string) => addIssue({ code: "custom", path: ["notificationEndpoint"], message })
    if ((delivery === "ping") !== (endpoint !== undefined)) refuse("is there for delivery ping, and for that alone")
    const protocol = endpoint === undefined ? "https:" : URL.parse(endpoint)?.protocol
    const isSafe = protocol === "https:" || (protocol === "http:" && network === "loopback")
    if (!isSafe) refuse("must be https, or http with network loopback")
  })

const definition = z.strictObject({
  owner: z.string().min(1).max(254),
  description: z.string().max(2_000).default(""),
  purposes: z.array(principalName).max(100).default([]),
  ceiling: z.array(actionDetails).max(100).default([]),
  redirectUris: z.array(redirectUri).max(32).default([]),
  backchannel: backchannel.optional(),
})

/** Segments that are routes of their own under /v1/agents. */
const RESERVED = ["bundle", "enrolments", "operators", "renewals"]
const agentName = principalName.refine((name) => !RESERVED.includes(name), "is taken by a route; choose another name")
/** The `agents` of safeconduct.yaml. */
export const agentsSchema = z.record(agentName, definition)

/**
 * The `agents` part of safeconduct.yaml. Throws `policy-invalid` with `detail.path` such as `agents.support-bot.ceiling.0`.
 */
export function parseAgents(document: unknown): AgentsPart {
  const odd = prototypePath(document, "agents")
  const parsed = agentsSchema.safeParse(document ?? {})
  if (odd === null && parsed.success) return parsed.data
  const issue = parsed.error?.issues[0]
  const path = odd ?? ["agents", ...(issue?.path ?? [])].map(String).join(".")
  const problem = odd === null ? (issue?.message ?? "not valid") : "this name is not taken"
  throw new Refusal("policy-invalid", `${path}: ${problem}.`, { detail: { path, problem } })
}

/** zod leaves a member named __proto__ out without a word, and a bound under that name would be no bound. */
function prototypePath(value: unknown, path: string): string | null {
  if (typeof value !== "object" || value === null) return null
  for (const [name, item] of Object.entries(value)) {
    const at = `${path}.${name}`
    const found = name === "__proto__" ? at : prototypePath(item, at)
    if (found !== null) return found
  }
  return null
}
