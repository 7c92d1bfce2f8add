import { existsSync, readdirSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { openJournal, silentLog, systemClock } from "#kernel"
import { type Configuration, readConfiguration, type SettingName } from "./configuration.ts"
import { lookAtDatabase } from "./diagnose-database.ts"
import { bad, type Diagnosis, look } from "./diagnosis.ts"
import { readKeyEncryptionKeys } from "./files.ts"
import { takePorts } from "./ports.ts"

export type { Diagnosis } from "./diagnosis.ts"

/** Looks at everything that a server needs before it starts, and at whether one answers. Never throws; leaves nothing changed. */
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
  const { keyEncryptionKeyFile, logKeyFile } = configuration
  const makeKeys = 'Make one with "safeconduct keys create", or give the file to this user with mode 0600.'
  return [
    await look("key-encryption key", makeKeys, () => {
      readKeyEncryptionKeys(keyEncryptionKeyFile)
      return ownFile(keyEncryptionKeyFile)
    }),
    await look("log key", `${makeKeys} One that is lost: "safeconduct audit rotate --without-the-old-key".`, () =>
      ownFile(logKeyFile),
    ),
    await look("journal", JOURNAL_FIX, () => lookAtJournal(configuration)),
    ...(await lookAtDatabase(configuration)),
    ...(await lookAtServer(configuration)),
  ]
}

const JOURNAL_FIX =
  "Make room and give the folder to the server's user with mode 0700; what is owed is entered when a server runs with this folder."

/** Its path, when nobody but its owner can read or change it, nor put another in its place. */
function ownFile(path: string): string {
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} can be read by others; run "chmod 600" on it`)
  const folder = dirname(path)
  if ((statSync(folder).mode & 0o022) !== 0)
    throw new Error(`${folder} can be changed by others; run "chmod 700" on it`)
  return path
}

async function lookAtJournal({ journalFolder: folder }: Configuration): Promise<string> {
  if (!existsSync(folder)) return `none yet; ${folder} is made by the first server`
  // Before anything is tried there: of a folder that cannot even be listed that is the thing to say.
  readdirSync(folder)
  const journal = await openJournal({ folder, clock: systemClock, log: silentLog })
  await journal.load()
  const [odd] = journal.unreadable
  if (odd !== undefined) throw new Error(`${folder} holds ${odd}, which is no line of a journal`)
  const owed = journal.pending.length
  if (owed > 0) throw new Error(`${owed} things that were taken away are not in the log yet`)
  return `${folder}, nothing is owed`
}

const SERVER_FIX =
  'Do what it says; where none runs, start one: "safeconduct serve", or "safeconduct dev" on a laptop. ' +
  'A log that is forked goes on with "safeconduct audit rotate".'
const NAMES_FIX =
  "Set SAFECONDUCT_ISSUER and SAFECONDUCT_AGENTS_URL to the same values for every server and for this look."

async function lookAtServer(configuration: Configuration): Promise<Diagnosis[]> {
  const { opsAddress } = configuration
  const server = await look("a running server", SERVER_FIX, () => readiness(`http://${opsAddress}/readyz`))
  const answers = await fetch(`http://${opsAddress}/livez`, { signal: AbortSignal.timeout(3_000) }).then(
    ({ ok }) => ok,
    () => false,
  )
  const portsFix = "Stop the program that has it, or set another address."
  const next = answers
    ? await look("names", NAMES_FIX, () => lookAtNames(configuration))
    : await look("addresses", portsFix, async () => {
        await using _ports = await takePorts(configuration)
        return "free"
      })
  return [server, next]
}

async function readiness(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
  const { status, checks } = (await answer.json()) as {
    status: string
    checks: { name: string; problem: string | null }[]
  }
  const problems = checks.filter(({ problem }) => problem !== null).map(({ name, problem }) => `${name}: ${problem}`)
  if (problems.length > 0) throw new Error(problems.join("; "))
  return status
}

/** What the server publishes (RFC 8414) against what this configuration says: tokens are good for one issuer only. */
async function lookAtNames({ webAddress, issuer, agentsUrl, origins }: Configuration): Promise<string> {
  if (origins.issuer === "default" && origins.agentsUrl === "default") return "not set here"
  const url = `http://${webAddress}/.well-known/oauth-authorization-server`
  const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  const published = (await answer.json()) as { issuer: string; mtls_endpoint_aliases?: { token_endpoint?: string } }
  const agents = published.mtls_endpoint_aliases?.token_endpoint
  if (published.issuer !== issuer && origins.issuer !== "default") {
    throw new Error(`the server calls itself ${published.issuer}, and here the issuer is ${issuer}`)
  }
  if (origins.agentsUrl !== "default" && agents !== undefined && new URL(agents).origin !== new URL(agentsUrl).origin) {
    throw new Error(`the server sends agents to ${new URL(agents).origin}, and here it is ${agentsUrl}`)
  }
  return published.issuer
}
