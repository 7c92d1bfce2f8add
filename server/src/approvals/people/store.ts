import type { Id, Queryable, Transaction } from "#kernel"

/** How it is known whose a contact is; null while it is not. */
export type VerifiedBy = "browser" | "code" | "provider" | null

/** A contact as it rests: endpoint, address or number sealed. */
export type ContactRow = {
  id: Id<"contact">
  kind: "push" | "email" | "sms"
  sealed: string
  verified_by: VerifiedBy
}

/** What is set of a person, sealed where it says something of them. */
export type PersonRow = { locale: "en" | "de"; quiet_hours: string | null }

/** Makes the person's row where there is none, and locks it: contacts of one person change one after another. */
export async function lockPerson(tx: Transaction, user: string): Promise<void> {
  await tx.query("insert into approvals.people (user_id) values ($1) on conflict do nothing", [user])
  await tx.query("select from approvals.people where user_id = $1 for update", [user])
}

/** Defaults for somebody of whom nothing is set. */
export async function readPerson(database: Queryable, user: string): Promise<PersonRow> {
  const [row] = await database.query<PersonRow>("select locale, quiet_hours from approvals.people where user_id = $1", [
    user,
  ])
  return row ?? { locale: "en", quiet_hours: null }
}

/** Sets what is given. */
export async function writePerson(
  tx: Transaction,
  user: string,
  { locale, quietHours }: { locale: string; quietHours: string | null },
): Promise<void> {
  await tx.query("update approvals.people set locale = $2, quiet_hours = $3 where user_id = $1", [
    user,
    locale,
    quietHours,
  ])
}

/** Contacts of a person, the oldest first. */
export async function readContacts(database: Queryable, user: string): Promise<ContactRow[]> {
  return await database.query<ContactRow>(
    "select id, kind, sealed, verified_by from approvals.contacts where user_id = $1 order by created_at, id",
    [user],
  )
}

/** Keeps a contact. */
export async function insertContact(
  tx: Transaction,
  user: string,
  { id, kind, sealed, verified_by }: ContactRow,
): Promise<void> {
  await tx.query(
    "insert into approvals.contacts (id, user_id, kind, sealed, verified_by) values ($1, $2, $3, $4, $5)",
    [id, user, kind, sealed, verified_by],
  )
}

/** Says how it is known whose a contact is; a code is waited for no more. */
export async function markVerified(tx: Transaction, id: string, by: VerifiedBy): Promise<void> {
  await tx.query(
    "update approvals.contacts set verified_by = $2, code = null, code_expires_at = null, code_tries = 0 where id = $1",
    [id, by],
  )
}

/** Keeps the code that a contact is to be proven with. */
export async function writeCode(
  tx: Transaction,
  id: string,
  { sealed, ttlSeconds }: { sealed: string; ttlSeconds: number },
): Promise<void> {
  await tx.query(
    `update approvals.contacts set code = $2, code_tries = 0,
       code_expires_at = clock_timestamp() + make_interval(secs => $3) where id = $1`,
    [id, sealed, ttlSeconds],
  )
}

/** Counts a code that is to be sent for a person; false when that many were sent today. */
export async function countCode(tx: Transaction, user: string, most: number): Promise<boolean> {
  const rows = await tx.query(
    `update approvals.people set codes_on = current_date, codes = case codes_on when current_date then codes else 0 end + 1
      where user_id = $1 and (codes_on is distinct from current_date or codes < $2) returning user_id`,
    [user, most],
  )
  return rows.length === 1
}

/** The code of a person's contact, counting the try; null when none is waited for, or after that many tries. */
export async function takeTry(
  tx: Transaction,
  { user, id, maxTries }: { user: string; id: string; maxTries: number },
): Promise<string | null> {
  const [row] = await tx.query<{ code: string }>(
    `update approvals.contacts set code_tries = code_tries + 1
      where id = $1 and user_id = $2 and code_expires_at > clock_timestamp() and code_tries < $3 returning code`,
    [id, user, maxTries],
  )
  return row?.code ?? null
}

/** Forgets a contact of a person; its kind, null when it is not theirs. */
export async function deleteContact(tx: Transaction, user: string, id: string): Promise<ContactRow["kind"] | null> {
  const [row] = await tx.query<{ kind: ContactRow["kind"] }>(
    "delete from approvals.contacts where id = $1 and user_id = $2 returning kind",
    [id, user],
  )
  return row?.kind ?? null
}

/** Forgets the browsers that take a person's push messages; how many there were. */
export async function deleteBrowsers(tx: Transaction, user: string): Promise<number> {
  return (await tx.query("delete from approvals.contacts where user_id = $1 and kind = 'push' returning id", [user]))
    .length
}

/** Forgets what is set of a person, and how they were reached. Returns how many contacts there were. */
export async function deletePerson(tx: Transaction, user: string): Promise<number> {
  const contacts = await tx.query("delete from approvals.contacts where user_id = $1 returning id", [user])
  await tx.query("delete from approvals.notices where user_id = $1", [user])
  await tx.query("delete from approvals.people where user_id = $1", [user])
  return contacts.length
}

/** Something sealed, with the column and the row where it rests. */
export type SealedPlace = { place: "contact" | "code" | "quiet"; id: string; sealed: string }

/** Everything sealed of people. */
export async function readSealed(database: Queryable): Promise<SealedPlace[]> {
  return await database.query<SealedPlace>(
    `select 'contact' as place, id, sealed from approvals.contacts
     union all select 'code', id, code from approvals.contacts where code is not null
     union all select 'quiet', user_id, quiet_hours from approvals.people where quiet_hours is not null`,
  )
}

/** Puts the same, sealed anew, in the place of what was read, where that still stands. */
export async function replaceSealed(database: Queryable, before: SealedPlace, sealed: string): Promise<void> {
  const statements = {
    contact: "update approvals.contacts set sealed = $3 where id = $1 and sealed = $2",
    code: "update approvals.contacts set code = $3 where id = $1 and code = $2",
    quiet: "update approvals.people set quiet_hours = $3 where user_id = $1 and quiet_hours = $2",
  } as const
  await database.query(statements[before.place], [before.id, before.sealed, sealed])
}
