/**
 * Programs: starts things and wires them; nobody uses it but the command line, the examples and the tests.
 *
 * `serve` runs a server on a migrated database, `migrate` brings a database up to date, `dev` does both on an embedded
 * PostgreSQL with keys of its own. configuration.ts says where each setting comes from, document.ts reads
 * safeconduct.yaml. Nothing here decides or records.
 */
export { type CardSeen, type VerifiedApproval, verifyApproval } from "#approvals"
export { applyPrepare, checkPrepared, type PrepareSpec, prepareStatements } from "#credentials"
export {
  createLog,
  type EmbeddedPostgres,
  type Log,
  Refusal,
  refusals,
  removePostgres,
  silentLog,
  startPostgres,
} from "#kernel"
export * from "./add-key.ts"
export * from "./cases.ts"
export * from "./configuration.ts"
export * from "./dev.ts"
export * from "./diagnose.ts"
export * from "./document.ts"
export * from "./document-schema.ts"
export * from "./explanation.ts"
export * from "./log-key.ts"
export * from "./migrate.ts"
export * from "./recover.ts"
export * from "./rehearsal.ts"
export { allEvents, allMigrations } from "./rooms.ts"
export * from "./rotate-log.ts"
export { type Around, allRoutes, type Running, type ServeOptions, serve } from "./serve.ts"
export * from "./simulate.ts"
export * from "./simulate-asking.ts"
