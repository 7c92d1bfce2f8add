import { readKeysInForce, readLogNumber } from "#audit"
import { engines, resourceProblems } from "#credentials"
import {
  type Database,
  type Keyring,
  openDatabase,
  openKeyring,
  pendingMigrations,
  readKeys,
  requireSchemas,
  silentLog,
  systemClock,
} from "#kernel"
import { readVersion, type Version } from "#policy"
import { viewProviders } from "#sessions"
import { type Configuration, shown } from "./configuration.ts"
import { type Diagnosis, look } from "./diagnosis.ts"
import { readKeyEncryptionKeys } from "./files.ts"
import { openLogKey } from "./log-key.ts"
import { allMigrations } from "./rooms.ts"
import { proveRoom, readClock, readLogSize, readRole, requireDurable, requireVersion } from "./store.ts"

const MAX_SKEW_MS = 2_000

/** Looks at our own database as a server would; stops at the first thing without which the rest cannot be told. */
export async function lookAtDatabase(configuration: Configuration): Promise<Diagnosis[]> {
  if (configuration.databaseUrl === "") {
    const found = "no DATABASE_URL: dev starts its own PostgreSQL, serve needs one"
    return [{ what: "database", isWell: true, found, fix: null }]
  }
  await using database = openDatabase({ url: configuration.databaseUrl, maxConnections: 1 })
  const first: readonly Look[] = [
    ["database", "Check DATABASE_URL, and that PostgreSQL runs and lets this role in.", reach],
    ["role", "Give DATABASE_URL the server's role; the owner's is for migrate only.", lookAtRole],
    ["migrations", 'Run "safeconduct migrate" as the owner.', lookAtMigrations],
  ]
  const found: Diagnosis[] = []
  for (const [what, fix, work] of first) {
    found.push(await look(what, fix, () => work(database, configuration)))
    if (found.at(-1)?.isWell === false) return found
  }
  for (const [what, fix, work] of rest) found.push(await look(what, fix, () => work(database, configuration)))
  return found
}

type Look = [what: string, fix: string, work: (database: Database, configuration: Configuration) => Promise<string>]

const rest: readonly Look[] = [
  ["durability", "Set what it names to on in postgresql.conf, and restart PostgreSQL.", lookAtDurability],
  ["room", "Make room on the database's disk, or let it take writes.", lookForRoom],
  ["clock", "Let this machine and the database's follow NTP.", lookAtClock],
  ["sealed keys", "Give SAFECONDUCT_KEK_FILE the key that this deployment was made with.", lookAtKeys],
  [
    "log",
    'Give SAFECONDUCT_LOG_KEY_FILE this log\'s key, or go on with a new log: "safeconduct audit rotate"; where its key is lost for ever, --without-the-old-key.',
    lookAtLog,
  ],
  ["policy", 'Put a good one in force: "safeconduct apply".', lookAtPolicy],
  [
    "resources",
    'Do what it says: "safeconduct credentials postgres prepare" mends what was changed there, and says first what it would do.',
    lookAtResources,
  ],
  [
    "providers",
    'Correct safeconduct.yaml and "safeconduct apply", or mend the way there; a secret is handed over by "safeconduct sessions providers configure".',
    lookAtProviders,
  ],
]

async function reach(database: Database, { databaseUrl }: Configuration): Promise<string> {
  return `PostgreSQL ${await requireVersion(database)} at ${shown("databaseUrl", databaseUrl)}`
}

async function lookAtRole(database: Database): Promise<string> {
  const { name, isSuperuser, isOwner } = await readRole(database)
  if (isSuperuser) throw new Error(`${name} is a superuser; serve refuses to run as one`)
  if (isOwner) throw new Error(`${name} owns the log and could rewrite it; serve refuses to run as it`)
  return name
}

async function lookAtMigrations(database: Database): Promise<string> {
  const pending = await pendingMigrations(database, allMigrations)
  if (pending.length > 0) throw new Error(`${pending.length} are missing, the first is ${pending[0]}`)
  await requireSchemas(database, allMigrations)
  return "all applied"
}

async function lookAtDurability(database: Database): Promise<string> {
  await requireDurable(database)
  return "what is committed is kept"
}

async function lookForRoom(database: Database): Promise<string> {
  await proveRoom(database)
  return "it can be written"
}

async function lookAtClock(database: Database): Promise<string> {
  const sentMs = Date.now()
  const databaseMs = await readClock(database)
  // Somewhere between sending and now it was that time there.
  const skewMs = Math.max(0, sentMs - databaseMs, databaseMs - Date.now())
  if (skewMs > MAX_SKEW_MS)
    throw new Error(`this machine's clock is ${(skewMs / 1_000).toFixed(1)} s off the database's`)
  return "as the database's"
}

function keyringOf({ keyEncryptionKeyFile }: Configuration): Keyring {
  const [key, ...others] = readKeyEncryptionKeys(keyEncryptionKeyFile)
  return openKeyring(key, others)
}

async function lookAtKeys(database: Database, configuration: Configuration): Promise<string> {
  const keys = await readKeys(database, keyringOf(configuration), "ca-root")
  return keys.length === 0 ? "none yet; the first server makes them" : "opened"
}

async function lookAtLog(database: Database, configuration: Configuration): Promise<string> {
  const number = await readLogNumber(database)
  const signer = await openLogKey(configuration, number)
  const inForce = await readKeysInForce(database, number)
  if (inForce.length > 0) signer.signWith(inForce)
  const [signed, size] = [(await signer.lastSigned())?.size ?? 0, await readLogSize(database)]
  if (signed > size)
    throw new Error(`the database's log has ${size} entries, and ${signed} were signed: it was cut or restored`)
  return `${signer.origin}, ${size} entries`
}

async function lookAtPolicy(database: Database): Promise<string> {
  const version = await readVersion(database, silentLog)
  return version === null ? "none in force yet" : version.digest
}

/** Of one that does not load, `policy` has told. */
async function documentInForce(database: Database): Promise<Partial<Version["document"]>> {
  return await readVersion(database, silentLog).then(
    (version) => version?.document ?? {},
    () => ({}),
  )
}

/** Over the accounts that we hold there, as a server would before it gives something. */
async function lookAtResources(database: Database, configuration: Configuration): Promise<string> {
  const { resources } = await documentInForce(database)
  const parts = { database, keyring: keyringOf(configuration), kinds: engines }
  const { names, problems } = await resourceProblems(parts, resources)
  if (problems.length > 0) throw new Error(problems.join("; "))
  return names.join(", ") || "none in force"
}

async function lookAtProviders(database: Database, configuration: Configuration): Promise<string> {
  const { providers } = await documentInForce(database)
  const parts = { database, keyring: keyringOf(configuration), clock: systemClock }
  const views = await viewProviders(parts, providers)
  const problems = views.flatMap(({ name, problem }) => (problem === null ? [] : [`${name}: ${problem}`]))
  if (problems.length > 0) throw new Error(problems.join("; "))
  return views.map(({ name }) => name).join(", ") || "none in force"
}
