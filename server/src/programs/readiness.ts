import type { Check } from "#api"
import type { Rooms } from "#gate"
import type { Database } from "#kernel"

/** Oldest reading of the revocation epoch with which this server still hands anything out. */
const MAX_EPOCH_AGE_MS = 2_000
/** Farthest that this machine's clock may be from the database's. */
const MAX_SKEW_MS = 2_000

/** What must hold for new work to succeed. Each check does new work; none reads back an old success. */
export function readinessChecks({ database, rooms }: { database: Database; rooms: Rooms }): readonly Check[] {
  return [
    { name: "database", problem: () => databaseProblem(database, rooms) },
    { name: "log", problem: () => rooms.audit.fork?.message ?? null },
    {
      name: "revocations",
      problem: () =>
        rooms.epoch.ageMs() > MAX_EPOCH_AGE_MS
          ? "the revocation epoch could not be read for 2 s; check the database"
          : null,
    },
    {
      name: "policy",
      problem: () => (rooms.policy.version() === null ? 'no policy is in force; run "safeconduct apply"' : null),
    },
  ]
}

async function databaseProblem(database: Database, rooms: Rooms): Promise<string | null> {
  // A write that leaves nothing: proves that this role can write now, which a select would not.
  const [row] = await database.query<{ now: Date }>(
    "update kernel.epoch set epoch = epoch returning clock_timestamp() as now",
  )
  const skewMs = Math.abs(row!.now.getTime() - rooms.clock.nowMs())
  return skewMs > MAX_SKEW_MS
    ? `this machine's clock is ${Math.round(skewMs / 1000)} s off the database's; set it right`
    : null
}
