import { SignJWT } from "jose"
import { z } from "zod"
import { base64url, canonical, type Json, Refusal, sha256 } from "#kernel"
import { type ActionDetail, detailsSchema, intersect, parseDetails } from "./action-details.ts"
import type { Parameters, RequestText } from "./delegation.ts"
import { verifiedPayload } from "./jws.ts"
import type { Purpose } from "./purposes.ts"
import type { Session } from "./session.ts"
import type { TokenKeys } from "./token-keys.ts"
import type { User } from "./user.ts"

/** What is compiled: what a session may do, and what arguments may be compared with. */
export type Compiled = {
  details: ActionDetail[]
  /** The user's own words, by the way that they reached us. A session opened by an agent's own key has none. */
  requestText: RequestText | null
  parameters: Parameters
  /** How long the chain of sessions that are handed on may become at the most, by the purpose of its first when that opened. */
  maxDepth: number
}

/** What a session may do: compiled once, from trusted things only, and signed. */
export type Mandate = Compiled & {
  /** Who delegated, with the claims that they had when they did. */
  user: User | null
  /** SHA-256 of the signed mandate, base64url: what entries name it by. */
  digest: string
}

/** Media type of a mandate (RFC 8725 §3.11): nothing else that our keys sign passes for one. */
const TYPE = "mandate+jwt"

const claimsSchema = z.strictObject({
  iss: z.string(),
  sub: z.string(),
  iat: z.int(),
  exp: z.int(),
  safeconduct_session: z.string(),
  safeconduct_instance: z.string(),
  safeconduct_purpose: z.string(),
  safeconduct_request_text: z.enum(["none", "consent", "application", "passkey"]),
  safeconduct_request: z.string().optional(),
  safeconduct_parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  safeconduct_user: z
    .strictObject({
      id: z.templateLiteral(["user_", z.string()]),
      provider: z.string(),
      iss: z.string(),
      sub: z.string(),
      claims: z.record(z.string(), z.array(z.string())),
    })
    .optional(),
  safeconduct_application: z.string().optional(),
  safeconduct_max_depth: z.int().min(0).optional(),
  safeconduct_chain: z
    .array(
      z.strictObject({ session: z.templateLiteral(["session_", z.string()]), agent: z.string(), instance: z.string() }),
    )
    .optional(),
  authorization_details: detailsSchema,
})

/** What bounds a mandate beside its purpose, by what it is called in a refusal. */
export type Bounds = readonly { name: string; details: unknown }[]

/** What the purpose and all of these allow. Throws `purpose-not-allowed`, naming the first that leaves nothing. */
export function compile(purpose: Purpose, bounds: Bounds): ActionDetail[] {
  let details: ActionDetail[] = purpose.actions
  for (const bound of bounds) {
    details = intersect(details, bound.details)
    if (details.length > 0) continue
    const message = `${bound.name} allows nothing of what purpose ${purpose.name} is for.`
    throw new Refusal("purpose-not-allowed", message)
  }
  return parseDetails(details, `purposes.${purpose.name}.actions`)
}

/** Whose and what for a mandate is; signed, so that it fits no other session. */
export type MandateOf = Pick<Session, "id" | "agent" | "instance" | "purpose" | "user" | "application" | "chain">

/** Compact JWS of the mandate, ES256 with the token key. It is good until the session's hard end. */
export async function signMandate(
  parts: { keys: TokenKeys; issuer: string },
  of: MandateOf,
  { details, requestText, parameters, maxDepth }: Compiled,
  times: { issuedAtMs: number; hardEndMs: number },
): Promise<string> {
  const { kid, privateKey } = parts.keys.signing()
  return await new SignJWT({
    safeconduct_session: of.id,
    safeconduct_instance: of.instance,
    safeconduct_purpose: of.purpose,
    safeconduct_request_text: requestText?.kind ?? "none",
    ...(requestText === null ? {} : { safeconduct_request: requestText.text }),
    ...(Object.keys(parameters).length === 0 ? {} : { safeconduct_parameters: parameters }),
    ...(of.user === null ? {} : { safeconduct_user: of.user }),
    ...(of.application === null ? {} : { safeconduct_application: of.application }),
    ...(of.chain.length === 0 ? {} : { safeconduct_chain: of.chain }),
    ...(maxDepth === 0 ? {} : { safeconduct_max_depth: maxDepth }),
    authorization_details: details as Json,
  })
    .setProtectedHeader({ alg: "ES256", typ: TYPE, kid })
    .setIssuer(parts.issuer)
    .setSubject(of.agent)
    .setIssuedAt(Math.floor(times.issuedAtMs / 1000))
    .setExpirationTime(Math.ceil(times.hardEndMs / 1000))
    .sign(privateKey)
}

/**
 * Verifies the stored mandate of a session. Throws `outside-mandate` when it was altered, belongs to another session, or
 * ends before the row says: a session whose mandate is not what was signed may do nothing.
 */
export async function readMandate(parts: { keys: TokenKeys; issuer: string }, session: Session): Promise<Mandate> {
  try {
    const claims = claimsSchema.parse(verifiedPayload(session.mandate, TYPE, parts.keys.mandateKey))
    // The hard end is the row's, which the database's clock judges.
    const isOwn =
      claims.iss === parts.issuer &&
      claims.sub === session.agent &&
      claims.safeconduct_session === session.id &&
      claims.safeconduct_instance === session.instance &&
      claims.safeconduct_purpose === session.purpose &&
      isSame(claims.safeconduct_user ?? null, session.user) &&
      (claims.safeconduct_application ?? null) === session.application &&
      isSame(claims.safeconduct_chain ?? [], session.chain) &&
      // By which whatever ends it is found.
      (session.chain.at(-1)?.session ?? null) === session.parent &&
      session.hardEndAt.getTime() <= claims.exp * 1000
    if (!isOwn) throw new Error("the mandate is another session's")
    return {
      details: claims.authorization_details,
      requestText: requestTextOf(claims),
      parameters: claims.safeconduct_parameters ?? {},
      maxDepth: claims.safeconduct_max_depth ?? 0,
      user: claims.safeconduct_user ?? null,
      digest: base64url(sha256(session.mandate)),
    }
  } catch (cause) {
    throw new Refusal(
      "outside-mandate",
      "The mandate of this session does not verify, so it allows nothing. Open another.",
      {
        cause,
      },
    )
  }
}

/** Text without a way that it came, or a way without text, is no request of anybody's. */
function requestTextOf(claims: z.infer<typeof claimsSchema>): RequestText | null {
  const { safeconduct_request_text: kind, safeconduct_request: text } = claims
  if ((kind === "none") !== (text === undefined)) throw new Error("the mandate holds half a request")
  return kind === "none" || text === undefined ? null : { kind, text }
}

function isSame(a: unknown, b: unknown): boolean {
  return canonical(a as Json) === canonical(b as Json)
}
