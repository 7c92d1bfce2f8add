import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { createLogKey, type LogSigner, openFileSigner } from "#audit"
import { Refusal } from "#kernel"
import type { Configuration } from "./configuration.ts"

/** Makes the log's key when there is none; the origin names the first log of the trust domain. */
export async function createLogKeyOnce(configuration: Configuration): Promise<void> {
  if (existsSync(configuration.logKeyFile)) return
  mkdirSync(dirname(configuration.logKeyFile), { recursive: true, mode: 0o700 })
  await createLogKey(configuration.logKeyFile, logOrigin(configuration)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
  })
}

/** The signer of the log. Throws `key-unusable`, with what to do when the file cannot be read. */
export async function openLogKey(configuration: Configuration): Promise<LogSigner> {
  try {
    return await openFileSigner(configuration.logKeyFile, logOrigin(configuration))
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    const what = `The log key cannot be read from ${configuration.logKeyFile}; run "safeconduct keys create".`
    throw new Refusal("key-unusable", what, { cause })
  }
}

/** Name of the log and of its key. */
export function logOrigin({ trustDomain }: Pick<Configuration, "trustDomain">): string {
  return `${trustDomain}/log/1`
}
