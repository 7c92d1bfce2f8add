import type { Id, Queryable, Transaction } from "#kernel"
import type { Passkey } from "./passkey.ts"

const text = (column: string) => `translate(encode(${column}, 'base64'), E'+/=\\n', '-_')`

const COLUMNS = `id, ${text("credential_id")} as "credentialId", user_id as "user", ${text("public_key")} as "publicKey",
  algorithm, counter, transports, aaguid, is_backup_eligible as "isBackupEligible", is_backed_up as "isBackedUp", label,
  admitted_by as "admittedBy", enrolled_at as "enrolledAt", nullif(counts_from, 'infinity') as "countsFrom",
  last_used_at as "lastUsedAt", revoked_at as "revokedAt", enrolled_entry as "enrolledEntry",
  confirmed_entry as "confirmedEntry", revoked_entry as "revokedEntry",
  revoked_at is null and counts_from <= clock_timestamp() as "isCounting"`

/** The site that the first passkey was made for; null before that. */
export async function readSite(database: Queryable): Promise<string | null> {
  const [row] = await database.query<{ rpId: string }>('select rp_id as "rpId" from approvals.site')
  return row?.rpId ?? null
}

/** Fixes the site, if it is not yet; returns the one that is. */
export async function fixSite(tx: Transaction, rpId: string): Promise<string> {
  await tx.query("insert into approvals.site (rp_id) values ($1) on conflict do nothing", [rpId])
  return (await readSite(tx))!
}

/** Holds everything that is decided by which keys a user has until the transaction ends. */
export async function lockPasskeysOf(tx: Transaction, user: string): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtextextended('approvals.passkeys ' || $1, 0))", [user])
}

/** Every key of a user's that ever was, the oldest first. */
export async function listPasskeys(database: Queryable, user: string): Promise<Passkey[]> {
  return await database.query<Passkey>(
    `select ${COLUMNS} from approvals.passkeys where user_id = $1 order by enrolled_at, id`,
    [user],
  )
}

/** The key of that credential id, whosever it is or was; null when there is none. */
export async function findCredential(database: Queryable, credentialId: Buffer): Promise<Passkey | null> {
  const [row] = await database.query<Passkey>(`select ${COLUMNS} from approvals.passkeys where credential_id = $1`, [
    credentialId,
  ])
  return row ?? null
}

/** The same of one user's; null also when it is another's. */
export async function findPasskey(
  database: Queryable,
  of: { user: string; credentialId: Buffer },
): Promise<Passkey | null> {
  const [row] = await database.query<Passkey>(
    `select ${COLUMNS} from approvals.passkeys where user_id = $1 and credential_id = $2`,
    [of.user, of.credentialId],
  )
  return row ?? null
}

/** What is written of a new key. `countsInSeconds` null: not before somebody confirms it. */
export type NewPasskey = Pick<
  Passkey,
  "id" | "user" | "algorithm" | "counter" | "transports" | "aaguid" | "isBackupEligible" | "isBackedUp" | "label"
> & {
  credentialId: Buffer
  publicKey: Buffer
  admittedBy: Passkey["admittedBy"]
  enrolledEntry: Id<"entry">
  countsInSeconds: number | null
}

/** Null when the credential is there already, whosever it is. */
export async function insertPasskey(tx: Transaction, passkey: NewPasskey): Promise<Passkey | null> {
  const [row] = await tx.query<Passkey>(
    `insert into approvals.passkeys (id, credential_id, user_id, public_key, algorithm, counter, transports, aaguid,
       is_backup_eligible, is_backed_up, label, admitted_by, counts_from, enrolled_entry)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
       coalesce(clock_timestamp() + make_interval(secs => $13), 'infinity'), $14)
     on conflict do nothing returning ${COLUMNS}`,
    [
      passkey.id,
      passkey.credentialId,
      passkey.user,
      passkey.publicKey,
      passkey.algorithm,
      passkey.counter,
      JSON.stringify(passkey.transports),
      passkey.aaguid,
      passkey.isBackupEligible,
      passkey.isBackedUp,
      passkey.label,
      passkey.admittedBy,
      passkey.countsInSeconds,
      passkey.enrolledEntry,
    ],
  )
  return row ?? null
}

