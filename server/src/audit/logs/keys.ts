import { type Queryable, Refusal } from "#kernel"
import type { Change } from "../change.ts"
import type { LogSigner } from "../signer.ts"
import { insertLogKey, readLogKeys, retireLogKeys } from "./store.ts"

/** The public keys that checkpoints of the log are signed with. While one takes over from another they are two. */
export interface LogKeys {
  /** Oldest first. */
  inForce(): readonly string[]
  /** Held by this server's signer and never in force yet: what add() goes over to. Null when there is none. */
  next(): string | null
  /** Reads the signer's file and the database again; checkpoints are signed with what is in force from then on. */
  reload(): Promise<void>
  /** Puts the next key in force beside the old. The work throws `no-next-key`. */
  add(by: string): Change<string>
  /** Ends the overlap: the newest goes on alone. The work throws `no-next-key` when there is no overlap. */
  retire(by: string): Change<string[]>
}

type Parts = { database: Queryable; signer: LogSigner; log: number }

/** Opens the keys; the signer's first is in force in a log that has none. Throws `key-unusable` when it holds none of them. */
export async function openLogKeys({ database, signer, log }: Parts): Promise<LogKeys> {
  let inForce: string[] = []
  let known = new Set<string>()
  const read = async () => {
    const keys = (await readLogKeys(database)).filter((key) => key.log === log)
    known = new Set(keys.map(({ vkey }) => vkey))
    inForce = keys.filter(({ retiredAt }) => retiredAt === null).map(({ vkey }) => vkey)
  }
  const next = () => signer.held().findLast((vkey) => !known.has(vkey)) ?? null
  await read()
  if (known.size === 0) {
    await insertLogKey(database, signer.held()[0]!, log)
    await read()
  }
  signer.signWith(inForce)

  return {
    inForce: () => inForce,
    next,
    async reload() {
      await signer.reload()
      await read()
      signer.signWith(inForce)
    },
    add: (by) => ({
      async work(tx) {
        const vkey = next()
        if (vkey === null) {
          const how = 'Make one with "safeconduct keys add log" and copy the file to every server\'s host.'
          throw new Refusal("no-next-key", `The log key file holds no key that is not in force yet. ${how}`)
        }
        await insertLogKey(tx, vkey, log)
        return vkey
      },
      // Signed over by the old key too: whoever trusts that one learns from its log which comes after it.
      entries: (vkey) => [{ event: "audit.log-key-added", by, data: { log, vkey } }],
    }),
    retire: (by) => ({
      async work(tx) {
        const retired = await retireLogKeys(tx, log)
        if (retired.length > 0) return retired
        throw new Refusal("no-next-key", "Only one log key is in force. Rotate it first: safeconduct keys rotate log.")
      },
      entries: (vkeys) => vkeys.map((vkey) => ({ event: "audit.log-key-retired", by, data: { log, vkey } })),
    }),
  }
}
