import type { Id, Queryable, Transaction } from "#kernel"
import type { NewAsking, ProviderAsking } from "./asking.ts"

/** A server that has one in hand is given so long; whatever it does takes less. */
const CLAIM_SECONDS = 30
/** Kept so long after it is over. */
const KEPT_SECONDS = 86_400
/** Of a request that a provider is asking somebody about, or will. */
export const LIVE = "('waiting', 'asking', 'asked')"

const NOT_LOOKED = `state = 'requested' and providers_looked_at is null and expires_at > clock_timestamp()
  and exists (select from jsonb_array_elements(requirements) e where e ->> 'rung' = any($1))`

/** As it rests; what is sealed is a text. */
export type AskingRow = Omit<ProviderAsking, "authReqId" | "channel"> & {
  authReqId: string | null
  channelBearer: string | null
  channelDecision: "approve" | "deny" | null
}

const COLUMNS = `id, request, user_id as "user", provider, issuer, subject, state, challenge, check_code as "checkCode",
  auth_req_id as "authReqId", interval_seconds as "intervalSeconds", attempts, asked_at as "askedAt",
  expires_at as "expiresAt", error, channel_bearer as "channelBearer", channel_decision as "channelDecision"`

/** Whether a request waits, on one of those rungs, of which nobody looked yet who is asked at a provider. */
export async function hasNotLooked(database: Queryable, rungs: readonly string[]): Promise<boolean> {
  const rows = await database.query(`select 1 from approvals.requests r where ${NOT_LOOKED} limit 1`, [rungs])
  return rows.length === 1
}

/**
 * Requests that wait, on one of those rungs, and of which nobody looked yet who is asked at a provider. They are held until the
 * transaction ends; of many servers each gets others.
 */
export async function takeNotLooked(tx: Transaction, rungs: readonly string[], limit: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `select id from approvals.requests r where ${NOT_LOOKED} order by requested_at limit $2 for update skip locked`,
    [rungs, limit],
  )
  return rows.map(({ id }) => id)
}

/** Notes that it was looked, and who is asked. */
export async function insertAskings(tx: Transaction, request: string, people: readonly NewAsking[]): Promise<void> {
  await tx.query("update approvals.requests set providers_looked_at = clock_timestamp() where id = $1", [request])
  for (const { id, user, provider, issuer, subject } of people) {
    await tx.query(
      `insert into approvals.provider_requests (id, request, user_id, provider, issuer, subject)
       values ($1, $2, $3, $4, $5, $6) on conflict (request, user_id) do nothing`,
      [id, request, user, provider, issuer, subject],
    )
  }
}

/** Those that are due, for this server to go on with. One that a server had in hand when it fell is due again. */
export async function claimDue(database: Queryable, limit: number): Promise<AskingRow[]> {
  return await database.query<AskingRow>(
    `update approvals.provider_requests set claimed_until = clock_timestamp() + make_interval(secs => $2)
     where id in (select id from approvals.provider_requests where state in ${LIVE} and next_at <= clock_timestamp()
       and (claimed_until is null or claimed_until < clock_timestamp()) order by next_at limit $1 for update skip locked)
     returning ${COLUMNS}`,
    [limit, CLAIM_SECONDS],
  )
}

/** Milliseconds until the next one is due; null when none is. */
export async function nextDueMs(database: Queryable): Promise<number | null> {
  const [row] = await database.query<{ ms: number | null }>(
    `select ceil(extract(epoch from min(greatest(next_at, coalesce(claimed_until, next_at))) - clock_timestamp()) * 1000)::float8 as ms
     from approvals.provider_requests where state in ${LIVE}`,
  )
  return row?.ms ?? null
}

/** Null for none of that id. */
export async function findAsking(database: Queryable, id: string): Promise<AskingRow | null> {
  const [row] = await database.query<AskingRow>(`select ${COLUMNS} from approvals.provider_requests where id = $1`, [
    id,
  ])
  return row ?? null
}

/** That a user is asked for a request; null for none. */
export async function askingOf(database: Queryable, of: { request: string; user: string }): Promise<AskingRow | null> {
  const [row] = await database.query<AskingRow>(
    `select ${COLUMNS} from approvals.provider_requests where request = $1 and user_id = $2`,
    [of.request, of.user],
  )
  return row ?? null
}

/** Says that the provider is about to be asked. False when it is not this server's to do any more. */
export async function beginAsking(
  tx: Transaction,
  { id, challenge, checkCode, ping }: { id: string; challenge: Buffer; checkCode: string; ping: Buffer | null },
): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.provider_requests set state = 'asking', challenge = $2, check_code = $3, ping = $4,
     attempts = attempts + 1, asked_at = clock_timestamp(), channel_bearer = null, channel_decision = null
     where id = $1 and state in ('waiting', 'asking') returning id`,
    [id, challenge, checkCode, ping],
  )
  return rows.length === 1
}

/** The provider asks. False when it is over meanwhile. */
export async function putAsked(
  database: Queryable,
  of: { id: string; sealed: string; intervalSeconds: number; expiresInSeconds: number },
): Promise<boolean> {
  const rows = await database.query(
    `update approvals.provider_requests set state = 'asked', auth_req_id = $2, interval_seconds = $3::int,
     next_at = clock_timestamp() + make_interval(secs => $3::int), claimed_until = null,
     expires_at = clock_timestamp() + make_interval(secs => $4::int) where id = $1 and state = 'asking' returning id`,
    [of.id, of.sealed, of.intervalSeconds, of.expiresInSeconds],
  )
  return rows.length === 1
}

/** Lets it go until so many seconds from now, with so much more between two questions from then on. */
export async function putOff(
  database: Queryable,
  { id, seconds, moreSeconds = 0 }: { id: string; seconds: number; moreSeconds?: number },
): Promise<void> {
  await database.query(
    `update approvals.provider_requests set next_at = clock_timestamp() + make_interval(secs => $2::int + $3::int),
     polled_at = clock_timestamp(), claimed_until = null,
     interval_seconds = interval_seconds + $3::int where id = $1 and state in ${LIVE}`,
    [id, seconds, moreSeconds],
  )
}

/** Ends it, with whatever secret it held. False when it was over before. */
export async function endAsking(
  tx: Queryable,
  { id, state, error = null }: { id: string; state: ProviderAsking["state"]; error?: string | null },
): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.provider_requests set state = $2, error = $3, auth_req_id = null, ping = null, claimed_until = null,
     channel_bearer = null
     where id = $1 and state in ${LIVE} returning id`,
    [id, state, error],
  )
  return rows.length === 1
}

