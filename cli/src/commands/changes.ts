import type { Command } from "commander"
import { confirm } from "../ask.ts"
import { atServer, done, list, pathOf, remote, styleOf } from "../command.ts"
import { findOperator, type RemoteOptions } from "../operator.ts"
import { printRow, printRows, say, writeOut } from "../output.ts"
import { signChange } from "../sign-change.ts"
import { abandon } from "./agents.ts"

/** A change that another operator proposed. */
type WaitingChange = {
  id: string
  digest: string
  expected: string | null
  issuer: string
  proposedBy: string
  lines: string[]
}

const COLUMNS = ["id", "state", "proposedBy", "proposedAt", "expiresAt", "decidedBy"]

/** What waits for a second operator, and that operator's answer. */
export function addChanges(policy: Command): void {
  remote(policy, "changes", "List changes of the configuration that wait for a second operator, or did", [
    "safeconduct policy changes",
  ]).action(async (_options, command: Command) => {
    const rows = await atServer(command, "Listing changes", (server) => list(server, "/v1/policy/changes", "changes"))
    printRows(rows, COLUMNS, styleOf(command))
  })

  remote(
    policy,
    "approve <change>",
    "Sign what another operator wants to apply, after showing it; then it is in force",
    ["safeconduct policy approve change_01h…", "safeconduct policy approve change_01h… --yes --json"],
  )
    .option("--yes", "do not ask")
    .action(async (id: string, { yes }: { yes?: boolean }, command: Command) => {
      const style = styleOf(command)
      const path = pathOf("v1", "policy", "changes", id)
      const change = await atServer(command, "Reading", (server) =>
        server.json<WaitingChange>({ method: "GET", path, isRepeatable: true }),
      )
      if (!style.isJson) {
        say(`${change.proposedBy} wants to put this in force:`)
        for (const line of change.lines) writeOut(line)
      }
      if (!(await confirm("Sign it and put it in force?", yes === true))) return abandon()
      const identity = await findOperator(command.optsWithGlobals<RemoteOptions>())
      const { digest, expected, issuer } = change
      // What is signed is what was shown: the server applies the document of this digest, over that version, or nothing.
      const signature = signChange(identity, { change: id, digest, expected, issuer })
      const applied = await atServer(command, "Applying", (server) =>
        server.json<{ digest: string; lines: string[] }>({
          method: "POST",
          path: `${path}/approval`,
          body: { signature },
          isRepeatable: false,
        }),
      )
      if (style.isJson) printRow({ ...applied, isApplied: true }, style)
      done(`In force: ${applied.digest}.`, "safeconduct agents list")
    })

  remote(policy, "deny <change>", "Deny a change that waits for a second operator", [
    "safeconduct policy deny change_01h…",
  ]).action(async (id: string, _options, command: Command) => {
    const path = `${pathOf("v1", "policy", "changes", id)}/denial`
    await atServer(command, "Denying", (server) => server.json({ method: "POST", path, isRepeatable: false }))
    printRow({ id, state: "denied" }, styleOf(command))
    done("It is not put in force.")
  })
}
