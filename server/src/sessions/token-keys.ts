import { createPublicKey, type KeyObject } from "node:crypto"
import type { Audit, Change } from "#audit"
import {
  bumpKeys,
  type Database,
  destroyRetiredKeys,
  generateKey,
  type Keyring,
  readAllKeys,
  readKeys,
  retireOlderKeys,
  type StoredKey,
  storeKey,
} from "#kernel"
import type { DatabaseClock } from "./database-clock.ts"
import { lockTokenKeys, oldestOpen } from "./store.ts"

/**
 * Keys that sign access tokens and mandates (ES256), shared by all servers. A key is published, signs ten minutes later,
 * verifies tokens until none that it signed can live, is then retired (mandates live longer: theirs still verify), and is
 * destroyed when no open session has a mandate by it.
 */
export interface TokenKeys {
  /** The newest key whose time to sign has come. */
  signing(): { kid: string; privateKey: KeyObject }
  /** For tokens: public key of a key that is not retired; null for any other. */
  publicKey(kid: string): KeyObject | null
  /** For mandates, which live as long as their session: of a retired key too, until it is destroyed. */
  mandateKey(kid: string): KeyObject | null
  /** JWK Set (RFC 7517 §5) of every key that is not retired, also of those that will sign later. */
  jwks(): { keys: Record<string, unknown>[] }
  /** Makes a key that is published with the commit and signs ten minutes later, when every verifier has seen it. */
  rotate(by: string): Change<{ kid: string }>
  /** Retires and destroys what is of no use any more, recorded. Costs nothing when there is nothing to do. */
  upkeep(): Promise<void>
  /** Reads the database. */
  reload(): Promise<void>
}

/** What the keys stand on. */
export type TokenKeysParts = { database: Database; audit: Audit; keyring: Keyring; databaseClock: DatabaseClock }

const PUBLISHED_BEFORE_SECONDS = 600
/** Longer than any token lives, with room for clocks that differ. */
const OUTLIVED_SECONDS = 360

/** Opens the keys; makes the first when there is none. Two servers that start at once make one. */
export async function openTokenKeys({ database, audit, keyring, databaseClock }: TokenKeysParts): Promise<TokenKeys> {
  let keys = await readKeys(database, keyring, "token")
  if (keys.length === 0) {
    await audit.commit({
      work: async (tx) => {
        await lockTokenKeys(tx)
        if ((await readKeys(tx, keyring, "token")).length > 0) return null
        const { kid, privateKey, spki } = generateKey()
        await storeKey(tx, keyring, { kid, use: "token", public: spki, privateKey })
        return kid
      },
      entries: (kid) => (kid === null ? [] : [{ event: "sessions.token-key-made", by: "server", data: { kid } }]),
    })
    // A crash here leaves the key stored; the next start finds it.
    keys = await readKeys(database, keyring, "token")
  }
  let all: StoredKey[] = []
  let published = publish(keys)
  let forMandates = published
  const reload = async () => {
    all = await readAllKeys(database, keyring, "token")
    keys = all.filter(({ retiredAt }) => retiredAt === null)
    published = publish(keys)
    forMandates = publish(all)
  }
  await reload()
  const isOutlived = (activeFromMs: number) => activeFromMs + OUTLIVED_SECONDS * 1000 <= databaseClock.nowMs()
  const retirement: Change<{ retired: string[]; destroyed: string[] }> = {
    async work(tx) {
      const retired = await retireOlderKeys(tx, "token", OUTLIVED_SECONDS)
      const destroyed = await destroyRetiredKeys(tx, "token", await oldestOpen(tx))
      if (retired.length + destroyed.length > 0) await bumpKeys(tx)
      return { retired, destroyed }
    },
    entries: ({ retired, destroyed }) => [
      ...retired.map((kid) => ({ event: "sessions.token-key-retired", by: "server", data: { kid } })),
      ...destroyed.map((kid) => ({ event: "sessions.token-key-destroyed", by: "server", data: { kid } })),
    ],
  }

  return {
    signing() {
      const usable = keys.filter(({ activeFrom }) => activeFrom.getTime() <= databaseClock.nowMs())
      // A first key made a moment ago may seem to lie ahead of a clock that is estimated.
      return usable.toSorted((a, b) => b.activeFrom.getTime() - a.activeFrom.getTime())[0] ?? keys[0]!
    },
    publicKey: (kid) => published.get(kid)?.publicKey ?? null,
    mandateKey: (kid) => forMandates.get(kid)?.publicKey ?? null,
    jwks: () => ({ keys: [...published.values()].map(({ jwk }) => jwk) }),
    rotate(by) {
      return {
        async work(tx) {
          const { kid, privateKey, spki } = generateKey()
          await storeKey(tx, keyring, {
            kid,
            use: "token",
            public: spki,
            privateKey,
            activeInSeconds: PUBLISHED_BEFORE_SECONDS,
          })
          await bumpKeys(tx)
          return { kid }
        },
        entries: ({ kid }) => [{ event: "sessions.token-key-made", by, data: { kid } }],
      }
    },
    async upkeep() {
      const activeSinceMs = Math.max(...keys.map(({ activeFrom }) => activeFrom.getTime()).filter(isOutlived))
      const isDue = all.some(({ retiredAt, activeFrom }) => retiredAt !== null || activeFrom.getTime() < activeSinceMs)
      if (isDue) await audit.commit(retirement)
    },
    reload,
  }
}

/** What is published comes out of the sealed keys: what rests in clear beside them, somebody else may have written. */
function publish(keys: readonly StoredKey[]) {
  return new Map(
    keys.map(({ kid, privateKey }) => {
      const publicKey = createPublicKey(privateKey)
      // RFC 7518 §6.2, RFC 7517 §4
      const jwk: Record<string, unknown> = { ...publicKey.export({ format: "jwk" }), kid, use: "sig", alg: "ES256" }
      return [kid, { publicKey, jwk }] as const
    }),
  )
}
