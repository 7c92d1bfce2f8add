import { z } from "zod"
import { type Clock, Refusal } from "#kernel"
import { signedByApplication } from "./application-key.ts"
import type { Application } from "./applications.ts"
import { requireTimes } from "./assertion.ts"
import type { Parameters, RequestText } from "./delegation.ts"
import { readCompact } from "./jws.ts"
import type { Purpose } from "./purposes.ts"

/**
 * What a registered application says of its user's request: in the user's words, and in values of declared parameters. The one
 * way that either reaches a mandate without having been shown by us, because an agent cannot sign it.
 */
export type Statement = {
  application: Application
  /** Whose request it is, as their provider names them; null where the application does not say. */
  user: { iss: string; sub: string } | null
  requestText: RequestText | null
  parameters: Parameters
  jti: string
  expiresAtMs: number
  /** SHA-256 of the signing key's SubjectPublicKeyInfo, base64url. Whoever uses the statement asks that no agent has that key. */
  keyThumbprint: string
}

/** What a statement must be about: what is asked for, as the one who asks has been authenticated. */
export type StatementFor = { /** Name of the agent. */ agent: string; purpose: Purpose }

/** What statements are judged by. */
export type StatementParts = {
  issuer: string
  /** The database's: where statements are used up. */
  clock: Clock
  application(name: string): Application | null
}

const TYPE = "safeconduct-statement+jwt"
const MAX_LENGTH = 32_768
/** Characters of a request text, as people count them: UTF-16 units. */
export const MAX_REQUEST_LENGTH = 2_000

const claimsSchema = z.strictObject({
  iss: z.string(),
  sub: z.string(),
  // One text: whoever is made to name another server too would hand it this user's request.
  aud: z.string(),
  jti: z.string().min(8).max(128),
  iat: z.number(),
  exp: z.number(),
  nbf: z.number().optional(),
  safeconduct_purpose: z.string(),
  safeconduct_user: z.strictObject({ iss: z.string().max(500), sub: z.string().max(255) }).optional(),
  // Control characters have no place in what somebody said, and PostgreSQL stores no U+0000.
  safeconduct_request: z
    .string()
    .min(1)
    .max(MAX_REQUEST_LENGTH)
    .regex(/^[^\p{Cc}\p{Cs}]*(?:[\t\r\n][^\p{Cc}\p{Cs}]*)*$/u)
    .optional(),
  safeconduct_parameters: z.record(z.string(), z.unknown()).optional(),
})

/**
 * Reads an application's statement: signed by one of its keys, for us alone, about this agent and this purpose, and no older
 * than five minutes. It still has to be used up. Throws `statement-invalid`.
 */
export function readStatement(parts: StatementParts, text: string, { agent, purpose }: StatementFor): Statement {
  try {
    if (text.length > MAX_LENGTH) throw new Error("it is too long")
    const name = readCompact(text).payload["iss"]
    const application = typeof name === "string" ? parts.application(name) : null
    if (application === null) throw new Error("iss is no registered application")
    const { header, payload, keyThumbprint } = signedByApplication(application, text)
    if (header["typ"] !== TYPE) throw new Error(`typ is not ${TYPE}`)
    const claims = claimsSchema.parse(payload)
    if (claims.aud !== parts.issuer) throw new Error("aud is not our issuer")
    if (claims.sub !== agent) throw new Error("sub is another agent")
    if (claims.safeconduct_purpose !== purpose.name) throw new Error("the purpose is another one than is asked for")
    const nowSeconds = parts.clock.nowMs() / 1000
    requireTimes(nowSeconds, claims.iat, claims.exp)
    if (claims.nbf !== undefined && claims.nbf > nowSeconds) throw new Error("it is not valid yet")
    // A statement is an invocation: it is worth nothing from an application that may not make one.
    if (!application.agents.includes(agent)) throw new Error("the application may not invoke this agent")
    const { safeconduct_request: request, safeconduct_user: user = null } = claims
    return {
      application,
      user,
      requestText: request === undefined ? null : { kind: "application", text: request },
      parameters: declaredParameters(purpose, claims.safeconduct_parameters ?? {}),
      jti: claims.jti,
      expiresAtMs: claims.exp * 1000,
      keyThumbprint,
    }
  } catch (cause) {
    if (cause instanceof Refusal && cause.code === "statement-invalid") throw cause
    const what = `typ ${TYPE}, iss the application, sub the agent, aud the issuer alone, exp within 5 minutes, one jti for each`
    throw new Refusal("statement-invalid", `The application's statement is not one for this request: ${what}.`, {
      cause,
    })
  }
}

/**
 * Refuses a statement that is another user's: an agent that many users' tokens and statements go through could put the words of
 * one beside the token of another. Throws `statement-invalid`.
 */
export function requireOwnStatement(of: Statement["user"] | undefined, user: { iss: string; sub: string }): void {
  if (of == null || (of.iss === user.iss && of.sub === user.sub)) return
  throw new Refusal("statement-invalid", "The statement is of another user than the one who is acted for.")
}

/** The values, each of a parameter that the purpose declares and of its type. Throws `statement-invalid`. */
export function declaredParameters(purpose: Purpose, values: { readonly [name: string]: unknown }): Parameters {
  const given: Parameters = {}
  for (const [name, value] of Object.entries(values)) {
    const declared = Object.hasOwn(purpose.parameters, name) ? purpose.parameters[name]! : null
    const isRight = declared !== null && typeof value === declared.type && isBounded(value)
    if (!isRight) {
      const expected = declared === null ? "declares none of that name" : `takes a ${declared.type} there`
      const message = `Purpose ${purpose.name} ${expected}: ${name.slice(0, 63)}.`
      throw new Refusal("statement-invalid", message)
    }
    given[name] = value as string | number | boolean
  }
  return given
}

/** Refuses what leaves out a parameter that the purpose requires. Throws `statement-invalid`. */
export function requireParameters(purpose: Purpose, given: Parameters): void {
  for (const [name, { isRequired }] of Object.entries(purpose.parameters)) {
    if (!isRequired || Object.hasOwn(given, name)) continue
    const message = `Purpose ${purpose.name} needs the parameter ${name}, in a statement that the application signs.`
    throw new Refusal("statement-invalid", message)
  }
}

function isBounded(value: unknown): boolean {
  return typeof value === "string" ? value.length <= 1_000 && !/[\p{Cc}\p{Cs}]/u.test(value) : true
}
