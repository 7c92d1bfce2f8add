import type { Change } from "#audit"
import { canonical, type Database, Refusal, sha256 } from "#kernel"
import { forgetEndedLogins, holdLogin, insertEnded, lastWithdrawn } from "./store.ts"

/** The login that a token is of, as its provider names it, and when it was issued. */
export type Login = {
  iss: string
  sub: string
  /** Session at the provider; null where the token does not say. */
  sid: string | null
  issuedAtMs: number
}

/** What a provider says is over: one session there, or all of a subject's. */
export type LogoutOf = { iss: string; sub: string | null; sid: string | null; issuedAtMs: number }

/** Logins at providers that users have ended, so that a token which is still good opens nothing by them. */
export interface Logins {
  /** Notes that a login is over. First in the transaction that ends what stood on it. */
  ending(of: LogoutOf): Change<void>
  /** Keeps a login from being ended until the transaction has. The work throws `subject-token-invalid` for one that is over. */
  holding(of: Login): Change<void>
  /** When the user last ended a session of that agent for that purpose; null when they never did. */
  withdrawnAt(of: { user: string; agent: string; purpose: string }): Promise<Date | null>
  /** Forgets what is long over. */
  keepHouse(): Promise<void>
}

/** Opens them. */
export function openLogins({ database }: { database: Database }): Logins {
  return {
    ending: ({ iss, sub, sid, issuedAtMs }) => {
      const ofSession = sid === null ? [] : [{ name: nameOf("sid", iss, sid), untilMs: null }]
      // Of tokens that name no session nobody can say that they are of another one.
      const kind = sid === null ? "sub" : "sub without sid"
      const ofSubject = sub === null ? [] : [{ name: nameOf(kind, iss, sub), untilMs: issuedAtMs }]
      return { work: (tx) => insertEnded(tx, [...ofSession, ...ofSubject]), entries: () => [] }
    },
    holding: ({ iss, sub, sid, issuedAtMs }) => ({
      async work(tx) {
        const narrower = sid === null ? nameOf("sub without sid", iss, sub) : nameOf("sid", iss, sid)
        if (await holdLogin(tx, [nameOf("sub", iss, sub), narrower], issuedAtMs)) return
        const message =
          "The user has signed out at their provider since this token was issued. Have them sign in again."
        throw new Refusal("subject-token-invalid", message)
      },
      entries: () => [],
    }),
    withdrawnAt: (of) => lastWithdrawn(database, of),
    keepHouse: () => forgetEndedLogins(database),
  }
}

function nameOf(kind: string, iss: string, value: string): Buffer {
  return sha256(canonical([kind, iss, value]))
}
