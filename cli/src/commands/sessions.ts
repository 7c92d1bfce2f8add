import type { Command } from "commander"
import { atServer, done, list, noun, pathOf, queryOf, remote, styleOf } from "../command.ts"
import { type Explanation, explained } from "../explanation.ts"
import { printRow, printRows, type Row, writeOut } from "../output.ts"
import { drawn, type TreeSession } from "../tree.ts"
import { addProviders } from "./providers.ts"

const TREE_COLUMNS = ["agent", "purpose", "state", "user", "application", "id"]
const COLUMNS = ["id", "agent", "purpose", "state", "openedAt", "expiresAt", "hardEndAt"]

/** Sessions: who acts for what, and the way to end it. */
export function addSessions(program: Command): void {
  const sessions = noun(program, "sessions", "Look at sessions and end them")

  remote(sessions, "list", "List sessions, newest first", [
    "safeconduct sessions list",
    "safeconduct sessions list --state open --agent support-bot",
  ])
    .option("--state <state>", "only open or ended ones")
    .option("--agent <name>", "only those of one agent")
    .action(async (options: { state?: string; agent?: string }, command: Command) => {
      const path = `/v1/sessions${queryOf({ state: options.state, agent: options.agent })}`
      const rows = await atServer(command, "Listing sessions", (server) => list(server, path, "sessions"))
      printRows(rows, COLUMNS, styleOf(command))
    })

  remote(sessions, "show <session>", "Show one session", ["safeconduct sessions show session_…"]).action(
    async (id: string, _options, command: Command) => {
      const path = pathOf("v1", "sessions", id)
      const row = await atServer(command, "Looking", (server) => server.json<Row>({ method: "GET", path }))
      printRow(row, styleOf(command))
    },
  )

  remote(sessions, "explain <session>", "Say what a session may do now, and what it has used up and seen", [
    "safeconduct sessions explain session_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "sessions", id, "explanation")
    const answer = await atServer(command, "Looking", (server) => server.json<Row>({ method: "GET", path }))
    if (styleOf(command).isJson) return printRow(answer, styleOf(command))
    for (const line of explained(answer as Explanation)) writeOut(line)
  })

  remote(
    sessions,
    "tree [session]",
    "Draw who handed what on to whom: one session's whole chain, or all that is open",
    ["safeconduct sessions tree", "safeconduct sessions tree session_…"],
  ).action(async (id: string | undefined, _options, command: Command) => {
    const path = id === undefined ? "/v1/sessions?state=open&limit=500" : pathOf("v1", "sessions", id, "tree")
    const rows = await atServer(command, "Looking", (server) => list(server, path, "sessions"))
    const style = styleOf(command)
    printRows(style.isJson ? rows : drawn(rows as TreeSession[]), TREE_COLUMNS, style)
  })

  remote(sessions, "end <session>", "End a session: its leases are revoked and their connections closed", [
    "safeconduct sessions end session_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "sessions", id)
    const answer = await atServer(command, "Ending the session", (server) =>
      server.json<{ leases?: Row[]; detail?: string } & Row>({ method: "DELETE", path }),
    )
    if (styleOf(command).isJson) printRow(answer, styleOf(command))
    if (answer.detail !== undefined) return done(answer.detail, `safeconduct audit list --session ${id}`)
    const leases = answer.leases ?? []
    done(
      `${id} is over; ${leases.length} ${leases.length === 1 ? "lease was" : "leases were"} taken back.`,
      `safeconduct audit list --session ${id}`,
    )
  })

  addProviders(sessions)
}
