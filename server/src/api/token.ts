import type { Principal } from "#agents"
import { Refusal } from "#kernel"
import type { TokenClaims } from "#sessions"

/** Claims of a token that is good on a connection with this certificate (x5t#S256). Throws `token-invalid`. */
export type TokenVerifier = (token: string, thumbprint: string) => Promise<TokenClaims>

/** RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1). */
const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i

/**
 * Claims of the access token in an Authorization header. Throws `token-invalid` for another scheme, for a token that is
 * not good or is bound to another certificate than the caller's (RFC 8705 §3), and where no token is taken.
 */
export async function bearerToken(
  header: string,
  caller: Principal,
  verify: TokenVerifier | undefined,
): Promise<TokenClaims> {
  const token = BEARER.exec(header)?.[1]
  if (token === undefined || verify === undefined) {
    throw new Refusal("token-invalid", "Authorization takes a Bearer token that is bound to this connection's SVID.")
  }
  return await verify(token, caller.thumbprint)
}

/** Refuses a token of one session on a request about another one, wherever the request names it. */
export function refuseOtherSession(
  { safeconduct_session: own }: TokenClaims,
  { path, params, body }: { path: string; params: Record<string, string>; body: unknown },
): void {
  const inPath = path.startsWith("/v1/sessions/{id}") ? params["id"] : undefined
  const inBody = typeof body === "object" && body !== null && "session" in body ? body.session : undefined
  const named = [inPath, inBody].filter((each) => each !== undefined)
  if (named.every((each) => each === own)) return
  throw new Refusal("token-invalid", "The access token is of another session than the request is about.")
}
