import type { Database } from "../database.ts"
import type { Epoch } from "../epoch.ts"
import { randomText } from "../ids.ts"
import type { Log } from "../log.ts"
import { refusalCode } from "../refusal.ts"
import type { KeptKeyring } from "./kept-keyring.ts"
import { deleteServer, readServers, writeServer } from "./store.ts"

/** What a server says of itself. `reload` reads key files again. */
export type AnnouncementParts = {
  database: Database
  epoch: Epoch
  log: Log
  keyring: KeptKeyring
  /** Public keys that the log's signer holds. */
  logKeys: () => readonly string[]
  reload: () => Promise<void>
  everyMs?: number
}

/** At the latest then a server says that it still runs, with nothing new to say. */
const REPEAT_MS = 5_000

/**
 * Reads the key files again and again, and tells the others what is in them. A file that cannot be read, or no longer holds
 * what is needed, is warned of, and the server goes on with what it had.
 */
export async function announceServer(parts: AnnouncementParts): Promise<AsyncDisposable> {
  const { database, log, keyring } = parts
  const id = randomText(8)
  let told = ""
  let toldAtMs = 0
  let warned = ""
  const say = async () => {
    const server = { id, sealing: keyring.sealing(), keyEncryptionKeys: keyring.held(), logKeys: parts.logKeys() }
    const text = JSON.stringify(server)
    if (text === told && performance.now() - toldAtMs < REPEAT_MS) return
    await writeServer(database, server)
    told = text
    toldAtMs = performance.now()
  }
  const look = async () => {
    try {
      await parts.reload()
      warned = ""
    } catch (error) {
      const what = error instanceof Error ? error.message : "failed"
      if (what !== warned && refusalCode(error) !== "store-unavailable") {
        log.error("the key files cannot be taken in as they are now; what was read before goes on", { error })
      }
      warned = what
    }
    await say()
  }
  await say()
  let isClosed = false
  let running: Promise<void> = Promise.resolve()
  const again = () => {
    running = look()
      .catch(() => undefined)
      .finally(() => {
        if (!isClosed) timer = setTimeout(again, parts.everyMs ?? 1_000)
      })
  }
  let timer = setTimeout(again, parts.everyMs ?? 1_000)
  parts.epoch.onKeysChange(async () => {
    if (!isClosed) await look()
  })
  return {
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await running
      await deleteServer(database, id).catch(() => undefined)
    },
  }
}

/** Which key files are asked about. */
export type Asked = { keyEncryptionKey: string } | { logKey: string }

/** How many of the servers that run do not have a key in their file. */
export async function countServersWithout(database: Database, asked: Asked): Promise<number> {
  const has =
    "logKey" in asked
      ? ({ logKeys }: { logKeys: readonly string[] }) => logKeys.includes(asked.logKey)
      : ({ keyEncryptionKeys }: { keyEncryptionKeys: readonly string[] }) =>
          keyEncryptionKeys.includes(asked.keyEncryptionKey)
  return (await readServers(database)).filter((server) => !has(server)).length
}

/** True when every server that runs seals with that key. */
export async function allSealWith(database: Database, key: string): Promise<boolean> {
  return (await readServers(database)).every(({ sealing }) => sealing === key)
}
