import { existsSync } from "node:fs"
import { join } from "node:path"
import {
  type BegunLog,
  beginAfterFork,
  beginWithoutTheOldKey,
  closeWholeLogAndBeginNext,
  type LogSigner,
  type NextLogParts,
  readKeysInForce,
  readLogNumber,
  recallSigned,
} from "#audit"
import { type Log, openDatabase, prepareOwnDatabase, Refusal, startPostgres, systemClock } from "#kernel"
import type { Configuration } from "./configuration.ts"
import { logOrigin, openLogKey, openOrAddLogKey } from "./log-key.ts"

/** Why, for the record; and whether a log that nothing is wrong with shall end too. */
export type LogRotation = { reason: string; closesWholeLog: boolean }

/**
 * Closes the log and begins the next, on a server's host: it takes the log key file, and the database's owner. Servers are
 * restarted afterwards. The next log's key is put into the file, for the other hosts to be given. Throws
 * `log-not-forked`, `key-unusable`, `invalid-request` without an owner's URL, `folder-in-use` while dev runs.
 */
export async function rotateLog(configuration: Configuration, rotation: LogRotation, log: Log): Promise<BegunLog> {
  await using at = await openOwner(configuration, rotation.reason, log)
  const parts = { ...at.common, signer: await openLogKey(configuration, at.number) }
  return await (rotation.closesWholeLog ? closeWholeLogAndBeginNext(parts) : beginAfterFork(parts))
}

/**
 * The same where no host has the key of the log that ends. Nothing more is signed for that log, and the next one says so in
 * its first entry: auditors have to be told why. Throws `key-unusable` while there is a key file of that log here.
 */
export async function rotateLogWithoutTheOldKey(
  configuration: Configuration,
  reason: string,
  log: Log,
): Promise<BegunLog> {
  await using at = await openOwner(configuration, reason, log)
  const held = await openLogKey(configuration, at.number).catch(() => null)
  if (held !== null && at.keys.some((vkey) => held.held().includes(vkey))) {
    const what = `${configuration.logKeyFile} holds the key of log ${at.number}: it is not lost.`
    throw new Refusal("invalid-request", `${what} Leave out --without-the-old-key.`)
  }
  const origin = logOrigin(configuration, at.number)
  const lastSigned = await recallSigned(configuration.logKeyFile, origin)
  return await beginWithoutTheOldKey({ ...at.common, origin, lastSigned })
}

type OpenOwner = AsyncDisposable & {
  /** Of the log that goes on, with its keys in force. */
  number: number
  keys: readonly string[]
  common: Omit<NextLogParts, "signer">
}

async function openOwner(configuration: Configuration, reason: string, log: Log): Promise<OpenOwner> {
  await using stack = new AsyncDisposableStack()
  const ownerUrl = configuration.ownerUrl || (await embeddedOwner(configuration, stack, log))
  const owner = stack.use(openDatabase({ url: ownerUrl, maxConnections: 2, statementTimeoutMs: 300_000, log }))
  const number = await readLogNumber(owner)
  const keys = await readKeysInForce(owner, number)
  const opened = stack.move()
  return {
    number,
    keys,
    common: {
      owner,
      // A crash after it leaves a key of a log that is not begun; the next try takes it.
      next: () => unused(configuration, number + 1),
      serverRole: configuration.serverRole,
      clock: systemClock,
      reason,
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
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
