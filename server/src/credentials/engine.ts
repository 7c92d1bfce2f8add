import type { z } from "zod"
import type { Log, Secret } from "#kernel"
import type { Binding } from "./behalf.ts"
import type { Resource, ResourcePart } from "./part.ts"

/** The account that we hold at a resource. */
export type Root = { username: string; password: Secret }

/** An account that was made for a lease. `oid` is the resource's own reference, null when it may never have been made. */
export type Account = { name: string; oid: string | null }

/** What is to be made. The engine chooses the secret. */
export type Order = {
  name: string
  /** The resource as it is now: its operations and limits may have changed since the engine was opened. */
  part: ResourcePart
  operation: string
  /** Backstop at the resource itself; our own revocation does not rely on it. */
  expiresAt: Date
  /** Printable text kept with the account, for whoever finds it: ids and names, nothing personal. */
  comment: string
  /** What the resource's own rules may rely on; of an operation that binds its user, they must be able to. */
  binding: Binding
}

/** What the agent connects with; the shape belongs to the engine, `password` and the like among it. */
export type Credential = { engine: string; [name: string]: string | number }

/** What was made, and what its holder connects with. */
export type Made = { oid: string; credential: Secret<Credential> }

/** What is asked with an account of ours. The query is out of the configuration; `values` are bound to it, in order. */
export type Question = { query: string; values: readonly string[]; withinMs: number }

/** A value that was looked up. */
export type LookUp = string | number | boolean

/** More values than this are no answer. */
export const MOST_FOUND = 100

/** How an account was taken away. Times in milliseconds since the Unix epoch. */
export type Evidence = {
  oid: string | null
  /** Connections that were closed. */
  connectionsClosed: number
  /** Names of databases where the account had left objects behind, which were dropped. */
  cleaned: string[]
  disabledAtMs: number
  cutAtMs: number
  droppedAtMs: number
}

/** What the resource says of an account now. */
export type Trace = { name: string; oid: string | null; hasAccount: boolean; connections: number }

/** What stands at the resource under our name pattern. `others` counts accounts of other deployments: never touched. */
export type Listing = { accounts: { name: string; oid: string }[]; others: number }

/** Something that `prepare` would change. `reject`: not with this root; `problem`: not before it is changed; a warning is shown. */
export type Finding = { level: "reject" | "problem" | "warning"; what: string; fix: string }

/**
 * One resource, held open with its root. Every method may be called by several callers and several servers at once, and
 * may be repeated: revoking what is gone succeeds, closing what is closed does nothing. Failures are `ResourceError`,
 * whose text holds no secret.
 */
export interface Engine extends AsyncDisposable {
  /** Makes the account, or throws with nothing made; after a lost connection either may be true, and revoke() settles it. */
  issue(order: Order): Promise<Made>
  /** Moves the backstop; open connections stay. */
  renew(account: Account, expiresAt: Date): Promise<void>
  /**
   * New logins refused, every connection closed, leftovers dropped, the account dropped, in this order. `onCut` is called
   * when no connection is left. Resolves when the account is gone.
   */
  revoke(account: Account, onCut?: () => void): Promise<Evidence>
  /** Reads the resource, not our memory. One trace per account, in order. */
  readBack(accounts: readonly Account[]): Promise<Trace[]>
  list(deployment: string): Promise<Listing>
  /** When each account with an open connection last did something; an account without one is absent. */
  activity(accounts: readonly Account[]): Promise<Map<string, Date>>
  /**
   * Asks one question as the account, changing nothing, and leaves no connection. Throws when there is no certain answer: too
   * much of it, or values that arguments are not compared with. No text of an error holds a value.
   */
  lookUp(credential: Made["credential"], asked: Question): Promise<LookUp[]>
  /** Mends and forgets what the resource keeps of accounts that are gone. */
  tidy(): Promise<void>
  /** Logs in and looks whether the resource is prepared for the part's operations. */
  check(part: ResourcePart): Promise<Finding[]>
  /** Changes our own password to `next` and logs in with it. Throws when it is not certain that `next` works. */
  rotateRoot(next: Secret): Promise<void>
}

/**
 * A kind of resource. Adding one is one folder under engines/ and one line in engines/index.ts. One whose parts have
 * NO_LEASES for limits is never opened.
 */
export interface EngineKind {
  readonly name: string
  /** A resource of this kind in safeconduct.yaml, for the published JSON Schema; parse() checks more. */
  readonly schema: z.ZodType
  /** Checks a part of safeconduct.yaml and fills in defaults; throws `policy-invalid`, the detail naming the place. */
  parse(part: unknown, at: string): ResourcePart
  /** Nothing connects before the first call. Uses of the part only what says where the resource is. */
  open(resource: Resource, root: Root, log: Log): Engine
}

/** The code of a ResourceError for a resource that is not as `prepare` makes it, where that is needed. */
export const UNPREPARED = "unprepared"

/** The code of a ResourceError for an approval of what was done at the resource before. */
export const APPROVAL_USED = "approval-used"

/** Why a resource did not do what was asked. `isUnreachable` tells the circuit breaker that the next call will fail too. */
export class ResourceError extends Error {
  /** The resource's own code, such as an SQLSTATE; null when no answer came. */
  readonly code: string | null
  readonly isUnreachable: boolean
  constructor(message: string, code: string | null, isUnreachable: boolean) {
    super(message)
    this.name = "ResourceError"
    this.code = code
    this.isUnreachable = isUnreachable
  }
}
