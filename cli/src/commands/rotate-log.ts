import type { Command } from "commander"
import { done, styleOf, verb } from "../command.ts"
import { printRow, say, withProgress } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

type RotateOptions = { reason: string; closeAWholeLog?: boolean; withoutTheOldKey?: boolean }

/** Begins the next log, on a server's host, where one cannot go on. */
export function addRotate(audit: Command): void {
  withSettings(
    verb(
      audit,
      "rotate",
      "Close a log that cannot go on (restored, cut, rewritten) and begin the next; on a server's host, as the database's owner",
      [
        "SAFECONDUCT_OWNER_URL=postgres://… safeconduct audit rotate --reason 'restored the backup of Monday'",
        "SAFECONDUCT_OWNER_URL=postgres://… safeconduct audit rotate --reason 'both hosts burnt' --without-the-old-key",
      ],
    ),
  )
    .requiredOption("--reason <text>", "why, for the record")
    .option("--close-a-whole-log", "end a log that nothing is wrong with")
    .option(
      "--without-the-old-key",
      "end a log whose key is lost on every host: nothing more is signed for it, and auditors are told so for ever",
    )
    .action(async (options: RotateOptions, command: Command) => {
      const { reason } = options
      const { createLog, readConfiguration, rotateLog, rotateLogWithoutTheOldKey } = await loadPrograms()
      const configuration = readConfiguration(givenSettings(command))
      const log = createLog({ level: "error" })
      const begun = await withProgress("Closing the log", () =>
        options.withoutTheOldKey === true
          ? rotateLogWithoutTheOldKey(configuration, reason, log)
          : rotateLog(configuration, { reason, closesWholeLog: options.closeAWholeLog === true }, log),
      )
      const { before, origin, vkey } = begun
      printRow(
        { origin, vkey, closed: before.log, kept: before.kept, signed: before.signed, why: before.why },
        styleOf(command),
      )
      if (before.signed !== null && before.signed > before.kept) {
        say(`${before.signed - before.kept} entries that were signed are not in this database. They are gone.`)
      }
      say(`Copy ${configuration.logKeyFile} to every server's host, and restart the servers.`)
      done(
        "Tell auditors the new public key. What was taken away since the backup is to be taken away again: see the documentation.",
        "safeconduct doctor",
      )
    })
}
