import type { Id } from "#kernel"
import type { PasskeyAlgorithm } from "../evidence/cose.ts"

/** A key that somebody signs approvals with, as it is stored. Times are the database's. */
export type Passkey = {
  id: Id<"passkey">
  /** base64url, as browsers and evidence write it. */
  credentialId: string
  user: Id<"user">
  /** COSE_Key, base64url. */
  publicKey: string
  algorithm: PasskeyAlgorithm
  counter: number
  transports: string[]
  aaguid: string
  /** Whether the key can be copied to other devices of its owner's, and is. */
  isBackupEligible: boolean
  isBackedUp: boolean
  /** The user's own words. */
  label: string
  /** As their first; by the signature of an older one; or by neither, when none was left. */
  admittedBy: "first" | "passkey" | "recovery"
  enrolledAt: Date
  /** Its signature counts from then on; null: not before somebody confirms it. */
  countsFrom: Date | null
  lastUsedAt: Date | null
  revokedAt: Date | null
  /** Entries that tell of it. */
  enrolledEntry: Id<"entry">
  confirmedEntry: Id<"entry"> | null
  revokedEntry: Id<"entry"> | null
  /** True when its signature counts now, by the database's clock when it was read. */
  isCounting: boolean
}

/** Keys that one person has at once. */
export const MOST_PASSKEYS = 20
