import type { Command } from "commander"
import { confirm } from "../ask.ts"
import { atServer, done, remote, styleOf } from "../command.ts"
import { printRow, say, writeOut } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { abandon } from "./agents.ts"

type ApplyOptions = { yes?: boolean; dryRun?: boolean }
type Difference = { digest: string | null; lines: string[] }

/** Puts safeconduct.yaml in force: purposes, resources, agents and policies, all or nothing, after showing what changes. */
export function addApply(program: Command): void {
  remote(program, "apply [file]", "Put safeconduct.yaml in force, after showing what would change", [
    "safeconduct apply",
    "safeconduct apply deploy/safeconduct.yaml --dry-run",
    "safeconduct apply --yes --json",
  ])
    .option("--dry-run", "show what would change and change nothing")
    .option("--yes", "do not ask")
    .action(async (file: string | undefined, options: ApplyOptions, command: Command) => {
      const { readDocument } = await loadPrograms()
      const document = readDocument(file ?? "safeconduct.yaml")
      const style = styleOf(command)
      const difference = await atServer(command, "Comparing", (server) =>
        server.json<Difference>({ method: "POST", path: "/v1/policy/diff", body: { document }, isRepeatable: true }),
      )
      if (style.isJson) {
        if (options.dryRun) return printRow({ ...difference, isApplied: false }, style)
      } else for (const line of difference.lines) writeOut(line)
      if (difference.lines.length === 0) {
        if (style.isJson) printRow({ ...difference, isApplied: false }, style)
        return say("Nothing would change.")
      }
      if (options.dryRun) return say("Nothing was changed (--dry-run).")
      if (!(await confirm("Put this in force?", options.yes === true))) return abandon()
      // The digest that the difference was shown against: when another version came in between, nothing is applied.
      const body = { document, expected: difference.digest }
      const applied = await atServer(command, "Applying", (server) =>
        server.json<{ digest: string; lines: string[]; id?: string; expiresAt?: string }>({
          method: "PUT",
          path: "/v1/policy",
          body,
          isRepeatable: false,
        }),
      )
      if (applied.id !== undefined) {
        if (style.isJson) printRow({ ...applied, isApplied: false }, style)
        return done(
          `Not in force yet: a second operator has to sign it by ${applied.expiresAt}.`,
          `safeconduct policy approve ${applied.id}    # as another operator`,
        )
      }
      if (style.isJson) printRow({ ...applied, isApplied: true }, style)
      done(`In force: ${applied.digest}.`, "safeconduct agents list")
    })
}
