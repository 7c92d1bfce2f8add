import type { Queryable, Transaction } from "#kernel"

/** What is compared: one operation, done for one user. */
export type Of = { user: string; resource: string; operation: string }

/** One value that was approved; `amount` is null for what is no number. */
export type Noted = { argument: string; salt: Buffer; mark: Buffer; amount: number | null }

/** As many of each argument are compared, the newest. */
const KEPT = 50

/** What was approved of that operation, the newest first. */
export async function readUsual(database: Queryable, { user, resource, operation }: Of): Promise<Noted[]> {
  return await database.query<Noted>(
    `select argument, salt, mark, amount from approvals.usual
     where user_id = $1 and resource = $2 and operation = $3 order by approved_at desc`,
    [user, resource, operation],
  )
}

/** Notes what was approved, and forgets the oldest. Two statements, however many arguments there are: the log waits meanwhile. */
export async function insertUsual(tx: Transaction, of: Of, noted: readonly Noted[]): Promise<void> {
  const { user, resource, operation } = of
  const names = noted.map(({ argument }) => argument)
  await tx.query(
    `insert into approvals.usual (user_id, resource, operation, argument, salt, mark, amount)
     select $1, $2, $3, argument, salt, mark, amount
     from unnest($4::text[], $5::bytea[], $6::bytea[], $7::float8[]) as n (argument, salt, mark, amount)`,
    [
      ...[user, resource, operation, names],
      ...[noted.map(({ salt }) => salt), noted.map(({ mark }) => mark), noted.map(({ amount }) => amount)],
    ],
  )
  await tx.query(
    `delete from approvals.usual where ctid in (select ctid from (
       select ctid, row_number() over (partition by argument order by approved_at desc) as nth from approvals.usual
       where user_id = $1 and resource = $2 and operation = $3 and argument = any($4)) as kept where nth > $5)`,
    [user, resource, operation, names, KEPT],
  )
}
