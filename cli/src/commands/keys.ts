import type { Command } from "commander"
import { atServer, done, list, noun, remote, styleOf, verb } from "../command.ts"
import { printRow, printRows } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

/** Keys that the server signs with. */
export function addKeys(program: Command): void {
  const keys = noun(program, "keys", "Make the server's key files, look at its signing keys")
  remote(keys, "list", "List keys: what each signs, and since when", ["safeconduct keys list"]).action(
    async (_options, command: Command) => {
      const rows = await atServer(command, "Listing keys", (server) => list(server, "/v1/keys", "keys"))
      printRows(rows, ["kid", "use", "activeFrom", "retiredAt"], styleOf(command))
    },
  )

  withSettings(
    verb(keys, "create", "Make the key files that a server needs and that are not there yet", [
      "safeconduct keys create --folder /var/lib/safeconduct",
    ]),
  ).action(async (_options, command: Command) => {
    const { createLogKeyOnce, readConfiguration } = await loadPrograms()
    const configuration = readConfiguration(givenSettings(command))
    await createLogKeyOnce(configuration)
    const { keyEncryptionKeyFile, logKeyFile } = configuration
    printRow({ keyEncryptionKeyFile, logKeyFile }, styleOf(command))
    done("Keep a copy of both apart from the database's backups: without them a backup opens nothing.")
  })
}
