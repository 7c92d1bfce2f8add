import type { Command } from "commander"
import { atServer, done, list, pathOf, queryOf, remote, styleOf } from "../command.ts"
import { usage } from "../exit.ts"
import { printRow, printRows, type Row, say } from "../output.ts"

const COLUMNS = ["id", "state", "rung", "agent", "resource", "operation", "user", "requestedAt", "decidedAt"]
const GRANT_COLUMNS = ["id", "isStanding", "left", "of", "agent", "resource", "operation", "user", "until"]
const REPORT_COLUMNS = ["id", "agent", "user", "reporter", "reportedAt", "liftedAt", "liftedBy"]
const POLICY_COLUMNS = ["policy", "requests", "approvalRate", "medianSeconds", "denied", "reported", "expired"]

/** What people were asked and what they said, leave that they gave, agents that they reported. */
export function addAsked(approvals: Command): void {
  addRequests(approvals)
  addGrants(approvals)
  addReports(approvals)
}

function addRequests(approvals: Command): void {
  remote(approvals, "list", "List requests for approval, newest first", [
    "safeconduct approvals list",
    "safeconduct approvals list --state requested --agent hr-agent",
  ])
    .option("--state <state>", "requested, approved, denied, reported, expired or withdrawn")
    .option("--agent <name>", "only those of one agent")
    .option("--session <session>", "only those of one session")
    .action(async ({ state, agent, session }: Record<string, string>, command: Command) => {
      const path = `/v1/approvals${queryOf({ state, agent, session })}`
      const rows = await atServer(command, "Listing requests", (server) => list(server, path, "approvals"))
      printRows(rows, COLUMNS, styleOf(command))
    })

  remote(approvals, "show <approval>", "Show one request: who was asked, who said what, what it was used for", [
    "safeconduct approvals show approval_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "approvals", id)
    printRow(
      await atServer(command, "Looking", (server) => server.json<Row>({ method: "GET", path })),
      styleOf(command),
    )
  })

  remote(approvals, "report", "Say how much people are asked, how they decide, and what to change", [
    "safeconduct approvals report",
    "safeconduct approvals report --since 30d --json",
  ])
    .option("--since <period>", "the last so many hours or days, such as 12h or 7d", "7d")
    .action(async ({ since }: { since: string }, command: Command) => {
      const path = `/v1/approvals/report${queryOf({ hours: String(hoursOf(since)) })}`
      const report = await atServer(command, "Counting", (server) => server.json<Fatigue>({ method: "GET", path }))
      printFatigue(report, command)
    })
}

function addGrants(approvals: Command): void {
  remote(approvals, "grants", "List leave that users gave agents for more of the same, and how much is left of it", [
    "safeconduct approvals grants",
    "safeconduct approvals grants --user user_…",
  ])
    .option("--user <user>", "only what one user gave")
    .option("--session <session>", "only what holds in one session")
    .action(async ({ user, session }: Record<string, string>, command: Command) => {
      const path = `/v1/approvals/grants${queryOf({ user, session })}`
      const rows = await atServer(command, "Listing leave", (server) => list(server, path, "grants"))
      printRows(rows, GRANT_COLUMNS, styleOf(command))
    })

  remote(approvals, "revoke-grant <grant>", "Take leave back: what it covers is asked about again", [
    "safeconduct approvals revoke-grant grant_…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = pathOf("v1", "approvals", "grants", id)
    const row = await atServer(command, "Taking it back", (server) => server.json<Row>({ method: "DELETE", path }))
    if (styleOf(command).isJson) printRow(row, styleOf(command))
    done(`${id} is over; what it covers is asked about again.`, "safeconduct approvals grants")
  })
}

function addReports(approvals: Command): void {
  remote(approvals, "reports", "List agents that somebody reported, those that are stopped first", [
    "safeconduct approvals reports",
  ]).action(async (_options, command: Command) => {
    const rows = await atServer(command, "Listing reports", (server) =>
      list(server, "/v1/approvals/reports", "reports"),
    )
    printRows(rows, REPORT_COLUMNS, styleOf(command))
  })

  remote(approvals, "lift <report>", "Let an agent act again that somebody else reported", [
    'safeconduct approvals lift report_… --reason "it was a test"',
  ])
    .option("--reason <text>", "why, for the record")
    .action(async (id: string, { reason }: { reason?: string }, command: Command) => {
      const path = pathOf("v1", "approvals", "reports", id)
      const body = reason === undefined ? {} : { reason }
      const row = await atServer(command, "Lifting it", (server) => server.json<Row>({ method: "DELETE", path, body }))
      if (styleOf(command).isJson) printRow(row, styleOf(command))
      done(`${String(row["agent"])} may act again.`, "safeconduct approvals reports")
    })
}

/** What GET /v1/approvals/report answers, as far as it is drawn. */
type Fatigue = {
  since: string
  actions: number
  asked: { requests: number; cards: number; per100Actions: number | null; approvalRate: number | null }
  pace: { decisions: number; medianSeconds: number | null; fastShare: number | null }
  policies: Row[]
  people: { user: string; cards: number; perHour: number; mostInAnHour: number }[]
  proposals: { words: string }[]
}

function printFatigue(report: Fatigue, command: Command): void {
  const style = styleOf(command)
  if (style.isJson) {
    printRow(report, style)
    return
  }
  const { actions, asked, pace, policies, people, proposals } = report
  printRows(policies.map(rounded), POLICY_COLUMNS, style)
  const per100 = asked.per100Actions === null ? "" : `, ${asked.per100Actions.toFixed(1)} per 100 actions`
  say(`Since ${report.since}: ${asked.requests} requests on ${asked.cards} cards, for ${actions} actions${per100}.`)
  if (pace.medianSeconds !== null) {
    const fast = `${percent(pace.fastShare)} of ${pace.decisions} decisions within two seconds`
    say(
      `Half were decided within ${pace.medianSeconds.toFixed(1)} s; ${fast}; ${percent(asked.approvalRate)} approved.`,
    )
  }
  for (const { user, cards, perHour, mostInAnHour } of people) {
    say(`${user} saw ${cards} cards, ${perHour.toFixed(2)} an hour, at most ${mostInAnHour} in one.`)
  }
  for (const { words } of proposals) say(words)
}

function rounded(row: Row): Row {
  const { policy, approvalRate, medianSeconds, ...rest } = row as Row & { [name: string]: number | null }
  return {
    ...rest,
    policy: policy ?? "(nobody could verify it)",
    approvalRate: percent(approvalRate ?? null),
    medianSeconds: medianSeconds?.toFixed(1) ?? "",
  }
}

function percent(share: number | null): string {
  return share === null ? "" : `${(share * 100).toFixed(0)} %`
}

/** Hours of a period that an option gives; at most what the server takes. */
export function hoursOf(text: string): number {
  const [, count = "", unit = ""] = /^([1-9]\d{0,3})([hd])$/.exec(text) ?? []
  const hours = Number(count) * (unit === "d" ? 24 : 1)
  if (hours < 1 || hours > 9_999) throw usage("--since is a number of hours or days, such as 12h or 7d.")
  return hours
}
