import type { Change } from "#audit"
import { bumpEpoch, type Database, type Log } from "#kernel"
import { type Purpose, type PurposesPart, parsePurposes } from "./purposes.ts"
import { readPurposes, writePurposes } from "./store.ts"

/** Purposes in memory, as old as the epoch at the most. */
export interface PurposesInForce {
  /** Null when there is none of that name. */
  purpose(name: string): Purpose | null
  /** Puts a checked part in force. `by` is the SPIFFE ID of who does. */
  replace(part: PurposesPart, by: string): Change<void>
  reload(): Promise<void>
}

/** Loads the purposes in force. A stored purpose that does not parse is logged, and unknown. */
export async function openPurposes({ database, log }: { database: Database; log: Log }): Promise<PurposesInForce> {
  let purposes = await load(database, log)
  return {
    purpose: (name) => purposes.get(name) ?? null,
    replace(part, by) {
      return {
        async work(tx) {
          await writePurposes(tx, part)
          await bumpEpoch(tx)
        },
        entries: () => [{ event: "sessions.purposes-replaced", by, data: { purposes: Object.keys(part).sort() } }],
      }
    },
    async reload() {
      purposes = await load(database, log)
    },
  }
}

async function load(database: Database, log: Log): Promise<Map<string, Purpose>> {
  const purposes = new Map<string, Purpose>()
  for (const { name, definition } of await readPurposes(database)) {
    try {
      purposes.set(name, { name, ...parsePurposes({ [name]: definition })[name]! })
    } catch (error) {
      log.error("a stored purpose does not parse; nothing can be opened for it", { purpose: name, error })
    }
  }
  return purposes
}
