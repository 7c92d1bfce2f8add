import { readFile } from "node:fs/promises"
import type { Command } from "commander"
import { atServer, done, noun, pathOf, remote, styleOf, verb } from "../command.ts"
import { CommandError, exits, usage } from "../exit.ts"
import { printRow, printRows, say, withProgress, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { readSecret } from "../secrets.ts"

type SpecOptions = {
  file: string
  account: string
  schema: string[]
  adminUrl?: string
  adminUrlFile?: string
}

/** PostgreSQL as a resource: what a DBA has to do once, done or printed, and handing the account over. */
export function addPostgres(credentials: Command): void {
  const postgres = noun(credentials, "postgres", "Prepare a PostgreSQL, hand its account over, check it")

  prepared(postgres, "prepare <resource>", "Print what a resource of safeconduct.yaml needs, or make it so", [
    "safeconduct credentials postgres prepare kb > prepare.sql",
    "safeconduct credentials postgres prepare kb --apply --admin-url - < admin-url.txt | safeconduct credentials postgres configure kb --password -",
  ])
    .option("--apply", "run the statements, over the DBA's own connection")
    .action(async (resource: string, options: SpecOptions & { apply?: boolean }, command: Command) => {
      const { applyPrepare, createLog, prepareStatements } = await loadPrograms()
      const spec = await specOf(resource, options)
      const style = styleOf(command)
      if (!options.apply) {
        const statements = prepareStatements(spec)
        if (style.isJson) for (const statement of statements) printRow({ statement }, style)
        else for (const statement of statements) writeOut(`${statement};`)
        return say("Read them, then run them as the DBA, or repeat this with --apply.")
      }
      const root = await withProgress("Preparing", async () =>
        applyPrepare(await adminUrl(options), spec, createLog({ level: "warn" })),
      )
      if (spec.groups.some(({ bindsUser }) => bindsUser)) {
        say(
          `Next: row-level rules, and who changed a row: docs/how-to/row-level-security.md. Then "check ${resource}".`,
        )
      }
      if (root === null) return say(`Prepared. ${spec.account} was there; its password is as it was.`)
      // The first password, for `configure`, which replaces it at once. Never on a terminal, where it would stay to be seen.
      if (process.stdout.isTTY) {
        const message = `Prepared, with a new account ${spec.account}. Set a password of your own for it, or pipe this command into "configure".`
        return say(message)
      }
      if (style.isJson) printRow({ username: root.username, password: root.password.reveal() }, style)
      else writeOut(root.password.reveal())
      done(`Prepared, with a new account ${spec.account}; its first password went to standard output.`)
    })

  prepared(postgres, "check <resource>", "Say what a resource still lacks, as the DBA sees it", [
    "safeconduct credentials postgres check kb --admin-url - < admin-url.txt",
  ]).action(async (resource: string, options: SpecOptions, command: Command) => {
    const { checkPrepared } = await loadPrograms()
    const spec = await specOf(resource, options)
    const findings = await withProgress("Checking", async () => checkPrepared(await adminUrl(options), spec))
    printRows(findings, ["level", "what", "fix"], styleOf(command))
    if (findings.some(({ level }) => level !== "warning")) {
      throw new CommandError(exits.failed, "resource-unprepared", `${resource} is not prepared; the fixes are above.`)
    }
    say(`${resource} is prepared.`)
  })

  remote(postgres, "configure <resource>", "Hand the account over: its password is replaced by one that nobody knows", [
    "safeconduct credentials postgres configure kb --password - < password.txt",
  ])
    .option("--account <name>", "name of the account", "safeconduct")
    .option("--password <->", 'read the current password from standard input ("-")')
    .option("--password-file <file>", "read the current password from a file")
    .action(
      async (
        resource: string,
        options: { account: string; password?: string; passwordFile?: string },
        command: Command,
      ) => {
        const password = await readSecret({
          what: "the account's password",
          flag: options.password,
          flagName: "--password",
          file: options.passwordFile,
        })
        const path = pathOf("v1", "credentials", "resources", resource, "root")
        const body = { username: options.account, password }
        const answer = await atServer(command, "Handing the account over", (server) =>
          // Not repeated: after a lost answer the password may have been replaced already.
          server.json<Configured>({ method: "PUT", path, body, isRepeatable: false, timeoutMs: 30_000 }),
        )
        if (styleOf(command).isJson) printRow(answer, styleOf(command))
        for (const { what, fix } of answer.warnings) say(`warning: ${what} Fix: ${fix}`)
        done(`${resource} is configured. The password you gave no longer works: only the server knows the new one.`)
      },
    )
}

function prepared(parent: Command, usageLine: string, summary: string, examples: string[]): Command {
  return verb(parent, usageLine, summary, examples)
    .option("--file <file>", "the configuration that describes the resource", "safeconduct.yaml")
    .option("--account <name>", "name of the account that Safeconduct will hold", "safeconduct")
    .option("--schema <name...>", "schemas that the group roles may read", ["public"])
    .option("--admin-url <->", 'read the DBA\'s connection URL from standard input ("-")')
    .option("--admin-url-file <file>", "read the DBA's connection URL from a file")
}

/** What `prepare` needs to know, from the resource's part of the configuration. */
async function specOf(resource: string, { file, account, schema }: SpecOptions) {
  const { readDocument } = await loadPrograms()
  await readFile(file).catch(() => {
    throw usage(`There is no ${file}. Name the configuration with --file.`)
  })
  const resources = readDocument(file).resources as Record<string, ResourcePart | undefined>
  const part = resources[resource]
  if (part?.engine !== "postgres" || part.operations === undefined) {
    throw new CommandError(
      exits.notFound,
      "resource-unknown",
      `${file} has no resource "${resource}" of engine postgres.`,
    )
  }
  const operations = Object.values(part.operations)
  const roles = [...new Set(operations.map(({ groupRole }) => groupRole))]
  const groups = roles.map((role) => ({
    role,
    schemas: schema,
    bindsUser: operations.some(({ groupRole, bindsUser }) => groupRole === role && bindsUser === true),
    requiresApproval: operations.some(({ groupRole, approval }) => groupRole === role && approval === "required"),
  }))
  return { database: part.database, account, groups }
}

/** What handing over answers: the account, and what could be better at the resource. */
type Configured = { resource: string; username: string; warnings: { what: string; fix: string }[] }

type ResourcePart = {
  engine: string
  database: string
  operations: Record<string, { groupRole: string; bindsUser?: boolean; approval?: string }>
}

function adminUrl({ adminUrl: flag, adminUrlFile: file }: SpecOptions): Promise<string> {
  return readSecret({ what: "the DBA's connection URL", flag, flagName: "--admin-url", file })
}
