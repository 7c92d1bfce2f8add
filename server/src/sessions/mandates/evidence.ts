import type { Scalar } from "../argument-rules.ts"
import type { Parameters, RequestText } from "../delegation.ts"
import type { User } from "../user.ts"

/** What rules may be checked against: out of our records and the user's own words, never from the agent. */
export type Evidence = {
  requestText: RequestText | null
  /** The signed-in user; null without one. */
  user: Pick<User, "claims"> | null
  parameters: Parameters
  /** Ids of objects that were made in this session, by kind; a kind of which none was noted is not there. */
  made: { readonly [kind: string]: readonly string[] }
  /** What look-ups of the purpose found; null or not there: it could not be looked up. */
  lookups: { readonly [name: string]: readonly Scalar[] | null }
}

/** For a session without user, request and history. */
export const noEvidence: Evidence = { requestText: null, user: null, parameters: {}, made: {}, lookups: {} }
