/**
 * Kernel: what every room stands on and no room owns. Bytes, clock, identifiers, canonical JSON, the database, group
 * commit, the revocation epoch, sealed keys, refusals, secrets, logging, and the shape of a route.
 *
 * It knows no agent, session, policy or credential; nothing here decides anything. Time is a parameter (clock.ts), and
 * what must be durable goes through batch.ts, which audit (next floor up) turns into the one way to change and record.
 * PostgreSQL for laptops and tests is started by embedded/; production passes a DATABASE_URL.
 */
export * from "./batch.ts"
export * from "./bytes.ts"
export * from "./canonical.ts"
export * from "./clock.ts"
export * from "./database.ts"
export * from "./deployment.ts"
export * from "./embedded/index.ts"
export * from "./epoch.ts"
export * from "./ids.ts"
export * from "./journal.ts"
export * from "./key-files/kept-keyring.ts"
export * from "./key-files/servers.ts"
export * from "./keyring.ts"
export * from "./keys.ts"
export * from "./log.ts"
export * from "./migrate.ts"
export * from "./refusal.ts"
export * from "./refusals.ts"
export * from "./route.ts"
export * from "./secret.ts"
export * from "./signature.ts"
export * from "./telemetry.ts"
