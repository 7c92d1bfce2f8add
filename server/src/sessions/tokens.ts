import { jwtVerify, SignJWT } from "jose"
import { z } from "zod"
import type { AgentPrincipal } from "#agents"
import { type Json, newId, Refusal, sha256 } from "#kernel"
import { detailsSchema } from "./action-details.ts"
import type { DatabaseClock } from "./database-clock.ts"
import type { Mandate } from "./mandate.ts"
import type { Session } from "./session.ts"
import type { TokenKeys } from "./token-keys.ts"

/** Longest life of an access token. */
const MAX_TOKEN_SECONDS = 300
const MAX_REMEMBERED = 10_000

/** An access token as it leaves for its holder. */
export type IssuedToken = { accessToken: string; tokenType: "Bearer" /** Seconds. */; expiresIn: number; jti: string }

/** What a verified token says. */
export type TokenClaims = z.infer<typeof claimsSchema>

/** Access tokens (RFC 9068), bound to the caller's certificate (RFC 8705 §3). */
export interface Tokens {
  /** A token for the session: at most five minutes, never beyond its expiry. Throws `session-expired` when nothing is left. */
  sign(session: Session, mandate: Pick<Mandate, "details">, holder: AgentPrincipal): Promise<IssuedToken>
  /**
   * Claims of a token presented over a connection whose client certificate has this thumbprint (x5t#S256). Throws
   * `token-invalid`. Whether its session is still open is standing()'s to say.
   */
  verify(token: string, thumbprint: string): Promise<TokenClaims>
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
  safeconduct_session: z.string(),
  authorization_details: detailsSchema,
  // Exactly one binding: a token that is bound otherwise (RFC 9449 jkt) is not for this connection.
  cnf: z.strictObject({ "x5t#S256": z.string() }),
})

/** Opens the tokens of one issuer. */
export function openTokens({ keys, issuer, databaseClock }: TokensParts): Tokens {
  const remembered = new Map<string, TokenClaims>()
  let generation = 0

  const read = async (token: string): Promise<TokenClaims> => {
    const before = generation
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = kid === undefined ? null : keys.publicKey(kid)
        if (key === null) throw new Error("no such key")
        return key
      },
      // RFC 9068 §4: typ, iss, aud and exp are pinned, the algorithm too.
      {
        algorithms: ["ES256"],
        typ: "at+jwt",
        issuer,
        audience: issuer,
        currentDate: new Date(databaseClock.nowMs()),
        requiredClaims: ["exp", "iat", "jti"],
      },
    )
    const claims = claimsSchema.parse(payload)
    if (before === generation) {
      if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!)
      remembered.set(nameOf(token), claims)
    }
    return claims
  }

  return {
    async sign(session, mandate, holder) {
      const now = Math.floor(databaseClock.nowMs() / 1000)
      const exp = Math.min(now + MAX_TOKEN_SECONDS, Math.floor(session.expiresAt.getTime() / 1000))
      if (exp <= now)
        throw new Refusal("session-expired", "The session is about to end; no token fits into what is left.")
      const { kid, privateKey } = keys.signing()
      const jti = newId("token")
      const accessToken = await new SignJWT({
        client_id: holder.spiffeId,
        safeconduct_session: session.id,
        authorization_details: mandate.details as Json,
        cnf: { "x5t#S256": holder.thumbprint },
      })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
        .setIssuer(issuer)
        .setAudience(issuer)
        // Without a user the client is the subject (RFC 9068 §2.2).
        .setSubject(holder.spiffeId)
        .setJti(jti)
        .setIssuedAt(now)
        .setExpirationTime(exp)
        .sign(privateKey)
      return { accessToken, tokenType: "Bearer", expiresIn: exp - now, jti }
    },
    async verify(token, thumbprint) {
      try {
        const claims = remembered.get(nameOf(token)) ?? (await read(token))
        if (claims.exp * 1000 <= databaseClock.nowMs()) throw new Error("the token has expired")
        if (claims.cnf["x5t#S256"] !== thumbprint) throw new Error("the token is bound to another certificate")
        return claims
      } catch (cause) {
        throw new Refusal("token-invalid", "The access token is not valid on this connection. Fetch a new one.", {
          cause,
        })
      }
    },
    flush() {
      generation += 1
      remembered.clear()
    },
    get remembered() {
      return remembered.size
    },
  }
}

function nameOf(token: string): string {
  return sha256(token).toString("base64")
}
