import { type Approval, type Card, type Locale, type Person, renderCard, sayOf, unknownApproval } from "#approvals"
import type { Rooms } from "../rooms.ts"

/** A request and its card in one language; null once what was shown is kept in the log only. */
export type Asked = { approval: Approval; card: Card | null }

/** A request that this person has a say in. Throws `approval-unknown`, also for somebody else's. */
export async function askedOf(rooms: Rooms, person: Person, id: string, locale: Locale): Promise<Asked> {
  const approval = await rooms.approvals.find(id)
  if (approval === null || sayOf(approval, person).length === 0) throw unknownApproval()
  return drawn(approval, locale)
}

/** The request with its card. */
export function drawn(approval: Approval, locale: Locale): Asked {
  return { approval, card: approval.facts === null ? null : renderCard(approval.facts, locale) }
}

/** True when this person may decide it still. */
export function isWaiting({ approval, card }: Asked, person: Person): boolean {
  return card !== null && approval.isOpen && saidOf(approval, person) === null
}

/** What this person said of it; null when they have not. */
export function saidOf({ decisions }: Approval, { id }: Person): "approve" | "deny" | "report" | null {
  return decisions.find(({ approver }) => approver === id)?.decision ?? null
}

/** True where something differs from what is usual: such a request is shown on its own, and first. */
export function isUnusual({ facts }: Approval): boolean {
  return facts?.arguments.some(({ unusual }) => unusual !== null) ?? false
}

/** What waits for this person, the first to expire first. */
export async function waitingOf(rooms: Rooms, person: Person, locale: Locale): Promise<Asked[]> {
  const found = await rooms.approvals.list({ person, state: "requested" })
  return found
    .filter((approval) => sayOf(approval, person).length > 0)
    .map((approval) => drawn(approval, locale))
    .filter((asked) => isWaiting(asked, person))
    .sort((a, b) => a.approval.expiresAt.getTime() - b.approval.expiresAt.getTime())
}

/** The request, and those that its page shows with it because they are of its kind; what is not as usual stands alone. */
export async function togetherWith(rooms: Rooms, person: Person, asked: Asked): Promise<Asked[]> {
  const { approval, card } = asked
  if (card === null || isUnusual(approval)) return [asked]
  const waiting = await waitingOf(rooms, person, card.locale)
  const others = waiting.filter(
    (each) => each.approval.bundle === approval.bundle && each.approval.id !== approval.id && !isUnusual(each.approval),
  )
  return [asked, ...others]
}
