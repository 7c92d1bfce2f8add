import { SignJWT } from "jose"
import { z } from "zod"
import { type AgentPrincipal, type Confirmation, parseSpiffeId, spiffeIdOf } from "#agents"
import { type Json, newId, Refusal, sha256 } from "#kernel"
import { detailsSchema } from "./action-details.ts"
import { APPROVAL_TOKEN, approvalClaims } from "./backchannel/tokens.ts"
import type { DatabaseClock } from "./database-clock.ts"
import { readCompact, verifiedPayload } from "./jws.ts"
import type { Mandate } from "./mandate.ts"
import type { Session } from "./session.ts"
import type { TokenKeys } from "./token-keys.ts"

/** Longest life of an access token. */
const MAX_TOKEN_SECONDS = 300
const MAX_REMEMBERED = 10_000

/** An access token as it leaves for its holder. */
export type IssuedToken = {
  accessToken: string
  /** RFC 6750, or RFC 9449 §5 for one that takes a proof with each use. */
  tokenType: "Bearer" | "DPoP"
  /** Seconds. */
  expiresIn: number
  jti: string
}

/** What a token is for: a session with its mandate, or none yet, and then it carries no rights of its own. */
export type TokenSubject = { session: Session; mandate: Pick<Mandate, "details"> } | null

/** What a verified token says; with `txn` it is an approval, and good for that alone. */
export type TokenClaims = z.infer<typeof claimsSchema> & { txn?: string | undefined }

/** Access tokens (RFC 9068), bound to the caller's certificate (RFC 8705 §3) or to its key (RFC 9449 §6), as it proved itself. */
export interface Tokens {
  /** A token: at most five minutes, never beyond its session's expiry. Throws `session-expired` when nothing is left. */
  sign(of: TokenSubject, holder: AgentPrincipal): Promise<IssuedToken>
  /**
   * Claims of a token presented by whoever proved exactly this. Throws `token-invalid`. Whether its session is still open is
   * standing()'s to say.
   */
  verify(token: string, confirmation: Confirmation): Promise<TokenClaims>
  /**
   * Claims of a session's or an agent's token that has not expired, whoever shows it; null for anything else. Nothing is released
   * for it.
   */
  inspect(token: string): TokenClaims | null
  /** True for a token of ours, bound to exactly this, that was good and has expired. */
  hasExpired(token: string, confirmation: Confirmation): boolean
  /** Forgets what was verified. */
  flush(): void
  /** Verified tokens held. */
  readonly remembered: number
}

/** Whose tokens, signed with which keys, by which time. */
export type TokensParts = { keys: TokenKeys; issuer: string; databaseClock: DatabaseClock }

const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  client_id: z.string(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
  /** Absent from an agent's own token, which is good for opening sessions and looking at them. */
  safeconduct_session: z.string().optional(),
  /** RFC 9493 §3.2.3: the user, as their provider knows them. */
  sub_id: z.strictObject({ format: z.literal("iss_sub"), iss: z.string(), sub: z.string() }).optional(),
  /** RFC 8693 §4.1. Who acts is its outermost sub; what is within is for the record, and gives no right. */
  act: z.looseObject({ sub: z.string() }).optional(),
  authorization_details: detailsSchema,
  // Exactly one binding: a token with two would be good wherever the weaker one is looked at.
  cnf: z.union([z.strictObject({ "x5t#S256": z.string() }), z.strictObject({ jkt: z.string() })]),
})

