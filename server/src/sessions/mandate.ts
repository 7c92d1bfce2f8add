import { SignJWT } from "jose"
import { z } from "zod"
import { base64url, type Json, Refusal, sha256 } from "#kernel"
import { type ActionDetail, detailsSchema, intersect, parseDetails } from "./action-details.ts"
import { verifiedPayload } from "./jws.ts"
import type { Purpose } from "./purposes.ts"
import type { Session } from "./session.ts"
import type { TokenKeys } from "./token-keys.ts"

/** What a session may do: compiled once, from trusted things only, and signed. */
export type Mandate = {
  details: ActionDetail[]
  /** How the user's own request reached us. A session opened by an agent's own key has none. */
  requestText: "none"
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
  safeconduct_request_text: z.literal("none"),
  authorization_details: detailsSchema,
})

/** What both the purpose and the agent's ceiling allow. Throws `purpose-not-allowed` when that is nothing. */
export function compile(purpose: Purpose, ceiling: unknown): ActionDetail[] {
  const details = intersect(purpose.actions, ceiling)
  if (details.length === 0) {
    const message = `The agent's ceiling allows nothing of what purpose ${purpose.name} is for; an operator can widen it.`
    throw new Refusal("purpose-not-allowed", message)
  }
  return parseDetails(details, `purposes.${purpose.name}.actions`)
}

/** Whose and what for a mandate is; signed, so that it fits no other session. */
export type MandateOf = Pick<Session, "id" | "agent" | "instance" | "purpose">

/** Compact JWS of the mandate, ES256 with the token key. It is good until the session's hard end. */
export async function signMandate(
  parts: { keys: TokenKeys; issuer: string },
  of: MandateOf,
  details: ActionDetail[],
  times: { issuedAtMs: number; hardEndMs: number },
): Promise<string> {
  const { kid, privateKey } = parts.keys.signing()
  return await new SignJWT({
    safeconduct_session: of.id,
    safeconduct_instance: of.instance,
    safeconduct_purpose: of.purpose,
    safeconduct_request_text: "none",
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
      session.hardEndAt.getTime() <= claims.exp * 1000
    if (!isOwn) throw new Error("the mandate is another session's")
    const { authorization_details: details, safeconduct_request_text: requestText } = claims
    return { details, requestText, digest: base64url(sha256(session.mandate)) }
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