/** A provider says that there is an answer. False for a bearer that is nobody's. */
export async function hasten(
  database: Queryable,
  { provider, ping }: { provider: string; ping: Buffer },
): Promise<boolean> {
  const rows = await database.query(
    `update approvals.provider_requests set next_at = clock_timestamp()
     where provider = $1 and ping = $2 and state in ('asking', 'asked') returning id`,
    [provider, ping],
  )
  return rows.length === 1
}

/** What of a request of ours a provider shows when it has us ask the person. */
export type ChannelOf = { provider: string; subject: string; checkCode: string }

/**
 * Takes the bearer for a request that the provider is asked for now. Null when there is none for that person with that code, or more
 * than one: a yes to what the person looks at would be a yes to the other.
 */
export async function putBearer(
  database: Queryable,
  { provider, subject, checkCode, seal }: ChannelOf & { seal: (id: string) => string },
): Promise<AskingRow | null> {
  const [row, ...more] = await database.query<AskingRow>(
    `select ${COLUMNS} from approvals.provider_requests where provider = $1 and subject = $2 and check_code = $3
     and state in ('asking', 'asked') limit 2`,
    [provider, subject, checkCode],
  )
  if (row === undefined || more.length > 0) return null
  const rows = await database.query(
    `update approvals.provider_requests set channel_bearer = $2 where id = $1 and state in ('asking', 'asked')
     and channel_decision is null and challenge = $3 returning id`,
    [row.id, seal(row.id), row.challenge],
  )
  return rows.length === 1 ? row : null
}

/** Takes what the person says to the provider through us, once. False when the provider did not ask us, or they said it before. */
export async function putChannelDecision(
  tx: Transaction,
  { id, decision }: { id: string; decision: "approve" | "deny" },
): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.provider_requests set channel_decision = $2, next_at = clock_timestamp(), claimed_until = null
     where id = $1 and state = 'asked' and channel_bearer is not null and channel_decision is null returning id`,
    [id, decision],
  )
  return rows.length === 1
}

/** The provider knows it, and is asked for its answer as soon as it takes a question. */
export async function putTold(database: Queryable, id: string): Promise<void> {
  await database.query(
    `update approvals.provider_requests set channel_told_at = clock_timestamp(), channel_bearer = null, claimed_until = null,
     next_at = greatest(clock_timestamp(), polled_at + make_interval(secs => interval_seconds)) where id = $1`,
    [id],
  )
}

/** A browser that was sent to prove anew who its user is; `pending` is sealed. */
export type StepUpRow = {
  state: Buffer
  browser: Buffer
  provider: string
  user: Id<"user">
  requests: Id<"approval">[]
  locale: string
  pending: string
}

/** Of one user at once: each costs whoever signed in one request. */
const MAX_STEP_UPS = 16

/** False when too many of this user's are away. */
export async function insertStepUp(database: Queryable, row: StepUpRow): Promise<boolean> {
  const rows = await database.query(
    `insert into approvals.step_ups (state, browser, provider, user_id, requests, locale, pending, expires_at)
     select $1, $2, $3, $4, $5, $6, $7, clock_timestamp() + interval '15 minutes'
     where (select count(*) from approvals.step_ups where user_id = $4 and expires_at > clock_timestamp()) < $8 returning user_id`,
    [row.state, row.browser, row.provider, row.user, row.requests, row.locale, row.pending, MAX_STEP_UPS],
  )
  return rows.length === 1
}

/** Uses it up: in the browser and for the provider that it was begun with, and once. */
export async function takeStepUp(
  database: Queryable,
  { state, browser, provider }: Pick<StepUpRow, "state" | "browser" | "provider">,
): Promise<StepUpRow | null> {
  const [row] = await database.query<StepUpRow>(
    `delete from approvals.step_ups where state = $1 and browser = $2 and provider = $3 and expires_at > clock_timestamp()
     returning state, browser, provider, user_id as "user", requests, locale, pending`,
    [state, browser, provider],
  )
  return row ?? null
}

/** Forgets who never came back, and what is long over. */
export async function forgetWays(database: Queryable): Promise<void> {
  await database.query("delete from approvals.step_ups where expires_at < clock_timestamp()")
  await database.query(
    `delete from approvals.provider_requests where state not in ${LIVE} and coalesce(expires_at, next_at) < clock_timestamp() - make_interval(secs => $1)`,
    [KEPT_SECONDS],
  )
}
