import { accessSync, constants } from "node:fs"
import { openDatabase, pendingMigrations, Refusal, requireSchemas } from "#kernel"
import { type Configuration, readConfiguration, type SettingName, shown } from "./configuration.ts"
import { readKeyEncryptionKeys } from "./files.ts"
import { allMigrations } from "./rooms.ts"
import { requireVersion } from "./store.ts"

/** One thing that doctor looked at: what it found, and what to do when it is not well. */
export type Diagnosis = { what: string; isWell: boolean; found: string; fix: string | null }

/** Looks at everything that a server needs before it starts, and at whether one answers. Never throws; changes nothing. */
export async function diagnose(
  flags: Partial<Record<SettingName, string>> = {},
  environment: Record<string, string | undefined> = process.env,
): Promise<Diagnosis[]> {
  let configuration: Configuration
  try {
    configuration = readConfiguration(flags, environment)
  } catch (error) {
    return [bad("configuration", error, "Correct the setting that it names.")]
  }
  return [
    await look("key-encryption key", `Make one with "safeconduct keys create".`, () => {
      readKeyEncryptionKeys(configuration.keyEncryptionKeyFile)
      return configuration.keyEncryptionKeyFile
    }),
    await look("log key", `Make one with "safeconduct keys create", or give the file to this user.`, () => {
      accessSync(configuration.logKeyFile, constants.R_OK)
      return configuration.logKeyFile
    }),
    ...(await lookAtDatabase(configuration)),
    await look(
      "a running server",
      'Do what it says; where none runs, start one: "safeconduct serve", or "safeconduct dev" on a laptop.',
      () => lookAtServer(`http://${configuration.opsAddress}/readyz`),
    ),
  ]
}

async function lookAtDatabase(configuration: Configuration): Promise<Diagnosis[]> {
  if (configuration.databaseUrl === "") {
    const found = "no DATABASE_URL: dev starts its own PostgreSQL, serve needs one"
    return [{ what: "database", isWell: true, found, fix: null }]
  }
  await using database = openDatabase({ url: configuration.databaseUrl, maxConnections: 1 })
  const fix = "Check DATABASE_URL, and that PostgreSQL runs and lets this role in."
  const reach = await look("database", fix, async () => {
    const version = await requireVersion(database)
    return `PostgreSQL ${version} at ${shown("databaseUrl", configuration.databaseUrl)}`
  })
  if (!reach.isWell) return [reach]
  const migrations = await look("migrations", 'Run "safeconduct migrate" as the owner.', async () => {
    const pending = await pendingMigrations(database, allMigrations)
    if (pending.length > 0) throw new Error(`${pending.length} are missing, the first is ${pending[0]}`)
    await requireSchemas(database, allMigrations)
    return "all applied"
  })
  return [reach, migrations]
}

async function lookAtServer(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  const { status, checks } = (await answer.json()) as {
    status: string
    checks: { name: string; problem: string | null }[]
  }
  const problems = checks.filter(({ problem }) => problem !== null).map(({ name, problem }) => `${name}: ${problem}`)
  if (problems.length > 0) throw new Error(problems.join("; "))
  return status
}

async function look(what: string, fix: string, work: () => string | Promise<string>): Promise<Diagnosis> {
  try {
    return { what, isWell: true, found: await work(), fix: null }
  } catch (error) {
    return bad(what, error, fix)
  }
}

function bad(what: string, error: unknown, fix: string): Diagnosis {
  const cause = error instanceof Refusal ? null : (error as Error).cause
  const found = [error, cause].filter((each) => each instanceof Error).map((each) => (each as Error).message)
  return { what, isWell: false, found: found.join(": ") || "failed", fix }
}
