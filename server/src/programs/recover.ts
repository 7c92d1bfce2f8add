import { type JoinToken, openAgents } from "#agents"
import { openAudit, readLogNumber } from "#audit"
import { type Log, openDatabase, openKeptKeyring, systemClock, watchEpoch } from "#kernel"
import type { Configuration } from "./configuration.ts"
import { readKeyEncryptionKeys } from "./files.ts"
import { openLogKey } from "./log-key.ts"
import { allEvents } from "./rooms.ts"

/**
 * Makes an admin's join token on the server's host, for the first operator of a deployment and for one whose keys are all
 * lost. Whoever can read the key-encryption key and the log key may do it; no identity is asked for, and it is recorded.
 * Throws `key-unusable`, `store-unavailable`.
 */
export async function recoverOperator(configuration: Configuration, name: string, log: Log): Promise<JoinToken> {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(openDatabase({ url: configuration.databaseUrl, maxConnections: 3, log }))
  const path = configuration.keyEncryptionKeyFile
  const keyring = await openKeptKeyring({ database, path, read: () => readKeyEncryptionKeys(path) })
  const signer = await openLogKey(configuration, await readLogNumber(database))
  const epoch = stack.use(await watchEpoch({ database, log }))
  const common = { database, epoch, keyring, clock: systemClock, log }
  const audit = stack.use(await openAudit({ ...common, signer, origin: signer.origin, events: allEvents }))
  const agents = stack.use(await openAgents({ ...common, audit, trustDomain: configuration.trustDomain }))
  return await agents.createJoinToken({ kind: "operator", name, roles: ["admin"] }, "server")
}
