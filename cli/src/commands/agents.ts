import type { Command } from "commander"
import { confirmByName } from "../ask.ts"
import { atServer, done, list, noun, pathOf, remote, styleOf } from "../command.ts"
import { exits } from "../exit.ts"
import { printRow, printRows, type Row, say, writeOut } from "../output.ts"
import { addAgentEnrol } from "./login.ts"

const COLUMNS = ["name", "state", "owner", "purposes", "instances"]

type Reason = { reason?: string }

/** Agents: who may act. They are registered by `apply`; here one looks, enrols and stops. */
export function addAgents(program: Command): void {
  const agents = noun(program, "agents", "Look at agents, let them join, stop them")

  remote(agents, "list", "List agents", [
    "safeconduct agents list",
    "safeconduct agents list --json | jq .name",
  ]).action(async (_options, command: Command) => {
    const rows = await atServer(command, "Listing agents", (server) => list(server, "/v1/agents", "agents"))
    printInstances(rows, COLUMNS, command)
  })

  remote(agents, "show <name>", "Show one agent", ["safeconduct agents show support-bot"]).action(
    async (name: string, _options, command: Command) => {
      const path = pathOf("v1", "agents", name)
      const row = await atServer(command, "Looking", (server) => server.json<Row>({ method: "GET", path }))
      printRow(row, styleOf(command))
    },
  )

  remote(agents, "join-token <name>", "Make a join token: one instance of the agent enrols with it, once", [
    "safeconduct agents join-token support-bot > token.txt",
  ]).action(async (name: string, _options, command: Command) => {
    const path = pathOf("v1", "agents", name, "join-tokens")
    await printJoinToken(command, path, {})
  })

  addAgentEnrol(agents)

  remote(agents, "suspend <name>", "Stop an agent: its sessions and connections end now; resume undoes it", [
    "safeconduct agents suspend support-bot --reason 'odd queries since 09:10'",
  ])
    .option("--reason <text>", "why, for the record")
    .action((name: string, { reason }: Reason, command: Command) =>
      change(command, name, { method: "POST", part: "suspension", word: "suspended", reason }),
    )

  remote(agents, "resume <name>", "Let a suspended agent act again", ["safeconduct agents resume support-bot"])
    .option("--reason <text>", "why, for the record")
    .action((name: string, { reason }: Reason, command: Command) =>
      change(command, name, { method: "DELETE", part: "suspension", word: "active again", reason }),
    )

  remote(agents, "revoke-instance <name> <instance>", "Stop one instance of an agent for good; the others go on", [
    "safeconduct agents revoke-instance support-bot instance_3679eg3hwbc5kwsd5gvmyq9eep",
  ])
    .option("--reason <text>", "why, for the record")
    .action(async (name: string, instance: string, { reason }: Reason, command: Command) => {
      const path = pathOf("v1", "agents", name, "instances", instance)
      const body = reason === undefined ? {} : { body: { reason } }
      const row = await atServer(command, "Asking the server", (server) =>
        server.json<Row>({ method: "DELETE", path, isRepeatable: true, ...body }),
      )
      if (styleOf(command).isJson) printRow(row, styleOf(command))
      const owed = row?.["detail"]
      const said = typeof owed === "string" ? owed : "Its sessions and leases have ended, and its key is refused."
      done(`${instance} is revoked. ${said}`)
    })

  remote(agents, "retire <name>", "Stop an agent for good", ["safeconduct agents retire support-bot --yes"])
    .option("--reason <text>", "why, for the record")
    .option("--yes", "do not ask")
    .action(async (name: string, { reason, yes }: Reason & { yes?: boolean }, command: Command) => {
      const isSure = await confirmByName(`Retiring ${name} cannot be undone.`, name, yes === true)
      if (isSure) await change(command, name, { method: "POST", part: "retirement", word: "retired", reason })
      else abandon()
    })
}

/** Principals, with their instances counted where a person reads. */
export function printInstances(rows: readonly Row[], columns: readonly string[], command: Command): void {
  const style = styleOf(command)
  const count = ({ instances }: Row) => (Array.isArray(instances) ? instances.length : 0)
  printRows(style.isJson ? rows : rows.map((row) => ({ ...row, instances: count(row) })), columns, style)
}

/** Prints a join token on stdout and its end on stderr. */
export async function printJoinToken(command: Command, path: string, body: object): Promise<void> {
  const answer = await atServer(command, "Making a join token", (server) =>
    server.json<{ token: string; expiresAt: string }>({ method: "POST", path, body }),
  )
  const style = styleOf(command)
  if (style.isJson) return printRow(answer, style)
  writeOut(answer.token)
  done(`Good for one enrolment until ${answer.expiresAt}. Whoever has it can enrol: hand it over like a password.`)
}

/** Says that nothing was done, in the exit status too. */
export function abandon(): void {
  say("Nothing was changed.")
  process.exitCode = exits.failed
}

type Change = { method: "POST" | "DELETE"; part: string; word: string; reason: string | undefined }

async function change(command: Command, name: string, { method, part, word, reason }: Change): Promise<void> {
  const path = pathOf("v1", "agents", name, part)
  const row = await atServer(command, "Asking the server", (server) =>
    server.json<Row | null>({ method, path, isRepeatable: true, ...(reason !== undefined && { body: { reason } }) }),
  )
  if (styleOf(command).isJson) printRow(row ?? { name }, styleOf(command))
  // There is a detail when the server could not record it yet.
  done(typeof row?.["detail"] === "string" ? `${name} is ${word}. ${row["detail"]}` : `${name} is ${word}.`)
}