/** Opens the tokens of one issuer. */
export function openTokens({ keys, issuer, databaseClock }: TokensParts): Tokens {
  const remembered = new Map<string, TokenClaims>()

  const read = (token: string): TokenClaims => {
    // RFC 9068 §4: typ, iss and aud are pinned, the algorithm too; exp is judged at each use.
    const claims = isApproval(token)
      ? { ...approvalClaims.parse(verifiedPayload(token, APPROVAL_TOKEN, keys.publicKey)), authorization_details: [] }
      : claimsSchema.parse(verifiedPayload(token, "at+jwt", keys.publicKey))
    if (claims.iss !== issuer || claims.aud !== issuer)
      throw new Error("the token is another issuer's, or for another one")
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!)
    remembered.set(nameOf(token), claims)
    return claims
  }

  return {
    async sign(of, holder) {
      const now = Math.floor(databaseClock.nowMs() / 1000)
      const sessionEnd = of === null ? Infinity : Math.floor(of.session.expiresAt.getTime() / 1000)
      const exp = Math.min(now + MAX_TOKEN_SECONDS, sessionEnd)
      if (exp <= now)
        throw new Refusal("session-expired", "The session is about to end; no token fits into what is left.")
      const { kid, privateKey } = keys.signing()
      const jti = newId("token")
      const accessToken = await new SignJWT({
        client_id: holder.spiffeId,
        ...(of === null ? {} : { safeconduct_session: of.session.id, ...onBehalf(of.session, holder) }),
        // An empty list allows nothing.
        authorization_details: (of?.mandate.details ?? []) as Json,
        cnf: holder.confirmation,
      })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
        .setIssuer(issuer)
        .setAudience(issuer)
        // Without a user the client is the subject (RFC 9068 §2.2).
        .setSubject(of?.session.user?.id ?? holder.spiffeId)
        .setJti(jti)
        .setIssuedAt(now)
        .setExpirationTime(exp)
        .sign(privateKey)
      const tokenType = "jkt" in holder.confirmation ? "DPoP" : "Bearer"
      return { accessToken, tokenType, expiresIn: exp - now, jti }
    },
    async verify(token, confirmation) {
      try {
        const claims = remembered.get(nameOf(token)) ?? read(token)
        if (claims.exp * 1000 <= databaseClock.nowMs()) throw new Error("the token has expired")
        if (!isSame(claims.cnf, confirmation)) throw new Error("the token is bound to another certificate or key")
        return claims
      } catch (cause) {
        const message =
          "The access token is not valid, or not with the certificate or key it came with. Fetch a new one."
        throw new Refusal("token-invalid", message, { cause })
      }
    },
    inspect(token) {
      try {
        const claims = remembered.get(nameOf(token)) ?? read(token)
        return claims.txn !== undefined || claims.exp * 1000 <= databaseClock.nowMs() ? null : claims
      } catch {
        return null
      }
    },
    hasExpired(token, confirmation) {
      try {
        const { exp, cnf } = remembered.get(nameOf(token)) ?? read(token)
        return exp * 1000 <= databaseClock.nowMs() && isSame(cnf, confirmation)
      } catch {
        return false
      }
    },
    flush() {
      remembered.clear()
    },
    get remembered() {
      return remembered.size
    },
  }
}

/** Whom the session is for, and who acts for them: the holder, who got it from the last of the chain, and so on back. */
function onBehalf({ user, chain }: Session, holder: AgentPrincipal) {
  if (user === null) return {}
  const { trustDomain } = parseSpiffeId(holder.spiffeId)
  type Act = { sub: string; act?: Act }
  const before = chain.reduce<Act | undefined>(
    (act, { agent }) => ({ sub: spiffeIdOf(trustDomain, "agent", agent), ...(act && { act }) }),
    undefined,
  )
  return {
    sub_id: { format: "iss_sub", iss: user.iss, sub: user.sub },
    act: { sub: holder.spiffeId, ...(before && { act: before }) },
  }
}

/** What it says that it is; verifiedPayload() holds it to that. */
function isApproval(token: string): boolean {
  return readCompact(token).header["typ"] === APPROVAL_TOKEN
}

/** Of the same kind, and the same: a certificate's hash is nobody's key, whatever it looks like. */
function isSame(bound: Confirmation, proven: Confirmation): boolean {
  if ("jkt" in bound) return "jkt" in proven && bound.jkt === proven.jkt
  return "x5t#S256" in proven && bound["x5t#S256"] === proven["x5t#S256"]
}

function nameOf(token: string): string {
  return sha256(token).toString("base64")
}
