import { parseCheckpoint } from "@safeconduct/tlog"
import type { Rooms } from "#gate"
import type { Journal, PooledDatabase, Reading } from "#kernel"

/** What the readings look at. */
export type ReadingsParts = { database: PooledDatabase; journal: Journal; rooms: Rooms }

/** Gauges for Prometheus, each read as it is asked for. Labels are names out of the configuration, or lists of ours. */
export function readingsOf({ database, journal, rooms }: ReadingsParts): readonly Reading[] {
  const { audit, credentials, epoch } = rooms
  return [
    one("safeconduct_log_entries", "Entries of the log.", async () => (await audit.entries({ limit: 1 })).size),
    one("safeconduct_checkpoint_entries", "Entries that the newest checkpoint of any server covers.", async () => {
      // A signed note: its text ends with the empty line before the signatures.
      const [text] = (await audit.checkpoint()).split("\n\n")
      return parseCheckpoint(`${text}\n`).size
    }),
    one(
      "safeconduct_log_is_altered",
      "1 when nothing is committed because the log is not the one that was signed.",
      () => (audit.fork === null ? 0 : 1),
    ),
    one("safeconduct_commits_queued", "Changes that wait for their commit.", () => audit.queued),
    one(
      "safeconduct_epoch_age_seconds",
      "Since this server last heard what was taken away.",
      () => epoch.ageMs() / 1_000,
    ),
    one(
      "safeconduct_clock_skew_seconds",
      "How far this machine's clock is ahead of the database's.",
      () => epoch.skewMs() / 1_000,
    ),
    one(
      "safeconduct_journal_lines",
      "What was taken away and the database does not know yet.",
      () => journal.pending.length,
    ),
    one("safeconduct_leases_stuck", "Leases that could not be taken away for long, at most 500.", async () => {
      return (await credentials.leases({ state: "stuck" })).length
    }),
    {
      name: "safeconduct_resource_leases",
      help: "Leases of a resource whose account may stand there.",
      label: "resource",
      read: async () => new Map((await credentials.resources()).map(({ name, openLeases }) => [name, openLeases])),
    },
    {
      name: "safeconduct_resource_has_problem",
      help: "1 when this server could not reach or use the resource when it last turned to it.",
      label: "resource",
      read: async () =>
        new Map((await credentials.resources()).map(({ name, problem }) => [name, problem === null ? 0 : 1])),
    },
    {
      name: "safeconduct_database_connections",
      help: "Connections to our database: open, idle among them, and callers that wait for one.",
      label: "state",
      read: () => new Map(Object.entries(database.connections())),
    },
  ]
}

function one(name: string, help: string, read: () => Promise<number> | number): Reading {
  return { name, help, read: async () => new Map([["", await read()]]) }
}