/**
 * Notes that a key signed. False when it does not count (any more), or when its counter does not go up: of two copies of a key
 * that is not meant to be copied, one is found by that (WebAuthn Level 3 §6.1.1).
 */
export async function usePasskey(
  database: Queryable,
  used: { id: string; counter: number; isBackedUp: boolean },
): Promise<boolean> {
  const rows = await database.query(
    `update approvals.passkeys set counter = $2, is_backed_up = $3, last_used_at = clock_timestamp()
     where id = $1 and revoked_at is null and counts_from <= clock_timestamp()
       and (counter < $2 or (counter = 0 and $2 = 0)) returning id`,
    [used.id, used.counter, used.isBackedUp],
  )
  return rows.length === 1
}

/** Whether the key counts, and then it does until the transaction ends. */
export async function holdPasskey(tx: Transaction, of: { user: string; credentialId: Buffer }): Promise<boolean> {
  const rows = await tx.query(
    `select id from approvals.passkeys where user_id = $1 and credential_id = $2 and revoked_at is null
     and counts_from <= clock_timestamp() for share`,
    [of.user, of.credentialId],
  )
  return rows.length === 1
}

/** False for one that is not the user's, or is revoked. */
export async function renamePasskey(
  tx: Transaction,
  { id, user, label }: { id: string; user: string; label: string },
): Promise<boolean> {
  const rows = await tx.query(
    "update approvals.passkeys set label = $3 where id = $1 and user_id = $2 and revoked_at is null returning id",
    [id, user, label],
  )
  return rows.length === 1
}

/** Revokes a key of the user's. Null for one that was before, or is not theirs. */
export async function revokePasskey(
  tx: Transaction,
  { id, user, entry }: { id: string; user: string; entry: Id<"entry"> },
): Promise<Passkey | null> {
  const [row] = await tx.query<Passkey>(
    `update approvals.passkeys set revoked_at = clock_timestamp(), revoked_entry = $3
     where id = $1 and user_id = $2 and revoked_at is null returning ${COLUMNS}`,
    [id, user, entry],
  )
  return row ?? null
}

/** A key that waits counts from now on. Null for one that is not there, is revoked, or counts already. */
export async function confirmPasskey(
  tx: Transaction,
  { id, entry }: { id: string; entry: Id<"entry"> },
): Promise<Passkey | null> {
  const [row] = await tx.query<Passkey>(
    `update approvals.passkeys set counts_from = clock_timestamp(), confirmed_entry = $2
     where id = $1 and revoked_at is null and counts_from > clock_timestamp() returning ${COLUMNS}`,
    [id, entry],
  )
  return row ?? null
}

/** Keys that wait until somebody confirms them, or their time comes; the oldest first, at most 100. */
export async function listWaiting(database: Queryable): Promise<Passkey[]> {
  return await database.query<Passkey>(
    `select ${COLUMNS} from approvals.passkeys where revoked_at is null and counts_from > clock_timestamp()
     order by enrolled_at limit 100`,
  )
}

/** A browser that was given a challenge to make a key with. */
export type EnrolmentRow = { challenge: Buffer; browser: Buffer; user: Id<"user"> }

const ENROLMENT_SECONDS = 300
/** Challenges that one user has at once; the oldest goes. */
const MOST_ENROLMENTS = 5

/** Keeps a challenge, and forgets those that are over. */
export async function insertEnrolment(database: Queryable, { challenge, browser, user }: EnrolmentRow): Promise<void> {
  await database.query("delete from approvals.enrolments where expires_at < clock_timestamp()")
  await database.query(
    `delete from approvals.enrolments where challenge in (
       select challenge from approvals.enrolments where user_id = $1 order by expires_at desc offset $2)`,
    [user, MOST_ENROLMENTS - 1],
  )
  await database.query(
    `insert into approvals.enrolments (challenge, browser, user_id, expires_at)
     values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))`,
    [challenge, browser, user, ENROLMENT_SECONDS],
  )
}

/** Uses a challenge up: in the browser and by the user that it was given to, in time, and once. */
export async function takeEnrolment(tx: Transaction, { challenge, browser, user }: EnrolmentRow): Promise<boolean> {
  const rows = await tx.query(
    `delete from approvals.enrolments where challenge = $1 and browser = $2 and user_id = $3
     and expires_at > clock_timestamp() returning challenge`,
    [challenge, browser, user],
  )
  return rows.length === 1
}
