import type { Id, Queryable, Transaction } from "#kernel"
import type { ActionDetail } from "../action-details.ts"

/** What a session hands on to an agent, for one of its instances to take up once. */
export type Offer = {
  id: Id<"delegation">
  /** The session that hands it on. */
  session: Id<"session">
  /** Whom it is for: the name, and the id of that registration. */
  agent: string
  agentId: string
  purpose: string
  details: ActionDetail[]
  lifetimeSeconds: number | null
  hardEndSeconds: number | null
  /** The log's entry that allowed it; the session that is opened with it is what became of that. */
  entry: Id<"entry">
  expiresAt: Date
}

/** An offer that stands in the database, by its clock. */
export type FoundOffer = Offer & { isAccepted: boolean; hasExpired: boolean }

/** How long an offer waits for whoever takes it up. */
export const OFFER_SECONDS = 300
const COLUMNS = `id, session, agent, agent_id as "agentId", purpose, details, lifetime_seconds as "lifetimeSeconds",
  hard_end_seconds as "hardEndSeconds", entry, expires_at as "expiresAt"`

/** Writes an offer; it expires with its session if that is sooner. Null when the session is not open any more. */
export async function insertOffer(tx: Transaction, offer: Omit<Offer, "expiresAt">): Promise<Offer | null> {
  const [row] = await tx.query<Offer>(
    `insert into sessions.delegations (id, session, agent, agent_id, purpose, details, lifetime_seconds, hard_end_seconds,
       entry, expires_at)
     select $1::text, id, $3::text, $4::text, $5::text, $6::jsonb, $7::int, $8::int, $9::text,
       least(clock_timestamp() + make_interval(secs => ${OFFER_SECONDS}), hard_end_at) from sessions.sessions
     where id = $2 and state = 'open' and expires_at > clock_timestamp()
     returning ${COLUMNS}`,
    [
      offer.id,
      offer.session,
      offer.agent,
      offer.agentId,
      offer.purpose,
      JSON.stringify(offer.details),
      offer.lifetimeSeconds,
      offer.hardEndSeconds,
      offer.entry,
    ],
  )
  return row ?? null
}

/** Null when there is none of that id. */
export async function findOffer(database: Queryable, id: string): Promise<FoundOffer | null> {
  const [row] = await database.query<FoundOffer>(
    `select ${COLUMNS}, accepted_at is not null as "isAccepted", expires_at <= clock_timestamp() as "hasExpired"
     from sessions.delegations where id = $1`,
    [id],
  )
  return row ?? null
}

/** Takes an offer up. False when somebody did, or its time is over; of many at once, one gets true. */
export async function spendOffer(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx.query(
    `update sessions.delegations set accepted_at = clock_timestamp()
     where id = $1 and accepted_at is null and expires_at > clock_timestamp() returning id`,
    [id],
  )
  return rows.length === 1
}

/** Forgets offers an hour after their time: the log has them. */
export async function forgetOffers(database: Queryable): Promise<void> {
  await database.query("delete from sessions.delegations where expires_at < clock_timestamp() - interval '1 hour'")
}
