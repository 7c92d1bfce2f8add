import type { Command } from "commander"
import { atServer, done, list, noun, pathOf, remote, styleOf } from "../command.ts"
import { printRow, printRows, type Row } from "../output.ts"
import { readSecret } from "../secrets.ts"

const COLUMNS = ["name", "hasSecret"]

/** Ways to tell people that something waits for them, the secrets by which their servers know us, and forgetting a person. */
export function addChannels(approvals: Command): void {
  const channels = noun(approvals, "channels", "Look at the ways to tell people, and hand over their secrets")

  remote(channels, "list", "List the channels in force, and which of them still want a secret", [
    "safeconduct approvals channels list",
  ]).action(async (_options, command: Command) => {
    const path = "/v1/approvals/channels"
    const rows = await atServer(command, "Reading the channels", (server) => list(server, path, "channels"))
    printRows(rows, COLUMNS, styleOf(command))
  })

  remote(channels, "set-secret <channel>", "Hand over a mailbox's password, a gateway's token or a webhook's secret", [
    "safeconduct approvals channels set-secret sms --secret - < token.txt",
  ])
    .option("--secret <->", 'read the secret from standard input ("-")')
    .option("--secret-file <file>", "read the secret from a file")
    .action(async (channel: string, options: { secret?: string; secretFile?: string }, command: Command) => {
      const secret = await readSecret({
        what: "the channel's secret",
        flag: options.secret,
        flagName: "--secret",
        file: options.secretFile,
      })
      const path = pathOf("v1", "approvals", "channels", channel, "secret")
      const answer = await atServer(command, "Handing the secret over", (server) =>
        server.json<Row>({ method: "PUT", path, body: { secret } }),
      )
      if (styleOf(command).isJson) printRow(answer, styleOf(command))
      done(`${channel} has its secret, for the place in force.`, "safeconduct approvals channels list")
    })

  remote(approvals, "forget <user>", "Erase how a person is reached, by the id that stands for them", [
    "safeconduct approvals forget user_8d1c…",
  ]).action(async (user: string, _options, command: Command) => {
    const path = pathOf("v1", "approvals", "people", user)
    const answer = await atServer(command, "Erasing", (server) => server.json<Row>({ method: "DELETE", path }))
    if (styleOf(command).isJson) printRow(answer, styleOf(command))
    done(`${user} is reached nowhere any more.`)
  })
}
