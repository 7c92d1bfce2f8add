import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { base64url, sha256 } from "./bytes.ts"
import type { Queryable } from "./database.ts"
import type { Keyring } from "./keyring.ts"

/** What a stored key signs. */
export type KeyUse = "token" | "ca-root" | "ca-intermediate"

/** A signing key shared by all servers: public part in clear, private part sealed. */
export type StoredKey = {
  /** SHA-256 of the SubjectPublicKeyInfo, base64url. */
  kid: string
  use: KeyUse
  /** SubjectPublicKeyInfo, or a CA's certificate, DER. */
  public: Buffer
  privateKey: KeyObject
  activeFrom: Date
  retiredAt: Date | null
}

/** What is known of a key without opening it. */
export type KeyListing = Omit<StoredKey, "privateKey">

/** A new EC P-256 key and its id; nothing is stored. */
export function generateKey(): { kid: string; privateKey: KeyObject; publicKey: KeyObject; spki: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = publicKey.export({ type: "spki", format: "der" })
  return { kid: base64url(sha256(spki)), privateKey, publicKey, spki }
}

/** Stores a key sealed, to sign `activeInSeconds` from now on; does nothing when the kid is there already. */
export async function storeKey(
  tx: Queryable,
  keyring: Keyring,
  key: { kid: string; use: KeyUse; public: Uint8Array; privateKey: KeyObject; activeInSeconds?: number },
): Promise<void> {
  const sealed = keyring.seal(`kernel.keys/${key.kid}`, key.privateKey.export({ type: "pkcs8", format: "der" }))
  await tx.query(
    `insert into kernel.keys (kid, use, public, sealed, active_from)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5)) on conflict do nothing`,
    [key.kid, key.use, key.public, sealed, key.activeInSeconds ?? 0],
  )
}

/** The keys of a use that are not retired, the one to sign with first. Throws `key-unusable` under a wrong keyring. */
export async function readKeys(database: Queryable, keyring: Keyring, use: KeyUse): Promise<StoredKey[]> {
  const rows = await database.query<Row>(
    `select * from kernel.keys where use = $1 and retired_at is null order by active_from <= now() desc, active_from desc`,
    [use],
  )
  return rows.map((row) => ({
    ...listing(row),
    privateKey: createPrivateKey({
      key: keyring.open(`kernel.keys/${row.kid}`, row.sealed),
      format: "der",
      type: "pkcs8",
    }),
  }))
}

/** Every key ever stored, oldest first, without opening any. */
export async function listKeys(database: Queryable): Promise<KeyListing[]> {
  return (await database.query<Row>("select * from kernel.keys order by created_at")).map(listing)
}

/** The public key of a stored SubjectPublicKeyInfo. */
export function publicKeyOf(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
}

type Row = {
  kid: string
  use: KeyUse
  public: Buffer
  sealed: string
  active_from: Date
  retired_at: Date | null
}

function listing(row: Row): KeyListing {
  return {
    kid: row.kid,
    use: row.use,
    public: row.public,
    activeFrom: row.active_from,
    retiredAt: row.retired_at,
  }
}
