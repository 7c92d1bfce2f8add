import { base64url, canonical, digest, type Json, type Queryable, Refusal, type Transaction } from "#kernel"
import type { Document } from "./diff.ts"

/** A document that was applied. */
export type Version = {
  /** SHA-256 of the canonical document, base64url. */
  digest: string
  document: Document
  appliedAt: Date
  /** SPIFFE ID. */
  appliedBy: string
}

/** The digest that names a document. */
export function digestOf(document: Document): string {
  return base64url(digest(document as Json))
}

/** One at a time in the whole deployment puts a document in force, until the transaction ends. */
export async function lockInForce(tx: Transaction): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext('policy.in-force'))")
}

/** Puts a document in force; whoever comes last wins. */
export async function writeVersion(tx: Transaction, document: Document, by: string): Promise<Version> {
  const name = digestOf(document)
  const text = canonical(document as Json)
  if (text.includes("\\u0000")) throw new Refusal("policy-invalid", "The configuration holds a NUL character.")
  await tx.query(
    "insert into policy.versions (digest, document, applied_by) values ($1, $2, $3) on conflict (digest) do nothing",
    [name, text, by],
  )
  // What stands under the digest may have been altered.
  await tx.query("select policy.put_back($1, $2, $3)", [name, text, by])
  const [row] = await tx.query<{ applied_at: Date }>(
    `insert into policy.in_force (digest, applied_by) values ($1, $2)
     on conflict (only_row) do update set digest = $1, applied_by = $2, applied_at = now() returning applied_at`,
    [name, by],
  )
  return { digest: name, document, appliedAt: row!.applied_at, appliedBy: by }
}

/** Digest of the document in force; null before the first was applied. */
export async function readDigestInForce(database: Queryable): Promise<string | null> {
  const [row] = await database.query<{ digest: string }>("select digest from policy.in_force")
  return row?.digest ?? null
}

/** Another text for another state of what is in force, also where somebody changed the document under its digest. */
export async function readStampInForce(database: Queryable): Promise<string> {
  const [row] = await database.query<{ stamp: string }>(
    "select f.digest || ' ' || coalesce(v.xmin::text, '') as stamp from policy.in_force f left join policy.versions v using (digest)",
  )
  return row?.stamp ?? ""
}

/** The document in force; null before the first. Throws `policy-broken` when it is not the one that its digest names. */
export async function readInForce(database: Queryable): Promise<Version | null> {
  const [row] = await database.query<{ digest: string; document: Document; applied_at: Date; applied_by: string }>(
    "select v.digest, v.document, f.applied_at, f.applied_by from policy.in_force f join policy.versions v using (digest)",
  )
  if (row === undefined) return null
  if (digestOf(row.document) !== row.digest) {
    throw new Refusal("policy-broken", "The policy in force was altered in the database; nothing is allowed.")
  }
  return { digest: row.digest, document: row.document, appliedAt: row.applied_at, appliedBy: row.applied_by }
}
