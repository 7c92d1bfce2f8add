import { type Id, type Queryable, Refusal, type Transaction } from "#kernel"
import type { User } from "../../user.ts"
import type { Asked, AuthorizationRequest, Granted, RequestState } from "../asked.ts"

type Row = {
  id: Id<"request">
  state: RequestState
  asked: Asked
  user: User | null
  provider_session: string | null
  granted: Granted | null
  session: Id<"session"> | null
}

/** Seconds that somebody may take to sign in and decide. */
const PATIENCE_SECONDS = 900
/** Seconds that a code is good for. */
const CODE_SECONDS = 60

const ALIVE = "expires_at > clock_timestamp()"

/** Keeps a request until a browser brings its URI. */
export async function insertPushed(
  database: Queryable,
  { id, requestUri, asked, seconds }: { id: Id<"request">; requestUri: Buffer; asked: Asked; seconds: number },
): Promise<void> {
  await database.query(
    `insert into sessions.authorization_requests (id, state, asked, request_uri, expires_at)
     values ($1, 'pushed', $2, $3, clock_timestamp() + make_interval(secs => $4))`,
    [id, JSON.stringify(asked), requestUri, seconds],
  )
}

/** Requests of strangers that wait at once: whoever floods us fills this, and nothing that an agent pushed. */
const MAX_STRANGERS = 10_000

/** A request that a browser brought with all its parameters. Throws `overloaded` when too many wait. */
export async function insertBegun(
  database: Queryable,
  { id, browser, asked }: { id: Id<"request">; browser: Buffer; asked: Asked },
): Promise<AuthorizationRequest> {
  const [row] = await database.query<Row>(
    `insert into sessions.authorization_requests (id, state, asked, browser, expires_at)
     select $1, 'begun', $2, $3, clock_timestamp() + make_interval(secs => $4)
     where (select count(*) from (
       select from sessions.authorization_requests where state = 'begun' and request_uri is null limit $5) s) < $5
     returning *`,
    [id, JSON.stringify(asked), browser, PATIENCE_SECONDS, MAX_STRANGERS],
  )
  if (row === undefined) throw new Refusal("overloaded", "Too many requests wait for their users. Try again later.")
  return read(row)
}

/** pushed → begun, once: of many browsers that bring the URI one gets it. Null when it was brought, is over, or another client's. */
export async function beginPushed(
  database: Queryable,
  { requestUri, client, browser }: { requestUri: Buffer; client: string; browser: Buffer },
): Promise<AuthorizationRequest | null> {
  const [row] = await database.query<Row>(
    `update sessions.authorization_requests
     set state = 'begun', browser = $3, expires_at = clock_timestamp() + make_interval(secs => $4)
     where request_uri = $1 and asked -> 'agent' ->> 'spiffeId' = $2 and state = 'pushed' and ${ALIVE} returning *`,
    [requestUri, client, browser, PATIENCE_SECONDS],
  )
  return row === undefined ? null : read(row)
}

/** The request that this browser has begun and not decided, by its URI or its id. */
export async function findUndecided(
  database: Queryable,
  by: { requestUri: Buffer; client: string } | { id: string },
  browser: Buffer,
): Promise<AuthorizationRequest | null> {
  const { id = null, requestUri = null, client = null } = by as { id?: string; requestUri?: Buffer; client?: string }
  const [row] = await database.query<Row>(
    `select * from sessions.authorization_requests
     where browser = $4 and state in ('begun', 'signed-in') and ${ALIVE}
       and ($1::text is null or id = $1)
       and ($2::bytea is null or (request_uri = $2 and asked -> 'agent' ->> 'spiffeId' = $3))`,
    [id, requestUri, client, browser],
  )
  return row === undefined ? null : read(row)
}

/** begun → signed-in, in the browser that began. Null when that is not where it stands. */
export async function enterUser(
  database: Queryable,
  of: { id: string; browser: Buffer },
  { user, providerSession }: { user: User; providerSession: string | null },
): Promise<AuthorizationRequest | null> {
  const [row] = await database.query<Row>(
    `update sessions.authorization_requests
     set state = 'signed-in', "user" = $3, provider_session = $4, expires_at = clock_timestamp() + make_interval(secs => $5)
     where id = $1 and browser = $2 and state = 'begun' and ${ALIVE} returning *`,
    [of.id, of.browser, JSON.stringify(user), providerSession, PATIENCE_SECONDS],
  )
  return row === undefined ? null : read(row)
}

/** signed-in → allowed, with a code; or → denied, without. False when it was decided already, or is over. */
export async function decide(
  tx: Transaction,
  of: { id: string; browser: Buffer },
  decision: { granted: Granted; code: Buffer } | null,
): Promise<boolean> {
  const rows = await tx.query(
    `update sessions.authorization_requests
     set state = case when $3::jsonb is null then 'denied' else 'allowed' end, granted = $3, code = $4,
       expires_at = clock_timestamp() + make_interval(secs => $5)
     where id = $1 and browser = $2 and state = 'signed-in' and ${ALIVE} returning id`,
    [of.id, of.browser, decision && JSON.stringify(decision.granted), decision?.code ?? null, CODE_SECONDS],
  )
  return rows.length === 1
}

/** The request that the code is of, also one that was redeemed or is over. */
export async function findByCode(
  database: Queryable,
  code: Buffer,
): Promise<{ request: AuthorizationRequest; isAlive: boolean } | null> {
  const [row] = await database.query<Row & { is_alive: boolean }>(
    `select *, ${ALIVE} as is_alive from sessions.authorization_requests where code = $1`,
    [code],
  )
  return row === undefined ? null : { request: read(row), isAlive: row.is_alive }
}

/** allowed → redeemed, for that session; of many at once one gets true. */
export async function redeem(tx: Transaction, code: Buffer, session: Id<"session">): Promise<boolean> {
  const rows = await tx.query(
    `update sessions.authorization_requests set state = 'redeemed', session = $2
     where code = $1 and state = 'allowed' and ${ALIVE} returning id`,
    [code, session],
  )
  return rows.length === 1
}

/** Takes away what is on its way for a user, a session at their provider, or in a browser, and is not redeemed yet. */
export async function cancelRequests(
  tx: Transaction,
  of: { user: string } | { iss: string; providerSession: string } | { browser: Buffer },
): Promise<void> {
  const { user = null, iss = null, providerSession = null } = of as { [name: string]: string }
  await tx.query(
    `delete from sessions.authorization_requests where state in ('signed-in', 'allowed')
       and ($1::text is null or "user" ->> 'id' = $1)
       and ($2::text is null or ("user" ->> 'iss' = $2 and provider_session = $3))
       and ($4::bytea is null or browser = $4)`,
    [user, iss, providerSession, "browser" in of ? of.browser : null],
  )
}

/** Forgets requests that are over; those that were redeemed a day later, so that a code that comes again is known for one. */
export async function forgetRequests(database: Queryable): Promise<void> {
  await database.query(
    `delete from sessions.authorization_requests where expires_at < clock_timestamp() - interval '1 minute'
       and (state <> 'redeemed' or expires_at < clock_timestamp() - interval '1 day')`,
  )
}

function read(row: Row): AuthorizationRequest {
  const { id, state, asked, user, provider_session: providerSession, granted, session } = row
  return { id, state, asked, user, providerSession, granted, session }
}
