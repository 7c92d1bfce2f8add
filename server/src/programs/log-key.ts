import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { addLogKey, createLogKey, type LogSigner, openFileSigner } from "#audit"
import { Refusal } from "#kernel"
import type { Configuration } from "./configuration.ts"

/** Makes the log's key when there is none; the origin names the first log of the trust domain. */
export async function createLogKeyOnce(configuration: Configuration): Promise<void> {
  if (existsSync(configuration.logKeyFile)) return
  mkdirSync(dirname(configuration.logKeyFile), { recursive: true, mode: 0o700 })
  await createLogKey(configuration.logKeyFile, logOrigin(configuration, 1)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
  })
}

/** The signer of the log of that number. Throws `key-unusable`, with what to do when the file cannot be read. */
export async function openLogKey(configuration: Configuration, log: number): Promise<LogSigner> {
  return await reading(configuration, () => openFileSigner(configuration.logKeyFile, logOrigin(configuration, log)))
}

/** The same; a log that has no key in the file yet gets one there, and the file is made where it was lost. */
export async function openOrAddLogKey(configuration: Configuration, log: number): Promise<LogSigner> {
  const origin = logOrigin(configuration, log)
  if (!existsSync(configuration.logKeyFile)) {
    mkdirSync(dirname(configuration.logKeyFile), { recursive: true, mode: 0o700 })
    await createLogKey(configuration.logKeyFile, origin)
  }
  return await reading(configuration, async () => {
    try {
      return await openFileSigner(configuration.logKeyFile, origin)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      await addLogKey(configuration.logKeyFile, origin)
      return await openFileSigner(configuration.logKeyFile, origin)
    }
  })
}

/** Name of a log and of its keys. */
export function logOrigin({ trustDomain }: Pick<Configuration, "trustDomain">, log: number): string {
  return `${trustDomain}/log/${log}`
}

async function reading(configuration: Configuration, open: () => Promise<LogSigner>): Promise<LogSigner> {
  try {
    return await open()
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    const what = `The log key cannot be read from ${configuration.logKeyFile}; run "safeconduct keys create".`
    throw new Refusal("key-unusable", what, { cause })
  }
}
