/**
 * Audit: what happened, provably. It owns the log: entries that only ever grow in number, the Merkle tree over them
 * (C2SP tlog-tiles, in PostgreSQL), and the checkpoints that are signed over the tree.
 *
 * `commit` is the one way to change rows and record it: both in one transaction, many callers to a transaction. An entry
 * is a leaf of canonical JSON (leaf.ts); an intent is an entry that owes an outcome, and one that never came is recorded.
 * Checkpoints are signed after the commit by a key that is not in the database (signer.ts), which remembers what it
 * signed: a log that was cut, rewritten or restored to an earlier state is `log-forked`, and nothing is granted.
 *
 * It is below all rooms and does not know what it records: rooms name their events, the gate joins their changes. It
 * does not verify for others: tlog does, offline, with the public key alone.
 */
import type { Migrations } from "#kernel"

export * from "./change.ts"
export * from "./events.ts"
export * from "./file-signer.ts"
export { commitment, type Leaf, readLeaf } from "./leaf.ts"
export { isRecorded } from "./logs/closed.ts"
export type { LogKeys } from "./logs/keys.ts"
export type { LogListing } from "./logs/listing.ts"
export * from "./logs/rotate.ts"
export { readKeysInForce, readLogNumber } from "./logs/store.ts"
export * from "./open.ts"
export * from "./read.ts"
export * from "./routes.ts"
export type { LogSigner, SignedHead } from "./signer.ts"
export { takeIntent } from "./store.ts"

/** Tables of the log. */
export const migrations: Migrations = { room: "audit", folder: new URL("./migrations/", import.meta.url) }
