import type { Queryable, Transaction } from "#kernel"

/** A client secret as it rests. */
export type SecretRow = { provider: string; issuer: string; clientId: string; sealed: string }

const COLUMNS = `provider, issuer, client_id as "clientId", sealed`

/** Null when none was handed over. */
export async function readSecret(database: Queryable, provider: string): Promise<SecretRow | null> {
  const [row] = await database.query<SecretRow>(
    `select ${COLUMNS} from sessions.provider_secrets where provider = $1`,
    [provider],
  )
  return row ?? null
}

/** By provider. */
export async function readSecrets(database: Queryable): Promise<SecretRow[]> {
  return await database.query<SecretRow>(`select ${COLUMNS} from sessions.provider_secrets order by provider`)
}

/** Puts a secret in the place of an earlier one. */
export async function writeSecret(tx: Transaction, { provider, issuer, clientId, sealed }: SecretRow): Promise<void> {
  await tx.query(
    `insert into sessions.provider_secrets (provider, issuer, client_id, sealed) values ($1, $2, $3, $4)
     on conflict (provider) do update set issuer = $2, client_id = $3, sealed = $4, changed_at = now()`,
    [provider, issuer, clientId, sealed],
  )
}

/** Puts the same secret, sealed anew, in the place of the one that was read, where that still stands. */
export async function replaceSealed(database: Queryable, before: SecretRow, sealed: string): Promise<void> {
  await database.query("update sessions.provider_secrets set sealed = $3 where provider = $1 and sealed = $2", [
    before.provider,
    before.sealed,
    sealed,
  ])
}
