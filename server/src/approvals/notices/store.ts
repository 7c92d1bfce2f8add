import type { Change } from "#audit"
import { type Id, newId, type Transaction } from "#kernel"

/** What somebody is told of: see events of the room for what happened. */
export type NoticeKind = "asked" | "told" | "reported" | "enrolled" | "lost" | "refused"

/** Something that a person is to be told, without a word of what it is: that stands on the page which it leads to. */
export type Notice = {
  user: Id<"user">
  kind: NoticeKind
  approval?: Id<"approval"> | undefined
  entry?: Id<"entry"> | undefined
  /** Not worth telling afterwards. */
  expiresAt?: Date | undefined
}

/** Keeps a notice, to be joined with what it tells of: nobody is told of what is not recorded, and of what is, they are. */
export function noticing(notice: Notice): Change<void> {
  return { work: (tx) => insertNotice(tx, notice), entries: () => [] }
}

/** The same inside of another's work. */
export async function insertNotice(tx: Transaction, { user, kind, approval, entry, expiresAt }: Notice): Promise<void> {
  await tx.query(
    "insert into approvals.notices (id, user_id, kind, request, entry, expires_at) values ($1, $2, $3, $4, $5, $6)",
    [newId("notice"), user, kind, approval ?? null, entry ?? null, expiresAt ?? null],
  )
}
