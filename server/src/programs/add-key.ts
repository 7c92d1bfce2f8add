import { existsSync, readFileSync } from "node:fs"
import { addLogKey } from "#audit"
import { keyName, Refusal } from "#kernel"
import type { Configuration } from "./configuration.ts"
import { newKeyEncryptionKey, readKeyEncryptionKeys, replaceFile } from "./files.ts"
import { logOrigin } from "./log-key.ts"

/** Uses whose keys rest in files. */
export const keysInFiles = ["log", "key-encryption"] as const

/** A key that was put below the others in its file, under the name that `keys list` shows; used by nobody yet. */
export type AddedKey = { use: (typeof keysInFiles)[number]; kid: string; file: string }

/**
 * Makes a key, for `keys rotate` to go over to, and puts it into its file on this host. Servers that run read it there
 * within seconds. Throws `key-unusable` without such a file.
 */
export async function addKey(configuration: Configuration, use: AddedKey["use"]): Promise<AddedKey> {
  const file = use === "log" ? configuration.logKeyFile : configuration.keyEncryptionKeyFile
  if (!existsSync(file)) {
    throw new Refusal("key-unusable", `There is no ${file} to add a key to; run "safeconduct keys create".`)
  }
  if (use === "log") {
    const { vkey } = await addLogKey(file, logOrigin(configuration, newestLog(file)))
    return { use, kid: vkey.split("+").slice(0, 2).join("+"), file }
  }
  readKeyEncryptionKeys(file)
  replaceFile(file, `${readFileSync(file, "utf8").trimEnd()}\n${newKeyEncryptionKey()}`)
  return { use, kid: keyName(readKeyEncryptionKeys(file).at(-1)!), file }
}

/** Number of the newest log that the file has a key of: the one that goes on. */
function newestLog(file: string): number {
  const numbers = [...readFileSync(file, "utf8").matchAll(/\/log\/(\d+)\+/g)].map(([, number]) => Number(number))
  return Math.max(1, ...numbers)
}
