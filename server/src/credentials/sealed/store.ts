import type { Queryable, Transaction } from "#kernel"

/** A value that rests sealed, under the id of its row. */
export type Sealed = { id: string; sealed: string }

/** Credentials of open leases that another key than this sealed, at most so many. */
export async function readStaleLeases(database: Queryable, key: string, limit: number): Promise<Sealed[]> {
  return await database.query<Sealed>(
    `select id, sealed from credentials.leases
      where state in ('intended', 'live', 'revoking', 'stuck') and sealed is not null and split_part(sealed, '.', 2) <> $1
      limit $2`,
    [key, limit],
  )
}

/** Puts the new values in place of the old, where those still stand: a lease that ended meanwhile stays empty. */
export async function replaceLeases(database: Queryable, before: readonly Sealed[], after: readonly string[]) {
  await database.query(
    // Locked in the order of ids, as whoever else changes many of them does: two that wait for each other would end one.
    `with mine as (
       select l.id, v.after from credentials.leases l
         join unnest($1::text[], $2::text[], $3::text[]) as v (id, before, after) on l.id = v.id and l.sealed = v.before
        order by l.id for no key update of l
     )
     update credentials.leases l set sealed = mine.after from mine where l.id = mine.id`,
    [before.map(({ id }) => id), before.map(({ sealed }) => sealed), after],
  )
}

/** Replaces both passwords of the account that we hold at a resource. */
export async function replaceRoot(
  tx: Transaction,
  resource: string,
  { sealed, sealedPending }: { sealed: string; sealedPending: string | null },
): Promise<void> {
  await tx.query("update credentials.roots set sealed = $2, sealed_pending = $3 where resource = $1", [
    resource,
    sealed,
    sealedPending,
  ])
}
