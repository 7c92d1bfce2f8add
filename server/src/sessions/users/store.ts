import type { Id, Queryable, Transaction } from "#kernel"

/** Who somebody is at their provider. */
export type Subject = { provider: string; iss: string; sub: string }

/** A person under the id that stands for them. */
export type KnownUser = Subject & { id: Id<"user"> }

/**
 * The id under which a person is known, and whether it was given now. Of many at once one makes it; the others wait for that
 * one and get the same.
 */
export async function rememberUser(
  tx: Transaction,
  candidate: Id<"user">,
  { provider, iss, sub }: Subject,
): Promise<{ id: Id<"user">; isNew: boolean }> {
  const [row] = await tx.query<{ id: Id<"user"> }>(
    `insert into sessions.users (id, provider, iss, sub) values ($1, $2, $3, $4)
     on conflict (iss, sub) do update set provider = excluded.provider, last_seen_at = clock_timestamp() returning id`,
    [candidate, provider, iss, sub],
  )
  return { id: row!.id, isNew: row!.id === candidate }
}

/** Null for somebody who never signed in. */
export async function findUser(
  database: Queryable,
  by: { id: string } | { iss: string; sub: string },
): Promise<KnownUser | null> {
  const { id = null, iss = null, sub = null } = by as { [name: string]: string }
  const [row] = await database.query<KnownUser>(
    "select id, provider, iss, sub from sessions.users where ($1::text is null or id = $1) and ($2::text is null or (iss = $2 and sub = $3))",
    [id, iss, sub],
  )
  return row ?? null
}
