import type { Database, Transaction } from "../database.ts"
import { bumpKeys } from "../epoch.ts"
import { type Keyring, keyName, openKeyring } from "../keyring.ts"
import { Refusal } from "../refusal.ts"
import { insertSealing, readSealedValue, readSealing, updateSealing } from "./store.ts"

/**
 * The keyring of a server that runs: its file may be given another key meanwhile, and the database says which of them seals,
 * for all servers at once.
 */
export interface KeptKeyring extends Keyring {
  /** Names of the keys in the file, in its order. */
  held(): readonly string[]
  /** Name of the key that seals. */
  sealing(): string
  /** The last key of the file below the one that seals; null when there is none. What stands above it was rotated away. */
  next(): string | null
  /** Reads the file and the database again. Throws `key-unusable`, and everything stays, when the file lacks what seals. */
  reload(): Promise<void>
  /** Lets another key seal, on every server with its next reading. Throws `epoch-changed` when somebody was faster. */
  choose(tx: Transaction, key: string): Promise<void>
}

/** The database, and what reads the file: 32 bytes a key. `path` is for messages. */
export type KeptKeyringParts = { database: Database; path: string; read: () => readonly Uint8Array[] }

/** Opens it. What seals first is the key of what rests sealed, or the first of the file. Throws `key-unusable`. */
export async function openKeptKeyring({ database, path, read }: KeptKeyringParts): Promise<KeptKeyring> {
  const load = async () => {
    const keys = new Map(read().map((key) => [keyName(key), key]))
    const sealing = (await readSealing(database)) ?? (await begin(database, [...keys.keys()][0]!))
    const key = keys.get(sealing)
    if (key === undefined) {
      const what = `What rests in this database is sealed by the key ${sealing}, and ${path} holds ${[...keys.keys()].join(", ")}.`
      throw new Refusal("key-unusable", `${what} Put that key back into the file, from your copy or another host.`)
    }
    return { keys, sealing, ring: openKeyring(key, [...keys.values()]) }
  }
  let now = await load()
  return {
    seal: (context, plaintext) => now.ring.seal(context, plaintext),
    open: (context, sealed) => now.ring.open(context, sealed),
    isCurrent: (sealed) => now.ring.isCurrent(sealed),
    held: () => [...now.keys.keys()],
    sealing: () => now.sealing,
    next() {
      const names = [...now.keys.keys()]
      return names.slice(names.indexOf(now.sealing) + 1).at(-1) ?? null
    },
    async reload() {
      now = await load()
    },
    async choose(tx, key) {
      if (!(await updateSealing(tx, now.sealing, key))) {
        throw new Refusal("epoch-changed", "Another key began to seal meanwhile. Look at the keys, and try again.")
      }
      await bumpKeys(tx)
    },
  }
}

/** In a database of an earlier version nothing says what seals but the values themselves. */
async function begin(database: Database, first: string): Promise<string> {
  const value = await readSealedValue(database)
  await insertSealing(database, value?.split(".")[1] ?? first)
  // A crash here leaves it written; another server may have been faster, and then its word counts.
  return (await readSealing(database))!
}
