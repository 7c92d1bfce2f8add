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
  const sealed = keyring.seal(contextOf(key), key.privateKey.export({ type: "pkcs8", format: "der" }))
  await tx.query(
    `insert into kernel.keys (kid, use, public, sealed, active_from)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5)) on conflict do nothing`,
    [key.kid, key.use, key.public, sealed, key.activeInSeconds ?? 0],
  )
}

/**
 * The keys of a use that are not destroyed: the one to sign with first, retired ones last. Throws `key-unusable` under a
 * wrong keyring.
 */
export async function readAllKeys(database: Queryable, keyring: Keyring, use: KeyUse): Promise<StoredKey[]> {
  const rows = await database.query<Row & { sealed: string }>(
    `select * from kernel.keys where use = $1 and sealed is not null
      order by retired_at is null desc, active_from <= now() desc, active_from desc`,
    [use],
  )
  return rows.map((row) => ({
    ...listing(row),
    privateKey: createPrivateKey({ key: keyring.open(contextOf(row), row.sealed), format: "der", type: "pkcs8" }),
  }))
}

/** Those of them that are not retired. */
export async function readKeys(database: Queryable, keyring: Keyring, use: KeyUse): Promise<StoredKey[]> {
  return (await readAllKeys(database, keyring, use)).filter(({ retiredAt }) => retiredAt === null)
}

/**
 * Retires the keys of a use that are older than the newest one which has been active for that many seconds: what they
 * signed is over by then. Returns their kids.
 */
export async function retireOlderKeys(tx: Queryable, use: KeyUse, activeForSeconds: number): Promise<string[]> {
  const rows = await tx.query<{ kid: string }>(
    `update kernel.keys set retired_at = now() where use = $1 and retired_at is null and active_from < (
       select max(active_from) from kernel.keys
        where use = $1 and retired_at is null and active_from <= now() - make_interval(secs => $2)) returning kid`,
    [use, activeForSeconds],
  )
  return rows.map(({ kid }) => kid)
}

/** Destroys the private part of keys that were retired before then; now unless told. Returns their kids. */
export async function destroyRetiredKeys(tx: Queryable, use: KeyUse, before: Date | null = null): Promise<string[]> {
  const rows = await tx.query<{ kid: string }>(
    `update kernel.keys set sealed = null
      where use = $1 and sealed is not null and retired_at <= coalesce($2, now()) returning kid`,
    [use, before],
  )
  return rows.map(({ kid }) => kid)
}

/** Seals the keys anew that were sealed by another key-encryption key than the one in use. Returns how many. */
export async function resealKeys(database: Queryable, keyring: Keyring): Promise<number> {
  const rows = await database.query<{ kid: string; sealed: string }>(
    "select kid, sealed from kernel.keys where sealed is not null",
  )
  const stale = rows.filter(({ sealed }) => !keyring.isCurrent(sealed))
  for (const { kid, sealed } of stale) {
    const again = keyring.seal(contextOf({ kid }), keyring.open(contextOf({ kid }), sealed))
    await database.query("update kernel.keys set sealed = $3 where kid = $1 and sealed = $2", [kid, sealed, again])
  }
  return stale.length
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
  sealed: string | null
  active_from: Date
  retired_at: Date | null
}

/** What a key is sealed for. */
function contextOf({ kid }: { kid: string }): string {
  return `kernel.keys/${kid}`
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
