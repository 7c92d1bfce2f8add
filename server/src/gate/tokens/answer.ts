import type { ActionDetail } from "#sessions"
import type { Opened } from "../open.ts"

/** RFC 6749 §5.1, with what was granted (RFC 9396 §7), and the session that it was granted in. */
export type GrantAnswer = {
  access_token: string
  token_type: "Bearer" | "DPoP"
  expires_in: number
  /** RFC 8693 §2.2.1; absent where nothing was exchanged. */
  issued_token_type?: string
  authorization_details: ActionDetail[]
  safeconduct_session: string
}

/** What a session that was opened for a user is answered with. There is no refresh token: a session is renewed. */
export function grantAnswer({ session, mandate, token }: Opened): GrantAnswer {
  return {
    access_token: token.accessToken,
    token_type: token.tokenType,
    expires_in: token.expiresIn,
    authorization_details: mandate.details,
    safeconduct_session: session.id,
  }
}
