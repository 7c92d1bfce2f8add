import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { enrol, loadIdentity, SafeconductError } from "@safeconduct/sdk"
import type { Command } from "commander"
import { styleOf, verb, wholeNumber } from "../command.ts"
import { openProviderBeside, PROVIDER } from "../embedded-provider.ts"
import { exits } from "../exit.ts"
import { FILES, findHome } from "../home.ts"
import { keepLogKey } from "../log-keys.ts"
import { printRow, printRows, say, withProgress, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

/** What a started server tells. */
type Started = {
  agentsUrl: string
  webUrl: string
  opsUrl: string
  trustDomain: string
  logKey: string
  operatorJoinToken?: string
}

type DevFlags = { file?: string; provider: boolean; providerPort: number }

/** Programs that stay up, and the one that prepares their database. */
export function addPrograms(program: Command): void {
  withSettings(
    verb(program, "dev", "Run everything on this machine: server, PostgreSQL, keys. Not for production", [
      "safeconduct dev",
      "safeconduct dev --file safeconduct.yaml",
    ])
      .option(
        "--file <file>",
        "a configuration to apply now and whenever it changes (default: safeconduct.yaml if there)",
      )
      .option("--provider-port <port>", "where Alice, Bob and Olga sign in, on loopback", wholeNumber(0), PROVIDER.port)
      .option("--no-provider", "without the embedded OpenID provider"),
  ).action(async (options: DevFlags, command: Command) => {
    const { createLog, dev } = await loadPrograms()
    const flags = givenSettings(command)
    const folder = resolve(flags.folder ?? findHome())
    const document = options.file ?? (existsSync("safeconduct.yaml") ? "safeconduct.yaml" : undefined)
    const log = createLog({ level: flags.logLevel ?? "warn" })
    await using stack = new AsyncDisposableStack()
    const running = await withProgress("Starting", async () =>
      stack.use(await dev({ folder, flags, log, ...(document !== undefined && { document }) })),
    )
    const provider = stack.use(await openProviderBeside(running, { ...options, issuer: flags.issuer, log }))
    const login = await logInHere(running, folder)
    announce(command, running, provider?.issuer ?? null, [
      ["look", `${running.webUrl}/dev  (what agents do, and a phone beside it)`],
      ["operator", login],
      ["keys, data", folder],
      ["configuration", document === undefined ? "none yet" : `${document}, applied on change`],
    ])
    say("\nDevelopment mode: keys and data lie in that folder, unprotected. Never put real data here.")
    say("\nNext, in another terminal:")
    say(document === undefined ? "  safeconduct init && safeconduct apply" : "  safeconduct agents list")
    say("  safeconduct audit verify\n\nCtrl-C stops it; the folder stays.")
    await untilStopped({ stop: () => stack.disposeAsync() })
  })

  withSettings(
    verb(program, "serve", "Run a server on a migrated database", [
      "DATABASE_URL=postgres://… safeconduct serve --trust-domain example.com",
    ]),
  ).action(async (_options, command: Command) => {
    const { createLog, readConfiguration, serve } = await loadPrograms()
    const configuration = readConfiguration(givenSettings(command))
    const log = createLog({ level: configuration.logLevel })
    const running = await withProgress("Starting", () => serve({ configuration, log }))
    announce(command, running, null, [])
    await untilStopped(running)
  })

  withSettings(
    verb(program, "migrate", "Bring the database to this version's schemas, as its owner", [
      "SAFECONDUCT_OWNER_URL=postgres://… safeconduct migrate",
    ]),
  ).action(async (_options, command: Command) => {
    const { migrateAll, readConfiguration } = await loadPrograms()
    const applied = await withProgress("Migrating", () => migrateAll(readConfiguration(givenSettings(command))))
    printRows(
      applied.map((migration) => ({ migration })),
      ["migration"],
      styleOf(command),
    )
    say(applied.length === 0 ? "The database was up to date." : `${applied.length} migrations applied.`)
    say(
      "Next: safeconduct serve, and once, for the first operator, on the server's host: safeconduct operators recover",
    )
  })
}

/** In development the first operator's token is used at once, so that every other command works. */
async function logInHere(running: Started, home: string): Promise<string> {
  await keepLogKey(running.logKey, join(home, FILES.logKey))
  const folder = join(home, FILES.operator)
  const { agentsUrl: url, operatorJoinToken: joinToken } = running
  if (joinToken !== undefined) {
    const { spiffeId } = await enrol({ url, joinToken, folder })
    return `logged in as ${spiffeId}`
  }
  const found = await loadIdentity(folder).catch((error: unknown) => {
    if (error instanceof SafeconductError) return null
    throw error
  })
  return found === null
    ? "not logged in here; use a join token with safeconduct login"
    : `logged in as ${found.spiffeId}`
}

function announce(command: Command, running: Started, provider: string | null, more: [string, string][]): void {
  const { agentsUrl, webUrl, opsUrl, trustDomain, logKey } = running
  const style = styleOf(command)
  if (style.isJson) {
    printRow({ agentsUrl, webUrl, opsUrl, trustDomain, logKey, ...(provider !== null && { provider }) }, style)
    return
  }
  const lines: [string, string][] = [
    ["agents", `${agentsUrl}  (TLS 1.3, client certificates)`],
    ["web", `${webUrl}/.well-known/oauth-authorization-server`],
    ["log", `${webUrl}/log/checkpoint`],
    ["health", `${opsUrl}/readyz`],
    ["trust domain", trustDomain],
    ["log key", logKey],
    ...(provider === null
      ? []
      : [["provider", `${provider}  (Alice, Bob and Olga sign in by a click)`] as [string, string]]),
    ...more,
  ]
  const width = Math.max(...lines.map(([name]) => name.length))
  for (const [name, value] of lines) writeOut(`  ${name.padEnd(width)}  ${value}`)
}

/** Waits for a signal, stops in order, and leaves the status that a shell expects of it. */
async function untilStopped(running: { stop(): Promise<void> }): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const each of ["SIGINT", "SIGTERM"] as const) process.once(each, resolve)
  })
  say("Stopping …")
  // Once more, and the default takes over: the process goes at once.
  await running.stop()
  process.exitCode = signal === "SIGINT" ? exits.interrupted : exits.ok
}
