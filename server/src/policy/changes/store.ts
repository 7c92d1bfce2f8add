import { canonical, type Id, type Json, type Queryable, type Transaction } from "#kernel"
import type { Document } from "../diff.ts"
import { digestOf } from "../store.ts"

/** A configuration that waits for a second operator. */
export type ProposedChange = {
  id: Id<"change">
  /** Digest of the document. */
  digest: string
  document: Document
  /** Digest of the version in force that it was compared with; null for none. */
  expected: string | null
  /** SPIFFE ID of who proposed it, and the id of that operator. */
  proposedBy: string
  operator: string
  proposedAt: Date
  expiresAt: Date
  state: "waiting" | "applied" | "denied" | "expired"
  decidedBy: string | null
  decidedAt: Date | null
}

/** Hours that a change waits. */
const WAITS_HOURS = 24
const COLUMNS = `id, digest, document, expected, proposed_by as "proposedBy", operator, proposed_at as "proposedAt",
  expires_at as "expiresAt", decided_by as "decidedBy", decided_at as "decidedAt",
  case when state = 'waiting' and expires_at <= clock_timestamp() then 'expired' else state end as state`

/** Keeps it. */
export async function insertChange(
  tx: Transaction,
  change: Pick<ProposedChange, "id" | "document" | "expected" | "proposedBy" | "operator">,
): Promise<ProposedChange> {
  const [row] = await tx.query<ProposedChange>(
    `insert into policy.changes (id, digest, document, expected, proposed_by, operator, expires_at)
     values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(hours => ${WAITS_HOURS})) returning ${COLUMNS}`,
    [
      change.id,
      digestOf(change.document),
      canonical(change.document as Json),
      change.expected,
      change.proposedBy,
      change.operator,
    ],
  )
  return row!
}

/** Null for none of that id, and for one that is not the document its digest names. */
export async function findChange(database: Queryable, id: string): Promise<ProposedChange | null> {
  const [row] = await database.query<ProposedChange>(`select ${COLUMNS} from policy.changes where id = $1`, [id])
  return row !== undefined && digestOf(row.document) === row.digest ? row : null
}

/** Newest first, at most a hundred. */
export async function listChanges(database: Queryable): Promise<ProposedChange[]> {
  return await database.query<ProposedChange>(
    `select ${COLUMNS} from policy.changes order by proposed_at desc, id limit 100`,
  )
}

/** Decides one that waits, once. False when it does not wait (any more). */
export async function decideChange(
  tx: Transaction,
  { id, state, by }: { id: string; state: "applied" | "denied"; by: string },
): Promise<boolean> {
  const rows = await tx.query(
    `update policy.changes set state = $2, decided_by = $3, decided_at = clock_timestamp()
     where id = $1 and state = 'waiting' and expires_at > clock_timestamp() returning id`,
    [id, state, by],
  )
  return rows.length === 1
}
