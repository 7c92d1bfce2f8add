import { existsSync } from "node:fs"
import { join } from "node:path"
import { type BegunLog, beginAfterFork, closeWholeLogAndBeginNext, type LogSigner, readLogNumber } from "#audit"
import { type Log, openDatabase, prepareOwnDatabase, Refusal, startPostgres, systemClock } from "#kernel"
import type { Configuration } from "./configuration.ts"
import { openLogKey, openOrAddLogKey } from "./log-key.ts"

/** Why, for the record; and whether a log that nothing is wrong with shall end too. */
export type LogRotation = { reason: string; closesWholeLog: boolean }

/**
 * Closes the log and begins the next, on a server's host: it takes the log key file, and the database's owner. Servers are
 * restarted afterwards. The next log's key is put into the file first, for the other hosts to be given. Throws
 * `log-not-forked`, `key-unusable`, `invalid-request` without an owner's URL, `folder-in-use` while dev runs.
 */
export async function rotateLog(configuration: Configuration, rotation: LogRotation, log: Log): Promise<BegunLog> {
  await using stack = new AsyncDisposableStack()
  const ownerUrl = configuration.ownerUrl || (await embeddedOwner(configuration, stack, log))
  const owner = stack.use(openDatabase({ url: ownerUrl, maxConnections: 2, statementTimeoutMs: 300_000, log }))
  const number = await readLogNumber(owner)
  const signer = await openLogKey(configuration, number)
  const next = await unused(configuration, number + 1)
  // A crash here leaves a key of a log that is not begun; the next try takes it.
  const parts = {
    owner,
    signer,
    next,
    serverRole: configuration.serverRole,
    clock: systemClock,
    reason: rotation.reason,
  }
  return await (rotation.closesWholeLog ? closeWholeLogAndBeginNext(parts) : beginAfterFork(parts))
}

/** A log that was never signed here: where the same backup is restored twice, the next number was used already. */
async function unused(configuration: Configuration, from: number): Promise<LogSigner> {
  for (let log = from; ; log++) {
    const signer = await openOrAddLogKey(configuration, log)
    if ((await signer.lastSigned()) === null) return signer
  }
}

/** Owner's URL of the PostgreSQL that dev keeps in the folder, started for as long as the stack lasts. */
async function embeddedOwner({ folder }: Configuration, stack: AsyncDisposableStack, log: Log): Promise<string> {
  const data = join(folder, "postgres")
  if (!existsSync(data)) {
    throw new Refusal("invalid-request", "Set SAFECONDUCT_OWNER_URL to the database's URL as its owner.")
  }
  const postgres = stack.use(await startPostgres({ folder: data, log }))
  return (await prepareOwnDatabase(postgres)).ownerUrl
}
