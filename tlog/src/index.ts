/**
 * @safeconduct/tlog: the arithmetic of C2SP transparency logs, and the verification of what such logs claim.
 *
 * Hashes and proofs (RFC 6962, RFC 9162), tiles and entry bundles (tlog-tiles), signed notes and checkpoints, receipts
 * (tlog-proof), and the whole audit of a log (`verifyLog`). It keeps nothing, opens no file and no connection: whoever
 * calls it brings a reader. It knows nothing of Safeconduct either: what an entry says is the business of the room `audit`.
 * Sizes and indexes are numbers up to 2^53-1, hashes are Uint8Arrays of 32 bytes. What is malformed throws a `LogError`.
 */
export * from "./checkpoint.ts"
export * from "./edge.ts"
export * from "./entries.ts"
export * from "./errors.ts"
export { exportLog, type LogWriter } from "./export-log.ts"
export { emptyRoot, hashBytes, leafHash, nodeHash } from "./merkle.ts"
export * from "./note.ts"
export { type NoteSigner, type NoteVerifier, newNoteKey, parseNoteSigner, parseNoteVerifier } from "./note-keys.ts"
export * from "./proofs.ts"
export { httpReader, type LogReader, readEntries, tilesFrom } from "./reader.ts"
export * from "./receipt.ts"
export type { Head, LogReport, Problem, ProblemCode, ReceiptReport } from "./report.ts"
export * from "./tiles.ts"
export * from "./verify.ts"
export * from "./verify-log.ts"
