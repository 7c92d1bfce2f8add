import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import type { Command } from "commander"
import { atServer, done, list, noun, remote, styleOf, verb } from "../command.ts"
import { printRow, printRows } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

/** Keys that the server signs with, and the files that hold the two it needs to start. */
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
    const { keyEncryptionKeyFile, logKeyFile } = configuration
    await createKeyEncryptionKeyOnce(keyEncryptionKeyFile)
    await createLogKeyOnce(configuration)
    printRow({ keyEncryptionKeyFile, logKeyFile }, styleOf(command))
    done("Keep a copy of both apart from the database's backups: without them a backup opens nothing.")
  })
}

/** 32 random bytes, base64url. Never over a file that is there: it may seal a database. */
async function createKeyEncryptionKeyOnce(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await writeFile(path, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600, flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}
