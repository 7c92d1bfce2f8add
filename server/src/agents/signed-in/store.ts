import type { Id, Queryable, Transaction } from "#kernel"
import type { OperatorRole } from "../principal.ts"

/** What an operator's roles came from: a claim of that provider's, and its values. */
export type Grounds = { provider: string; issuer: string; claim: string; values: string[] }

/** A sign-in that is not over. */
export type SignIn = Grounds & {
  instance: Id<"instance">
  operatorId: Id<"operator">
  operator: string
  user: Id<"user">
  roles: OperatorRole[]
  untilMs: number
}

/** What a new sign-in is kept with. */
export type NewSignIn = Grounds & {
  instance: string
  roles: OperatorRole[]
  providerSession: string | null
  signedInAtMs: number
  untilMs: number
}

/** Which sign-ins: of a person, of a session at their provider, by an enrolled key, or all. */
export type SignInsOf = { user: string } | { iss: string; providerSession: string } | { keyThumbprint: string } | "all"

/** Sign-ins that are not over, the oldest first. */
export async function readSignIns(database: Queryable, of: SignInsOf = "all"): Promise<SignIn[]> {
  const by: { [name: string]: string } = of === "all" ? {} : of
  const { user = null, iss = null, providerSession = null, keyThumbprint = null } = by
  const rows = await database.query<Omit<SignIn, "untilMs"> & { until: Date }>(
    `select s.instance, o.id as "operatorId", o.name as operator, o.user_id as "user", s.provider, s.issuer, s.claim, s."values", s.roles, s.until
     from agents.operator_sign_ins s join agents.instances i on i.id = s.instance join agents.operators o on o.id = i.owner
     where s.until > clock_timestamp() and i.revoked_at is null
       and ($1::text is null or o.user_id = $1)
       and ($2::text is null or (s.issuer = $2 and s.provider_session = $3))
       and ($4::text is null or i.key_thumbprint = $4)
     order by s.signed_in_at, s.instance`,
    [user, iss, providerSession, keyThumbprint],
  )
  return rows.map(({ until, ...row }) => ({ ...row, untilMs: until.getTime() }))
}

/** Keeps a sign-in. False when it is over already, by the database's clock. */
export async function insertSignIn(tx: Transaction, signIn: NewSignIn): Promise<boolean> {
  const rows = await tx.query(
    `insert into agents.operator_sign_ins
       (instance, provider, issuer, provider_session, claim, "values", roles, signed_in_at, until)
     select $1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), to_timestamp($9::float8 / 1000)
     where to_timestamp($9::float8 / 1000) > clock_timestamp() returning instance`,
    [
      signIn.instance,
      signIn.provider,
      signIn.issuer,
      signIn.providerSession,
      signIn.claim,
      signIn.values,
      signIn.roles,
      signIn.signedInAtMs,
      signIn.untilMs,
    ],
  )
  return rows.length === 1
}

/** Leaves a sign-in those roles. */
export async function setSignInRoles(tx: Transaction, instance: string, roles: readonly OperatorRole[]): Promise<void> {
  await tx.query("update agents.operator_sign_ins set roles = $2 where instance = $1", [instance, roles])
}

/** Lets the key of a sign-in stand for nobody. */
export async function endSignIn(tx: Transaction, instance: string): Promise<void> {
  await tx.query("update agents.instances set revoked_at = now() where id = $1 and revoked_at is null", [instance])
}

/** An operator who signs in. */
export type SignedInOperator = { id: Id<"operator">; name: string; state: "active" | "retired" }

/** The operator that a person is; one that was retired stays so. Null before their first sign-in. */
export async function findOperatorOf(tx: Transaction, user: string, name: string): Promise<SignedInOperator | null> {
  const [row] = await tx.query<SignedInOperator>(
    `select id, name, state from agents.operators where user_id = $1 and (name = $2 or state = 'retired')
     order by state = 'retired' desc limit 1`,
    [user, name],
  )
  return row ?? null
}

/** Names the operator that a person is from now on. */
export async function insertOperatorOf(
  tx: Transaction,
  { id, name, user }: { id: string; name: string; user: string },
): Promise<void> {
  await tx.query("insert into agents.operators (id, name, roles, user_id) values ($1, $2, '{}', $3)", [id, name, user])
}

/** End of an instance's sign-in; null for one that joined with a token, and then nothing ends it. */
export async function signInEnd(
  database: Queryable,
  instance: string,
): Promise<{ untilMs: number; isOver: boolean } | null> {
  const [row] = await database.query<{ until: Date | null; is_over: boolean; user_id: string | null }>(
    `select o.user_id, s.until, coalesce(s.until <= clock_timestamp(), true) as is_over
     from agents.instances i left join agents.operators o on o.id = i.owner
     left join agents.operator_sign_ins s on s.instance = i.id where i.id = $1`,
    [instance],
  )
  if (row === undefined || row.user_id === null) return null
  return { untilMs: row.until?.getTime() ?? 0, isOver: row.is_over }
}

/** Forgets sign-ins that ended a week ago; the log remembers them. */
export async function forgetSignIns(database: Queryable): Promise<void> {
  await database.query("delete from agents.operator_sign_ins where until < now() - interval '7 days'")
}
