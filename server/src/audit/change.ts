import type { Id, Json, Shared, Transaction } from "#kernel"

/** What happened, before it is an entry of the log. */
export type Draft = {
  /** For an entry that was promised before it could be written; its unit asks isRecorded() first. Any new one unless told. */
  id?: Id<"entry">
  /** Name from a room's events.ts, such as `credentials.lease-issued`. */
  event: string
  /** SPIFFE ID of the acting principal, or "server". */
  by: string
  /** `svid` is a certificate's serial, hexadecimal; `proof` how the agent proved its key, where it asked for this itself. */
  agent?: { name: string; instance: string; svid: string; proof?: "mtls" | "dpop" }
  session?: string
  purpose?: string
  /** On whose behalf: the random id that stands for issuer and subject, which are personal. */
  user?: Id<"user">
  /** Registered application that invoked the agent. */
  application?: string
  /** Sessions that this one was handed on through, the first that was opened first. */
  chain?: { session: Id<"session">; agent: string }[]
  action?: {
    id: string /** SHA-256 of the canonical action, base64url. */
    digest: string
    type: string
    resource: string
    operation: string
  }
  /** Facts that are neither personal nor secret. */
  data?: { [name: string]: Json }
  /** Personal facts: the leaf holds salted commitments, the values rest in a side table from which they can be erased. */
  personal?: { [name: string]: Json }
  /** Entry id of the intent that this one finishes. */
  of?: string
  /** Makes the entry an intent: without an outcome within that many seconds, `audit.outcome-missing` is recorded. */
  deadlineSeconds?: number
}

/** Where an entry stands in the log. `at` is RFC 3339 in UTC, milliseconds. */
export type Recorded = { id: Id<"entry">; index: number; at: string }

/**
 * A change of rows and the entries that tell of it, in one transaction. `work` does nothing but SQL and may run again.
 * Rooms return changes; whoever commits them decides when.
 */
export type Change<Result> = {
  /** Asked in one statement with all that is committed beside it. Whoever makes another change of this one may leave it out. */
  shared?: Shared
  /** `answer` is to the question of `shared`; without it, the work asks by itself. */
  work?: (tx: Transaction, answer?: unknown) => Promise<Result>
  entries: (result: Result) => Draft[]
}

/** Two changes as one: both take effect and both are recorded, or neither. */
export function together<A, B>(first: Change<A>, second: Change<B>): Change<[A, B]> {
  return {
    work: async (tx) => [(await first.work?.(tx)) as A, (await second.work?.(tx)) as B],
    entries: ([a, b]) => [...first.entries(a), ...second.entries(b)],
  }
}
