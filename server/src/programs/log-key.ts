import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { createLogKey } from "#audit"
import type { Configuration } from "./configuration.ts"

/** Makes the log's key when there is none; the origin names the first log of the trust domain. */
export async function createLogKeyOnce(configuration: Configuration): Promise<void> {
  if (existsSync(configuration.logKeyFile)) return
  mkdirSync(dirname(configuration.logKeyFile), { recursive: true, mode: 0o700 })
  await createLogKey(configuration.logKeyFile, logOrigin(configuration)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
  })
}

/** Name of the log and of its key. */
export function logOrigin({ trustDomain }: Pick<Configuration, "trustDomain">): string {
  return `${trustDomain}/log/1`
}
