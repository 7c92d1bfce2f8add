import { type Id, type Queryable, Refusal, type Transaction } from "#kernel"
import type { OperatorRequest } from "./request.ts"

type Row = Pick<OperatorRequest, "id" | "state" | "asked" | "arrival"> & {
  signed_in_at: Date | null
  key_thumbprint: string | null
}

/** Seconds that somebody may take to sign in and answer. */
const PATIENCE_SECONDS = 600
/** Seconds that a code is good for. */
const CODE_SECONDS = 60
/** Requests that wait at once: each costs a stranger one request. */
const MAX_WAITING = 10_000
const ALIVE = "expires_at > clock_timestamp()"

/** Keeps what a browser brought. Throws `overloaded` when too many wait. */
export async function insertRequest(
  database: Queryable,
  { id, asked, browser }: { id: Id<"request">; asked: OperatorRequest["asked"]; browser: Buffer },
): Promise<OperatorRequest> {
  const [row] = await database.query<Row>(
    `insert into sessions.operator_requests (id, state, asked, browser, expires_at)
     select $1, 'begun', $2, $3, clock_timestamp() + make_interval(secs => $4)
     where (select count(*) from (select from sessions.operator_requests where state = 'begun' limit $5) s) < $5
     returning *`,
    [id, JSON.stringify(asked), browser, PATIENCE_SECONDS, MAX_WAITING],
  )
  if (row === undefined) throw new Refusal("overloaded", "Too many operators are signing in. Try again later.")
  return read(row)
}

/** The undecided request of that browser. */
export async function findUndecided(
  database: Queryable,
  { id, browser }: { id: string; browser: Buffer },
): Promise<OperatorRequest | null> {
  const [row] = await database.query<Row>(
    `select * from sessions.operator_requests
     where id = $1 and browser = $2 and state in ('begun', 'signed-in') and ${ALIVE}`,
    [id, browser],
  )
  return row === undefined ? null : read(row)
}

/** begun → signed-in, now. Null when that is not where it stands. */
export async function enter(
  tx: Transaction,
  { id, browser }: { id: string; browser: Buffer },
  arrival: OperatorRequest["arrival"],
): Promise<OperatorRequest | null> {
  const [row] = await tx.query<Row>(
    `update sessions.operator_requests set state = 'signed-in', arrival = $3, signed_in_at = clock_timestamp(),
       expires_at = clock_timestamp() + make_interval(secs => $4)
     where id = $1 and browser = $2 and state = 'begun' and ${ALIVE} returning *`,
    [id, browser, JSON.stringify(arrival), PATIENCE_SECONDS],
  )
  return row === undefined ? null : read(row)
}

/** signed-in → allowed, with a code; or → denied. False when it was decided already, or is over. */
export async function decide(
  tx: Transaction,
  { id, browser }: { id: string; browser: Buffer },
  code: Buffer | null,
): Promise<boolean> {
  const rows = await tx.query(
    `update sessions.operator_requests set state = case when $3::bytea is null then 'denied' else 'allowed' end,
       code = $3, expires_at = clock_timestamp() + make_interval(secs => $4)
     where id = $1 and browser = $2 and state = 'signed-in' and ${ALIVE} returning id`,
    [id, browser, code, CODE_SECONDS],
  )
  return rows.length === 1
}

/** The request of a code, also one that was used or is over. */
export async function findByCode(
  database: Queryable,
  code: Buffer,
): Promise<{ request: OperatorRequest; isAlive: boolean } | null> {
  const [row] = await database.query<Row & { is_alive: boolean }>(
    `select *, ${ALIVE} as is_alive from sessions.operator_requests where code = $1`,
    [code],
  )
  return row === undefined ? null : { request: read(row), isAlive: row.is_alive }
}

/** allowed → redeemed by that key; of many at once one is first. Null for a code that is over, or was used with another key. */
export async function redeem(
  tx: Transaction,
  code: Buffer,
  keyThumbprint: string,
): Promise<{ request: OperatorRequest; isFirst: boolean } | null> {
  const [row] = await tx.query<Row>(
    `select * from sessions.operator_requests where code = $1 and ${ALIVE} for update`,
    [code],
  )
  if (row === undefined) return null
  const isFirst = row.state === "allowed"
  if (!isFirst && row.key_thumbprint !== keyThumbprint) return null
  if (isFirst) {
    await tx.query("update sessions.operator_requests set state = 'redeemed', key_thumbprint = $2 where code = $1", [
      code,
      keyThumbprint,
    ])
  }
  return { request: read(row), isFirst }
}

/** Takes away what is on its way for a person, or for a session at their provider. */
export async function cancel(
  tx: Transaction,
  of: { user: string } | { iss: string; providerSession: string },
): Promise<void> {
  const { user = null, iss = null, providerSession = null } = of as { [name: string]: string }
  await tx.query(
    `delete from sessions.operator_requests where state in ('signed-in', 'allowed')
       and ($1::text is null or arrival -> 'user' ->> 'id' = $1)
       and ($2::text is null or (arrival -> 'user' ->> 'iss' = $2 and arrival ->> 'providerSession' = $3))`,
    [user, iss, providerSession],
  )
}

/** Forgets what is long over. A code that was used is known for a while yet, so that its second use is seen. */
export async function forgetRequests(database: Queryable): Promise<void> {
  await database.query("delete from sessions.operator_requests where expires_at < now() - interval '1 hour'")
}

function read({ id, state, asked, arrival, signed_in_at: at, key_thumbprint: key }: Row): OperatorRequest {
  return { id, state, asked, arrival, signedInAtMs: at?.getTime() ?? null, keyThumbprint: key }
}
