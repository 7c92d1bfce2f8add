import type { Id, Queryable, Transaction } from "#kernel"
import type { ActionDetail } from "../action-details.ts"
import type { Consent } from "./asked.ts"

type Row = {
  id: Id<"consent">
  user_id: Id<"user">
  agent: string
  agent_id: string
  purpose: string
  application: string | null
  details: ActionDetail[]
  asked: ActionDetail[]
  hard_end_seconds: number
  text: string
  text_digest: string
  given_at: Date
  is_remembered: boolean
}

const REMEMBERED = "replaced_at is null and revoked_at is null"
const COLUMNS = `*, ${REMEMBERED} as is_remembered`

/** What a consent is for: by this it is remembered, and a newer one takes its place. */
export type ConsentFor = Pick<Consent, "user" | "agentId" | "purpose" | "application">

/** Keeps a consent, in the place of the one that was remembered for the same. */
export async function insertConsent(
  tx: Transaction,
  consent: Omit<Consent, "givenAt" | "isRemembered">,
): Promise<void> {
  await tx.query(
    `update sessions.consents set replaced_at = clock_timestamp()
     where user_id = $1 and agent_id = $2 and purpose = $3 and application is not distinct from $4 and ${REMEMBERED}`,
    [consent.user, consent.agentId, consent.purpose, consent.application],
  )
  await tx.query(
    `insert into sessions.consents
       (id, user_id, agent, agent_id, purpose, application, details, asked, hard_end_seconds, text, text_digest)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      consent.id,
      consent.user,
      consent.agent,
      consent.agentId,
      consent.purpose,
      consent.application,
      JSON.stringify(consent.details),
      JSON.stringify(consent.asked),
      consent.hardEndSeconds,
      consent.text,
      consent.textDigest,
    ],
  )
}

/** What is remembered for exactly this; null for nothing. */
export async function findRemembered(database: Queryable, of: ConsentFor): Promise<Consent | null> {
  const [row] = await database.query<Row>(
    `select ${COLUMNS} from sessions.consents
     where user_id = $1 and agent_id = $2 and purpose = $3 and application is not distinct from $4 and ${REMEMBERED}`,
    [of.user, of.agentId, of.purpose, of.application],
  )
  return row === undefined ? null : read(row)
}

/** Null for another user's. */
export async function findConsent(database: Queryable, id: string, user: string): Promise<Consent | null> {
  const [row] = await database.query<Row>(`select ${COLUMNS} from sessions.consents where id = $1 and user_id = $2`, [
    id,
    user,
  ])
  return row === undefined ? null : read(row)
}

/** What is remembered of a user, the newest first. */
export async function listRemembered(database: Queryable, user: string): Promise<Consent[]> {
  const rows = await database.query<Row>(
    `select ${COLUMNS} from sessions.consents where user_id = $1 and ${REMEMBERED} order by given_at desc, id limit 500`,
    [user],
  )
  return rows.map(read)
}

/** True when the consent was not revoked, and then it is not until this transaction ends: who revokes it waits. */
export async function holdConsent(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx.query("select from sessions.consents where id = $1 and revoked_at is null for share", [id])
  return rows.length > 0
}

/** The same of one that is to be what is remembered: a newer one in its place may have granted less. */
export async function holdRemembered(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx.query(`select from sessions.consents where id = $1 and ${REMEMBERED} for share`, [id])
  return rows.length > 0
}

/**
 * Revokes a user's consent and every older one for the same agent and purpose, so that nothing that was opened by one of them
 * is left out; with null all that they ever gave. Returns what was revoked now.
 */
export async function revokeConsents(tx: Transaction, user: string, id: string | null): Promise<Consent[]> {
  const rows = await tx.query<Row>(
    `update sessions.consents c set revoked_at = clock_timestamp()
     where c.user_id = $1 and c.revoked_at is null and ($2::text is null or exists (
       select from sessions.consents named where named.id = $2 and named.user_id = $1 and c.agent_id = named.agent_id
         and c.purpose = named.purpose and c.application is not distinct from named.application))
     returning c.*, false as is_remembered`,
    [user, id],
  )
  return rows.map(read)
}

function read(row: Row): Consent {
  return {
    id: row.id,
    user: row.user_id,
    agent: row.agent,
    agentId: row.agent_id,
    purpose: row.purpose,
    application: row.application,
    details: row.details,
    asked: row.asked,
    hardEndSeconds: row.hard_end_seconds,
    text: row.text,
    textDigest: row.text_digest,
    givenAt: row.given_at,
    isRemembered: row.is_remembered,
  }
}
