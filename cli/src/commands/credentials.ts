import type { Command } from "commander"
import { atServer, done, list, noun, pathOf, queryOf, remote, styleOf } from "../command.ts"
import { printRow, printRows, type Row } from "../output.ts"
import { addPostgres } from "./postgres.ts"

const COLUMNS = ["id", "resource", "operation", "agent", "session", "state", "expiresAt"]

/** Credentials: what was handed out, and the way to take it back. */
export function addCredentials(program: Command): void {
  const credentials = noun(program, "credentials", "Look at leases, take them back, prepare resources")

  remote(credentials, "leases", "List leases", [
    "safeconduct credentials leases",
    "safeconduct credentials leases --session session_… --state live --json",
  ])
    .option("--session <session>", "only those of one session")
    .option("--state <state>", "only those in one state: intended, live, revoking, revoked, expired, stuck")
    .action(async (options: { session?: string; state?: string }, command: Command) => {
      const path = `/v1/credentials/leases${queryOf({ session: options.session, state: options.state })}`
      const rows = await atServer(command, "Listing leases", (server) => list(server, path, "leases"))
      printRows(rows, COLUMNS, styleOf(command))
    })

  remote(credentials, "show <lease>", "Show one lease", ["safeconduct credentials show lease_…"]).action(
    async (id: string, _options, command: Command) => {
      const path = pathOf("v1", "credentials", "leases", id)
      const row = await atServer(command, "Looking", (server) => server.json<Row>({ method: "GET", path }))
      printRow(row, styleOf(command))
    },
  )

  remote(credentials, "resources", "List resources in force, and the account held at each", [
    "safeconduct credentials resources",
  ]).action(async (_options, command: Command) => {
    const rows = await atServer(command, "Listing resources", (server) =>
      list(server, "/v1/credentials/resources", "resources"),
    )
    printRows(rows, ["name", "engine", "operations", "username", "openLeases", "problem"], styleOf(command))
  })

  remote(credentials, "revoke <lease>", "Revoke a lease: its account is dropped and its connections are closed", [
    "safeconduct credentials revoke lease_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "credentials", "leases", id)
    const row = await atServer(command, "Revoking", (server) => server.json<Row | null>({ method: "DELETE", path }))
    if (styleOf(command).isJson) printRow(row ?? { id }, styleOf(command))
    done(`${id} is taken back.`)
  })

  addPostgres(credentials)
}
