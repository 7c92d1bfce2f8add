import { z } from "zod"
import { type Json, Refusal, Secret } from "#kernel"
import { plainText } from "#sessions"
import type { Action } from "../action.ts"
import { actionOf } from "./one-action.ts"

/** What the backchannel endpoint takes. What else is sent is ignored (RFC 6749 §3.2), but beside a signed request. */
export const backchannelForm = z
  .object({
    client_id: z.string().optional(),
    client_assertion: z.string().optional(),
    client_assertion_type: z.string().optional(),
    /** All that follows, signed (CIBA Core §7.1.1). */
    request: z.string().optional(),
    scope: z.string().optional(),
    login_hint_token: z.string().optional(),
    id_token_hint: z.string().optional(),
    login_hint: z.string().optional(),
    client_notification_token: z.string().optional(),
    acr_values: z.string().optional(),
    binding_message: z.string().optional(),
    user_code: z.string().optional(),
    requested_expiry: z.string().optional(),
    authorization_details: z.string().optional(),
    resource: z.string().optional(),
  })
  .catchall(z.string())

/** An authentication request as it arrives. */
export type BackchannelForm = z.infer<typeof backchannelForm>

/** By what the user is named. */
export type Hint = { kind: "login_hint_token" | "id_token_hint" | "login_hint"; value: string }

/** An authentication request (CIBA Core §7.1), read. */
export type BackchannelRequest = {
  hint: Hint
  action: Action
  /** In the agent's words; shown as that. */
  bindingMessage: string | null
  /** Seconds; null for as long as the configuration gives. */
  requestedExpiry: number | null
  /** What the agent will know our pings by; null where it polls. */
  notificationToken: Secret | null
}

/** Parameters by name: texts of a form, or whatever JSON had in a signed request. */
export type Given = { readonly [name: string]: Json | undefined }

const HINTS = ["login_hint_token", "id_token_hint", "login_hint"] as const
/** Characters that fit on a card beside what we say ourselves. */
const MAX_BINDING_MESSAGE = 200
/** RFC 6750 §2.1; CIBA Core §7.1: 128 bits at the least, which take 22 characters, and 1024 characters at the most. */
const NOTIFICATION_TOKEN = /^(?=.{22,1024}$)[A-Za-z0-9._~+/-]+=*$/

/** Who is asked, how the client is answered, and what it is registered to ask for; absent where each request has to say. */
export type Expected = { issuer: string; delivery: "poll" | "ping"; standard?: Json | undefined }

/**
 * Reads a request's parameters. Throws `invalid-request`, `scope-invalid`, `binding-message-invalid`, `user-code-invalid`,
 * `details-invalid`, `target-invalid`.
 */
export function readParameters(given: Given, { issuer, delivery, standard }: Expected): BackchannelRequest {
  requireScope(textOf(given, "scope"))
  const hint = hintOf(given)
  // The most of what one may want to be assured of is in which way a policy has people approve; more is not promised.
  textOf(given, "acr_values")
  refuseUnmeant(given, issuer)
  const { authorization_details: details = standard } = given
  // FAPI-CIBA §5.2.2: what is approved has to be unmistakable, and a message that the client makes is not.
  if (details === undefined) throw bad("Say in authorization_details which action is to be approved.")
  return {
    hint,
    action: actionOf(details),
    bindingMessage: bindingMessageOf(textOf(given, "binding_message")),
    requestedExpiry: expiryOf(given["requested_expiry"]),
    notificationToken: delivery === "poll" ? null : notificationTokenOf(textOf(given, "client_notification_token")),
  }
}

/** CIBA Core §7.1: there is openid in it, and there is nothing else to be had here. */
function requireScope(text: string | null): void {
  const scopes = text?.split(" ") ?? []
  if (!scopes.includes("openid")) throw bad("scope has to contain openid.")
  if (scopes.every((scope) => scope === "openid")) return
  throw new Refusal("scope-invalid", "The only scope here is openid: say in authorization_details what is asked for.")
}

function hintOf(given: Given): Hint {
  const [hint, second] = HINTS.flatMap((kind) => {
    const value = textOf(given, kind)
    return value === null ? [] : [{ kind, value }]
  })
  if (hint !== undefined && second === undefined) return hint
  throw bad(`Name the user by exactly one of ${HINTS.join(", ")}.`)
}

/** What would be a promise if it were passed over. */
function refuseUnmeant(given: Given, issuer: string): void {
  if (textOf(given, "user_code") !== null) {
    throw new Refusal("user-code-invalid", "There are no user codes here: people approve signed in. Leave it out.")
  }
  const resource = textOf(given, "resource")
  if (resource !== null && resource !== issuer) {
    throw new Refusal("target-invalid", "Tokens are for this server alone; leave resource out.")
  }
  if (given["request_uri"] !== undefined) throw bad("A signed request is sent as request; request_uri is not taken.")
}

function bindingMessageOf(text: string | null): string | null {
  if (text === null) return null
  try {
    if (text.length > MAX_BINDING_MESSAGE || text.includes("\n")) throw new Error("too long, or several lines")
    return plainText(text, "binding_message")
  } catch (cause) {
    const what = `one line of ${MAX_BINDING_MESSAGE} characters at the most, none of them unseen or turning the direction`
    throw new Refusal("binding-message-invalid", `binding_message is ${what}.`, { cause })
  }
}

/** CIBA Core §7.1.1: in a signed request as a number or as a text. */
function expiryOf(value: Json | undefined): number | null {
  if (value === undefined) return null
  const text = typeof value === "number" ? String(value) : value
  if (typeof text === "string" && /^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw bad("requested_expiry is a whole number of seconds, one at the least.")
}

function notificationTokenOf(text: string | null): Secret {
  if (text !== null && NOTIFICATION_TOKEN.test(text)) return new Secret(text)
  throw bad(
    "client_notification_token is 22 to 1024 characters of a bearer token (RFC 6750 §2.1), by which pings are known.",
  )
}

/** Null when it was not sent, or has no value (RFC 6749 §3.1). */
function textOf(given: Given, name: string): string | null {
  const value = given[name]
  if (value === undefined || value === "") return null
  if (typeof value === "string") return value
  throw bad(`${name} is a text.`)
}

function bad(message: string): Refusal {
  return new Refusal("invalid-request", message)
}
