import type { KeyObject } from "node:crypto"
import type { Audit, Change } from "#audit"
import {
  bumpEpoch,
  type Database,
  generateKey,
  type Keyring,
  publicKeyOf,
  readKeys,
  type StoredKey,
  storeKey,
} from "#kernel"
import type { DatabaseClock } from "./database-clock.ts"
import { lockTokenKeys } from "./store.ts"

/** Keys that sign access tokens and mandates (ES256), shared by all servers. */
export interface TokenKeys {
  /** The newest key whose time to sign has come. */
  signing(): { kid: string; privateKey: KeyObject }
  /** Public key of a key that is not retired; null for any other. */
  publicKey(kid: string): KeyObject | null
  /** JWK Set (RFC 7517 §5) of every key that is not retired, also of those that will sign later. */
  jwks(): { keys: Record<string, unknown>[] }
  /** Makes a key that is published with the commit and signs ten minutes later, when every verifier has seen it. */
  rotate(by: string): Change<{ kid: string }>
  /** Reads the database. */
  reload(): Promise<void>
}

/** What the keys stand on. */
export type TokenKeysParts = { database: Database; audit: Audit; keyring: Keyring; databaseClock: DatabaseClock }

const PUBLISHED_BEFORE_SECONDS = 600

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
  let published = publish(keys)
  return {
    signing() {
      const usable = keys.filter(({ activeFrom }) => activeFrom.getTime() <= databaseClock.nowMs())
      // A first key made a moment ago may seem to lie ahead of a clock that is estimated.
      return usable.toSorted((a, b) => b.activeFrom.getTime() - a.activeFrom.getTime())[0] ?? keys[0]!
    },
    publicKey: (kid) => published.get(kid)?.publicKey ?? null,
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
          await bumpEpoch(tx)
          return { kid }
        },
        entries: ({ kid }) => [{ event: "sessions.token-key-made", by, data: { kid } }],
      }
    },
    async reload() {
      keys = await readKeys(database, keyring, "token")
      published = publish(keys)
    },
  }
}

function publish(keys: readonly StoredKey[]) {
  return new Map(
    keys.map(({ kid, public: spki }) => {
      const publicKey = publicKeyOf(spki)
      // RFC 7518 §6.2, RFC 7517 §4
      const jwk: Record<string, unknown> = { ...publicKey.export({ format: "jwk" }), kid, use: "sig", alg: "ES256" }
      return [kid, { publicKey, jwk }] as const
    }),
  )
}
