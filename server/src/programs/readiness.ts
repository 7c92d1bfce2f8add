import type { Check } from "#api"
import type { Rooms } from "#gate"
import { type Database, type Journal, requireSchemas, skewProblem } from "#kernel"
import { question } from "#policy"
import type { KeptIdentity } from "./identity.ts"
import { allMigrations } from "./rooms.ts"
import { durabilityProblem, proveRoom } from "./store.ts"

/** Oldest reading of the revocation epoch with which this server still hands anything out. */
const MAX_EPOCH_AGE_MS = 2_000

/** What the checks look at. */
export type ReadinessParts = {
  database: Database
  journal: Journal
  rooms: Rooms
  identity: Pick<KeptIdentity, "current"> | null
}

/** What must hold for new work to succeed. Each check does new work; none reads back an old success. */
export function readinessChecks({ database, journal, rooms, identity }: ReadinessParts): readonly Check[] {
  return [
    { name: "database", problem: () => databaseProblem(database) },
    { name: "clock", problem: () => skewProblem(rooms.epoch) },
    { name: "journal", problem: () => journalProblem(journal) },
    { name: "schemas", problem: () => schemasProblem(database) },
    { name: "log", problem: () => logProblem(rooms) },
    { name: "revocations", problem: () => revocationsProblem(rooms) },
    { name: "policy", problem: () => policyProblem(rooms) },
    { name: "identity", problem: () => identityProblem(rooms, identity) },
  ]
}

async function databaseProblem(database: Database): Promise<string | null> {
  await proveRoom(database)
  return await durabilityProblem(database)
}

async function journalProblem(journal: Journal): Promise<string | null> {
  const [odd] = journal.unreadable
  if (odd !== undefined)
    return `the journal's folder holds ${odd}, which is no line of a journal; look at it and remove it`
  try {
    await journal.probe()
    return null
  } catch (error) {
    return `the journal cannot be written (${(error as Error).message}); make room, or set SAFECONDUCT_JOURNAL_FOLDER`
  }
}

/** Somebody may migrate under a server that runs: one release ahead it serves on, further it must not. */
async function schemasProblem(database: Database): Promise<string | null> {
  await requireSchemas(database, allMigrations)
  return null
}

/** Takes the log's lock as every commit does, and gets the newest entry proven, which a signature over it is needed for. */
async function logProblem({ audit }: Rooms): Promise<string | null> {
  await audit.commit({ entries: () => [] })
  const { size } = await audit.entries({ limit: 1 })
  const { entries } = await audit.entries({ from: Math.max(0, size - 1), limit: 1 })
  for (const { id } of entries) await audit.receipt(id)
  return null
}

function revocationsProblem({ epoch }: Rooms): string | null {
  if (epoch.ageMs() <= MAX_EPOCH_AGE_MS) return null
  return "the revocation epoch could not be read for 2 s; check the database"
}

function policyProblem({ policy }: Rooms): string | null {
  if (policy.version() === null) return 'no policy is in force; run "safeconduct apply"'
  const action = { type: "tool", resource: "readiness", operation: "readiness" } as const
  const { errors } = policy.decide(question({ agents: ["readiness"], purpose: "readiness", action }))
  return errors.length === 0 ? null : "a question could not be evaluated; the log says which policy failed"
}

function identityProblem({ clock }: Rooms, identity: Pick<KeptIdentity, "current"> | null): string | null {
  if (identity === null)
    return "this server has no SVID, because the log cannot be written; mend the log, then restart it"
  if (identity.current.notAfterMs > clock.nowMs()) return null
  return "this server's own SVID expired and could not be renewed; the log says why"
}
