/**
 * Embedded: a PostgreSQL of our own for laptops and tests, from the registry packages, in a folder.
 *
 * One process at a time owns a folder (lock.ts), runs one postmaster on it (postmaster.ts), adopts the one that survived
 * a kill of us (survivor.ts), and starts it again when it exits (supervise.ts). For root it runs as an unprivileged user that exists
 * (account.ts), with data and programs where that user can reach them (folders.ts, binaries.ts).
 *
 * It makes our own database and its roles (own-database.ts) and no table: migrate.ts does. It never touches a PostgreSQL that
 * the machine has. Backup is stop and copy.
 */
export type { PostgresVersion } from "./binaries.ts"
export * from "./own-database.ts"
export { removePostgres } from "./remove.ts"
export * from "./supervise.ts"
