import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import type { Command } from "commander"
import { atServer, done, list, noun, pathOf, remote, styleOf, verb } from "../command.ts"
import { usage } from "../exit.ts"
import { printRow, printRows } from "../output.ts"
import { loadPrograms } from "../programs.ts"
import { givenSettings, withSettings } from "../settings.ts"

const ROTATED = ["token", "ca-intermediate", "log", "key-encryption"]
const IN_FILES = ["log", "key-encryption"]

/** Keys that the server signs and seals with, and the files that hold the two it needs to start. */
export function addKeys(program: Command): void {
  const keys = noun(program, "keys", "Make the server's key files, look at its keys and rotate them")
  remote(keys, "list", "List keys: what each is for, and since when", ["safeconduct keys list"]).action(
    async (_options, command: Command) => {
      const rows = await atServer(command, "Listing keys", (server) => list(server, "/v1/keys", "keys"))
      printRows(rows, ["kid", "use", "state", "activeFrom", "retiredAt"], styleOf(command))
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
  addRotation(keys)
}

function addRotation(keys: Command): void {
  remote(keys, "rotate <use>", `Go over to the next key, while servers run: ${ROTATED.join(", ")}`, [
    "safeconduct keys rotate token",
    "safeconduct keys rotate key-encryption    # after keys add key-encryption on every server's host",
  ]).action(async (use: string, _options, command: Command) => {
    if (!ROTATED.includes(use)) throw usage(`There is no key "${use}" to rotate; there are ${ROTATED.join(", ")}.`)
    const path = pathOf("v1", "keys", use, "rotation")
    const answer = await atServer(command, "Going over", (server) =>
      server.json<{ use: string; kid: string; next: string }>({ method: "POST", path, timeoutMs: ROTATION_MS }),
    )
    printRow({ use: answer.use, kid: answer.kid }, styleOf(command))
    done(answer.next)
  })

  withSettings(
    verb(
      keys,
      "add <use>",
      `Put a new key into its file on this host, for rotate to go over to: ${IN_FILES.join(", ")}`,
      ["safeconduct keys add log --folder /var/lib/safeconduct"],
    ),
  ).action(async (use: string, _options, command: Command) => {
    const { addKey, keysInFiles, readConfiguration } = await loadPrograms()
    const known = keysInFiles.find((each) => each === use)
    if (known === undefined) throw usage(`Keys in files are ${IN_FILES.join(", ")}; the others rest in the database.`)
    const added = await addKey(readConfiguration(givenSettings(command)), known)
    printRow(added, styleOf(command))
    done(`Copy ${added.file} to every server's host.`, `safeconduct keys rotate ${use}`)
  })

  remote(keys, "retire <use>", "End the overlap after a rotation: the old key signs no more. Only for log", [
    "safeconduct keys retire log",
  ]).action(async (use: string, _options, command: Command) => {
    if (use !== "log") throw usage('Only keys of the log are retired by hand: "safeconduct keys retire log".')
    const answer = await atServer(command, "Asking the server", (server) =>
      server.json<{ retired: string[]; kid: string }>({ method: "POST", path: "/v1/keys/log/retirement" }),
    )
    printRow(answer, styleOf(command))
    done(`${answer.kid} signs alone. The lines of older keys may be taken out of the servers' log key files.`)
  })
}

/** Sealing thousands of credentials anew takes a while. */
const ROTATION_MS = 600_000

/** 32 random bytes, base64url. Never over a file that is there: it may seal a database. */
async function createKeyEncryptionKeyOnce(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await writeFile(path, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600, flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}
