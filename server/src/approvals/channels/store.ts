import type { Queryable, Transaction } from "#kernel"

/** A sealed secret of a channel, and what it is bound to. `facts` is not secret. */
export type ChannelSecretRow = { channel: string; bound: string; sealed: string; facts: string | null }

const COLUMNS = "channel, bound, sealed, facts"

/** The secret of a channel; null when there is none. */
export async function readChannelSecret(database: Queryable, channel: string): Promise<ChannelSecretRow | null> {
  const [row] = await database.query<ChannelSecretRow>(
    `select ${COLUMNS} from approvals.channel_secrets where channel = $1`,
    [channel],
  )
  return row ?? null
}

/** By channel. */
export async function readChannelSecrets(database: Queryable): Promise<ChannelSecretRow[]> {
  return await database.query<ChannelSecretRow>(`select ${COLUMNS} from approvals.channel_secrets order by channel`)
}

/** Puts a secret in the place of an earlier one. */
export async function writeChannelSecret(tx: Transaction, row: ChannelSecretRow): Promise<void> {
  await tx.query(
    `insert into approvals.channel_secrets (${COLUMNS}) values ($1, $2, $3, $4)
     on conflict (channel) do update set bound = $2, sealed = $3, facts = $4, changed_at = clock_timestamp()`,
    [row.channel, row.bound, row.sealed, row.facts],
  )
}

/** Keeps a secret where there is none; false when another server was faster. */
export async function insertChannelSecret(tx: Transaction, row: ChannelSecretRow): Promise<boolean> {
  const rows = await tx.query(
    `insert into approvals.channel_secrets (${COLUMNS}) values ($1, $2, $3, $4) on conflict do nothing returning channel`,
    [row.channel, row.bound, row.sealed, row.facts],
  )
  return rows.length === 1
}

/** Puts the same secret, sealed anew, in the place of the one that was read, where that still stands. */
export async function replaceChannelSecret(
  database: Queryable,
  before: ChannelSecretRow,
  sealed: string,
): Promise<void> {
  await database.query("update approvals.channel_secrets set sealed = $3 where channel = $1 and sealed = $2", [
    before.channel,
    before.sealed,
    sealed,
  ])
}
