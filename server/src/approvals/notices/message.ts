import { type Locale, type Message, wordsFor } from "../channels/index.ts"
import type { Planned } from "./plan.ts"
import type { WaitingNotice } from "./store.ts"

/** One that has no end of its own is of use for a day. */
const DAY_MS = 86_400_000

/** What a message about these notices says, and where it leads. There is nothing else that it could say. */
export function messageFor(
  { issuer, locale, nowMs }: { issuer: string; locale: Locale; nowMs: number },
  notices: readonly WaitingNotice[],
  { isSilent, count }: Pick<Planned, "isSilent" | "count">,
): Message {
  const [first] = notices
  const { id, kind } = first!
  const place = (path: string) => issuer.replace(/\/$/, "") + path
  return {
    ...wordsFor(locale, kind, count),
    id,
    url: place(pathOf(notices, count)),
    receiptUrl: kind === "asked" ? place(`/approvals/notices/${id}/receipt`) : null,
    count,
    expiresAtMs: Math.max(...notices.map(({ expiresAtMs }) => expiresAtMs ?? nowMs + DAY_MS)),
    isSilent,
    topic: id,
  }
}

function pathOf(notices: readonly WaitingNotice[], count: number): string {
  const [first] = notices
  const { kind, approval } = first!
  if (kind === "asked") return count === 1 && approval !== null ? `/approvals/${approval}` : "/approvals"
  const isOfKeys = notices.every((each) => each.kind === "enrolled" || each.kind === "lost")
  return isOfKeys ? "/me/passkeys" : "/approvals/history"
}
