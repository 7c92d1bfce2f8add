import type { Confirmation, Principal } from "#agents"
import { Refusal, type Route } from "#kernel"
import type { TokenClaims } from "#sessions"

/** Claims of a token that is bound to exactly this. Throws `token-invalid`. */
export type TokenVerifier = (token: string, confirmation: Confirmation) => Promise<TokenClaims>

/** RFC 6750 §2.1 and RFC 9449 §7.1; the scheme's case does not matter (RFC 9110 §11.1). */
const CREDENTIALS = /^(bearer|dpop) ([A-Za-z0-9._~+/-]+=*)$/i

/** The access token of an Authorization header of that scheme; null for another scheme, and for what is no token. */
export function tokenOf(header: string, scheme: "Bearer" | "DPoP"): string | null {
  const [, given, token] = CREDENTIALS.exec(header) ?? []
  return given?.toLowerCase() === scheme.toLowerCase() ? token! : null
}

/**
 * Claims of the access token in an Authorization header. Throws `token-invalid` for another scheme, for a token that is
 * not good or is bound to something else than the caller's certificate (RFC 8705 §3), and where no token is taken.
 */
export async function bearerToken(
  header: string,
  caller: Principal,
  verify: TokenVerifier | undefined,
): Promise<TokenClaims> {
  const token = tokenOf(header, "Bearer")
  if (token === null || verify === undefined) {
    throw new Refusal("token-invalid", "Authorization takes a Bearer token that is bound to this connection's SVID.")
  }
  return await verify(token, caller.confirmation)
}

/** The part of a request that may name a session. */
export type Named = { params: Record<string, string>; query: Record<string, string>; body: unknown }

/** Refuses a token on a route that it is not for, and one of a session where the request names another one. */
export function refuseOtherUse(
  { safeconduct_session: own, txn }: TokenClaims,
  { path, tokenOf: taken = "session", takesApproval }: Pick<Route, "path" | "tokenOf" | "takesApproval">,
  { params, query, body }: Named,
): void {
  if (txn !== undefined && !takesApproval) {
    throw new Refusal("token-invalid", "This access token is an approval, good for POST /v1/actions alone.")
  }
  if (own === undefined && taken === "session") {
    throw new Refusal("token-invalid", "This access token is of no session. Fetch one with safeconduct_session.")
  }
  if (own === undefined) return
  if (taken === "agent") {
    throw new Refusal("token-invalid", "This takes a token of no session. Fetch one without safeconduct_session.")
  }
  const inPath = path.startsWith("/v1/sessions/{id}") ? params["id"] : undefined
  const inBody = typeof body === "object" && body !== null && "session" in body ? body.session : undefined
  const named = [inPath, query["session"], inBody].filter((each) => each !== undefined)
  if (named.every((each) => each === own)) return
  throw new Refusal("token-invalid", "The access token is of another session than the request is about.")
}

/** The caller, held to the session of its token, and to the approval that it is, in whatever the request turns out to be about. */
export function heldTo({ safeconduct_session: session, txn }: TokenClaims, caller: Principal): Principal {
  if (caller.kind !== "agent" || session === undefined) return caller
  return { ...caller, onlySession: session, ...(txn === undefined ? {} : { onlyApproval: txn }) }
}
