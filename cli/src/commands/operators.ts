import type { Command } from "commander"
import { confirmByName } from "../ask.ts"
import { atServer, done, list, noun, pathOf, remote, styleOf, verb } from "../command.ts"
import { usage } from "../exit.ts"
import { printRow, type Row, withProgress, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"
import { abandon, printInstances, printJoinToken } from "./agents.ts"
import { addLogin } from "./login.ts"

const ROLES = ["admin", "operator", "auditor", "approver"]

/** Operators: people and programs that run Safeconduct, each with an identity and roles of their own. */
export function addOperators(program: Command): void {
  const operators = noun(program, "operators", "Look at operators and let them join")

  remote(operators, "list", "List operators", ["safeconduct operators list"]).action(
    async (_options, command: Command) => {
      const rows = await atServer(command, "Listing operators", (server) =>
        list(server, "/v1/agents/operators", "operators"),
      )
      printInstances(rows, ["name", "roles", "state", "signedInUntil", "instances"], command)
    },
  )

  remote(operators, "join-token <name>", "Make a join token for an operator, who logs in with it once", [
    "safeconduct operators join-token alice --role admin > token.txt",
    "safeconduct operators join-token siem --role auditor",
  ])
    .option("--role <role...>", `one or more of ${ROLES.join(", ")}; needed for a new operator`)
    .action(async (name: string, options: { role?: string[] }, command: Command) => {
      const unknown = options.role?.find((role) => !ROLES.includes(role))
      if (unknown !== undefined) throw usage(`There is no role "${unknown}"; there are ${ROLES.join(", ")}.`)
      const path = pathOf("v1", "agents", "operators", name, "join-tokens")
      await printJoinToken(command, path, { ...(options.role && { roles: options.role }) })
    })

  withSettings(
    verb(
      operators,
      "recover [name]",
      "Make an admin's join token on the server's host: the first one, or when all keys are lost",
      [
        "safeconduct operators recover > token.txt",
        "safeconduct operators recover alice --key-encryption-key-file /etc/safeconduct/kek",
      ],
    ),
  ).action(async (name: string | undefined, _options, command: Command) => {
    const { createLog, readConfiguration, recoverOperator } = await loadPrograms()
    const configuration = readConfiguration(givenSettings(command))
    const log = createLog({ level: "error" })
    const { token, expiresAt } = await withProgress("Opening the database", () =>
      recoverOperator(configuration, name ?? "admin", log),
    )
    const row = { token: token.reveal(), expiresAt: expiresAt.toISOString() }
    if (styleOf(command).isJson) printRow(row, styleOf(command))
    else writeOut(row.token)
    done(
      `It can be used once, until ${row.expiresAt}: safeconduct login --url <agents' URL> --join-token-file token.txt`,
    )
  })

  addLogin(operators, "enrol")

  remote(operators, "retire <name>", "End an operator's rights for good", [
    "safeconduct operators retire alice --reason 'left the team'",
  ])
    .requiredOption("--reason <text>", "why, for the record")
    .option("--yes", "do not ask")
    .action(async (name: string, { reason, yes }: { reason: string; yes?: boolean }, command: Command) => {
      if (!(await confirmByName(`Retiring ${name} cannot be undone.`, name, yes === true))) return abandon()
      const path = pathOf("v1", "agents", "operators", name, "retirement")
      const row = await atServer(command, "Asking the server", (server) =>
        server.json<Row>({ method: "POST", path, body: { reason }, isRepeatable: true }),
      )
      if (styleOf(command).isJson) printRow(row, styleOf(command))
      done(`${name} is retired.`)
    })
}
