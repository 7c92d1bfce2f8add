import { SignJWT } from "jose"
import { z } from "zod"
import type { AgentPrincipal } from "#agents"
import { type Id, type Json, newId, Refusal } from "#kernel"
import type { DatabaseClock } from "../database-clock.ts"
import type { Session } from "../session.ts"
import type { TokenKeys } from "../token-keys.ts"

/**
 * Type of an access token that is an approval. It is not that of a session's token (RFC 8725 §3.11), so that neither is taken
 * for the other anywhere.
 */
export const APPROVAL_TOKEN = "safeconduct-approval+jwt"

/** Longest life of such a token, seconds. */
const MAX_SECONDS = 120

/** An action that somebody approved, and for whom it is done. */
export type ApprovedAction = {
  approval: Id<"approval">
  session: Session
  /** What was granted (RFC 9396). */
  details: Json[]
  /** The approval is good until then. */
  useBefore: Date
  /** The user, by a name that this agent alone knows them by. */
  subject: string
  authReqId: string
  /** When the user themselves proved who they are for it; null where somebody else approved. */
  authenticatedAt: Date | null
}

/** The tokens of a request that was approved (CIBA Core §10.1.1). */
export type ApprovalTokens = {
  accessToken: string
  tokenType: "Bearer" | "DPoP"
  /** Seconds. */
  expiresIn: number
  jti: string
  idToken: string
}

/** What an approval's token says, beside what any token of ours does. */
export const approvalClaims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  client_id: z.string(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
  safeconduct_session: z.string(),
  /** The approval. */
  txn: z.string(),
  cnf: z.union([z.strictObject({ "x5t#S256": z.string() }), z.strictObject({ jkt: z.string() })]),
})

/**
 * Signs an access token that is good for one action, bound to what its holder proved, and an ID token that says of whom it was
 * asked. Throws `approval-over` when nothing is left of the approval.
 */
export async function signApproval(
  { keys, issuer, databaseClock }: { keys: TokenKeys; issuer: string; databaseClock: DatabaseClock },
  approved: ApprovedAction,
  holder: AgentPrincipal,
): Promise<ApprovalTokens> {
  const { session, approval, details, useBefore, subject, authReqId, authenticatedAt } = approved
  const { user } = session
  const now = Math.floor(databaseClock.nowMs() / 1000)
  const exp = Math.min(now + MAX_SECONDS, Math.floor(useBefore.getTime() / 1000))
  if (user === null || exp <= now) throw new Refusal("approval-over", "The approval was not used in time. Ask anew.")
  const { kid, privateKey } = keys.signing()
  const jti = newId("token")
  const accessToken = await new SignJWT({
    client_id: holder.spiffeId,
    safeconduct_session: session.id,
    act: { sub: holder.spiffeId },
    txn: approval,
    authorization_details: details,
    cnf: holder.confirmation,
  })
    .setProtectedHeader({ alg: "ES256", typ: APPROVAL_TOKEN, kid })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setSubject(user.id)
    .setJti(jti)
    .setIssuedAt(now)
    .setExpirationTime(exp)
    .sign(privateKey)
  const idToken = await new SignJWT({
    "urn:openid:params:jwt:claim:auth_req_id": authReqId,
    ...(authenticatedAt === null ? {} : { auth_time: Math.floor(authenticatedAt.getTime() / 1000) }),
  })
    .setProtectedHeader({ alg: "ES256", typ: "JWT", kid })
    .setIssuer(issuer)
    .setAudience(holder.spiffeId)
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(exp)
    .sign(privateKey)
  const tokenType = "jkt" in holder.confirmation ? "DPoP" : "Bearer"
  return { accessToken, tokenType, expiresIn: exp - now, jti, idToken }
}
