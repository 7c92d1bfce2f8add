import { migrate, openDatabase, Refusal } from "#kernel"
import type { Configuration } from "./configuration.ts"
import { allMigrations } from "./rooms.ts"
import { requireVersion } from "./store.ts"

/**
 * Brings the database to this version's schemas, as its owner. Returns what was applied, as `room/file`; empty when it was
 * up to date. Throws `invalid-request` without an owner's URL, `not-ready` on a PostgreSQL that is too old,
 * `store-unavailable`.
 */
export async function migrateAll(configuration: Configuration): Promise<string[]> {
  if (configuration.ownerUrl === "") {
    throw new Refusal("invalid-request", "Set SAFECONDUCT_OWNER_URL to the database's URL as its owner.")
  }
  await using owner = openDatabase({ url: configuration.ownerUrl, maxConnections: 1, statementTimeoutMs: 300_000 })
  await requireVersion(owner)
  return await migrate(owner, allMigrations, configuration.serverRole)
}
