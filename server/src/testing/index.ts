/**
 * Testing: what tests of any room stand on. Real PostgreSQL that is made for the process and gone with it, a clock that
 * the test moves, a keyring that opens nothing real. Nothing outside of tests imports this.
 *
 *     await using store = await testDatabase({ rooms: [auditMigrations] })
 *     await store.database.query("select …")        // as the role that `serve` has
 */
import { randomBytes } from "node:crypto"
import {
  type Clock,
  type Database,
  type EmbeddedPostgres,
  type Keyring,
  kernelMigrations,
  type Migrations,
  migrate,
  openDatabase,
  openKeyring,
  type PostgresVersion,
  prepareOwnDatabase,
  randomText,
  SERVER_ROLE,
} from "#kernel"
import { throwawayCluster } from "./clusters.ts"

export * from "./authenticator.ts"
export { fillFromTemplate } from "./clusters.ts"
export * from "./far-ends/index.ts"

/** A fresh database of ours, closed when it is disposed of. */
export interface TestDatabase extends AsyncDisposable {
  /** As the owner: what migrations run as. */
  owner: Database
  /** As the role that `serve` has. */
  database: Database
  ownerUrl: string
  serverUrl: string
  /** Ends every connection to it, as a restart would. */
  endConnections(): Promise<void>
}

/** Makes a database with the kernel's schema and those of the rooms. */
export async function testDatabase(options: { rooms?: readonly Migrations[] } = {}): Promise<TestDatabase> {
  const made = await emptyDatabase()
  const rooms = (options.rooms ?? []).filter(({ room }) => room !== kernelMigrations.room)
  await migrate(made.owner, [kernelMigrations, ...rooms], SERVER_ROLE)
  return made
}

/** Makes a database that nobody has migrated. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const cluster = await throwawayCluster("own", 18)
  const name = `test_${randomText(12)}`
  const { ownerUrl, serverUrl } = await prepareOwnDatabase(cluster, name)
  const owner = openDatabase({ url: ownerUrl, maxConnections: 4 })
  const database = openDatabase({ url: serverUrl })
  return {
    owner,
    database,
    ownerUrl,
    serverUrl,
    async endConnections() {
      await using superuser = openDatabase({ url: cluster.superuserUrl, maxConnections: 1 })
      await superuser.query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1", [name])
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([owner[Symbol.asyncDispose](), database[Symbol.asyncDispose]()])
    },
  }
}

/** A cluster of somebody else's, to be a resource: one per version in this process. Tests make their own databases in it. */
export function testPostgres(version: PostgresVersion): Promise<EmbeddedPostgres> {
  return throwawayCluster("resource", version)
}

/** A clock that stands still until the test moves it. */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): Clock & { advance(ms: number): void } {
  let nowMs = startMs
  return {
    nowMs: () => nowMs,
    advance: (ms) => {
      nowMs += ms
    },
  }
}

/** A keyring of its own random key-encryption key. */
export function testKeyring(): Keyring {
  return openKeyring(randomBytes(32))
}
