import { type Id, type Queryable, Refusal, type Transaction } from "#kernel"
import type { User } from "../../user.ts"

/** Somebody who is signed in with a browser. */
export type SignedInBrowser = {
  user: User
  providerSession: string | null
  /** Since the provider saw the user; without end where it does not say. */
  ageSeconds: number
}

type Row = { user: User; provider_session: string | null; age: number }

/** Longest that a browser stays signed in, and unused; the pages then send it to the provider again. */
const MAX_HOURS = 8
const IDLE_MINUTES = 30
const ALIVE = `expires_at > clock_timestamp() and last_seen_at > clock_timestamp() - interval '${IDLE_MINUTES} minutes'`

/**
 * Signs a browser in. `signedInAtMs`, when the provider says that it saw the user, is no later than now. Of a user who came back from
 * a session at the provider that may be days old, nobody knows: that is long ago (OpenID Connect Core §2, `auth_time`).
 */
export async function insertBrowser(
  tx: Transaction,
  cookie: Buffer,
  of: { user: User; providerSession: string | null; signedInAtMs: number | null },
): Promise<void> {
  await tx.query(
    `insert into sessions.browsers (cookie, "user", provider_session, signed_in_at, expires_at)
     values ($1, $2, $3, least(clock_timestamp(), to_timestamp($4::float8 / 1000)), clock_timestamp() + interval '${MAX_HOURS} hours')`,
    [cookie, JSON.stringify(of.user), of.providerSession, of.signedInAtMs ?? 0],
  )
}

/** Who is signed in with it, and notes that it was used; null for nobody any more. */
export async function useBrowser(database: Queryable, cookie: Buffer): Promise<SignedInBrowser | null> {
  const [row] = await database.query<Row>(
    `update sessions.browsers set last_seen_at = clock_timestamp() where cookie = $1 and ${ALIVE}
     returning "user", provider_session, extract(epoch from clock_timestamp() - signed_in_at)::float8 as age`,
    [cookie],
  )
  if (row === undefined) return null
  return { user: row.user, providerSession: row.provider_session, ageSeconds: row.age }
}

/** Signs one browser out; who was signed in with it, null for nobody. */
export async function endBrowser(tx: Transaction, cookie: Buffer): Promise<User | null> {
  const [row] = await tx.query<Row>('delete from sessions.browsers where cookie = $1 returning "user"', [cookie])
  return row?.user ?? null
}

/** Signs out every browser of a user, or those of one session at their provider. Returns how many. */
export async function endBrowsers(
  tx: Transaction,
  of: { user: string } | { iss: string; providerSession: string },
): Promise<number> {
  const { user = null, iss = null, providerSession = null } = of as { [name: string]: string }
  const rows = await tx.query(
    `delete from sessions.browsers where ($1::text is null or user_id = $1)
       and ($2::text is null or ("user" ->> 'iss' = $2 and provider_session = $3)) returning user_id`,
    [user, iss, providerSession],
  )
  return rows.length
}

/** A browser that was sent away to sign in; `pending` is sealed. */
export type SignInRow = {
  state: Buffer
  browser: Buffer
  provider: string
  pending: string
  request: string | null
  operator: string | null
}

/** Browsers that are away at once: each costs a stranger one request. */
const MAX_AWAY = 10_000
/** Times that one pushed request is signed in for at once: whoever floods us keeps nobody out whom an agent has sent. */
const MAX_FOR_REQUEST = 16

/** Keeps it for as long as providers are given. Throws `overloaded` when too many are away. */
export async function insertSignIn(database: Queryable, row: SignInRow): Promise<void> {
  const rows = await database.query(
    `insert into sessions.sign_ins (state, browser, provider, pending, request, operator, expires_at)
     select $1, $2, $3, $4, $5, $7, clock_timestamp() + interval '15 minutes'
     where (select count(*) from (select from sessions.sign_ins limit $6) s) < $6
       or exists (select from sessions.authorization_requests where id = $5 and request_uri is not null)
         and (select count(*) from sessions.sign_ins where request = $5) < $8
     returning provider`,
    [row.state, row.browser, row.provider, row.pending, row.request, MAX_AWAY, row.operator, MAX_FOR_REQUEST],
  )
  if (rows.length === 0) throw new Refusal("overloaded", "Too many users are signing in. Try again later.")
}

/** Uses a sign-in up: only in the browser and for the provider that it was begun with, and once. */
export async function takeSignIn(
  database: Queryable,
  of: Pick<SignInRow, "state" | "browser" | "provider">,
): Promise<{ pending: string; request: Id<"request"> | null; operator: Id<"request"> | null } | null> {
  const [row] = await database.query<{
    pending: string
    request: Id<"request"> | null
    operator: Id<"request"> | null
  }>(
    `delete from sessions.sign_ins where state = $1 and browser = $2 and provider = $3 and expires_at > clock_timestamp()
     returning pending, request, operator`,
    [of.state, of.browser, of.provider],
  )
  return row ?? null
}

/** Forgets who is signed in no more, and who never came back. */
export async function forgetBrowsers(database: Queryable): Promise<void> {
  await database.query("delete from sessions.sign_ins where expires_at < clock_timestamp()")
  await database.query(`delete from sessions.browsers where not (${ALIVE})`)
}
