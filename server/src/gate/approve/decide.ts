import {
  type Approval,
  approvalOver,
  type Bounds,
  challengeOf,
  inclusionIn,
  type Person,
  type Proven,
  type Shown,
  type Statement,
  statementOf,
  unknownApproval,
} from "#approvals"
import { type Change, together } from "#audit"
import { base64url, Refusal, refusalCode } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { allOf } from "./all-of.ts"
import { answerThere } from "./channel.ts"
import { reportAgent } from "./report.ts"
import { waitingFor } from "./waiting.ts"

export { waitingFor } from "./waiting.ts"

/** What somebody decides: these requests, in this order, and what they saw of each. */
export type Deciding = {
  ids: readonly string[]
  /** Which rendering of a request's card was shown, and its digest. */
  shown: (approval: Approval) => Shown
  /** How far the approval goes beyond the one action; null for exactly that. */
  bounds?: Bounds | null
}

/** What is signed for them: the statements, and what the signature is over. */
export type Challenge = { approvals: Approval[]; statements: Statement[]; challenge: Buffer }

/**
 * What this person would sign to approve these requests, all of which wait for them. Nothing is decided. Throws
 * `approval-unknown`, also for somebody else's, and `approval-over`.
 */
export async function challengeFor(rooms: Rooms, person: Person, { ids, shown, bounds }: Deciding): Promise<Challenge> {
  const approvals: Approval[] = []
  for (const id of new Set(ids)) approvals.push(await waitingFor(rooms, person, id))
  if (approvals.length === 0) throw unknownApproval()
  // What it is leave for has to be the one thing that was looked at.
  if (bounds != null && approvals.length > 1) {
    throw new Refusal("bounds-invalid", "Leave for more is given with one approval at a time.")
  }
  const { issuer } = rooms.approvals
  const statements = approvals.map((approval) => {
    const statement = statementOf(approval, {
      issuer,
      approver: person.id,
      card: shown(approval),
      bounds: bounds ?? null,
    })
    if (statement === null) throw approvalOver(approval)
    return statement
  })
  return { approvals, statements, challenge: challengeOf(statements) }
}

/**
 * Approves what was signed. `proven` was verified against the challenge of exactly these statements; each request's entry gets its
 * own statement, and where it stands under what was signed. Throws as challengeFor() does, `proof-insufficient`.
 */
export async function approve(
  rooms: Rooms,
  person: Person,
  { approvals, statements }: Pick<Challenge, "approvals" | "statements">,
  proven: Proven,
): Promise<Approval[]> {
  for (const { id } of approvals) await waitingFor(rooms, person, id)
  const there = await answerThere(rooms, person, { approvals, statements, proven })
  if (there !== null) return there
  const changes = approvals.map(({ id }, index) => {
    const inclusion = inclusionIn(statements, index).map((hash) => base64url(hash))
    const evidence = { ...proven.evidence, index, size: statements.length, inclusion }
    const statement = statements[index]!
    return rooms.approvals.decide({ id, person, decision: "approve", proven: { ...proven, evidence }, statement })
  })
  // A passkey that was revoked since it signed approves nothing any more.
  const { passkeys } = rooms.approvals
  const held = proven.way === "passkey" ? passkeys.holding(person.id, proven) : nothing
  // A crash here leaves them undecided: whoever signed is asked again. After it they are approved, and the agent finds them so.
  return (await rooms.audit.commit(together(held, allOf(changes)))).result[1]
}

/** Denies them, or also reports the agent: for either, being signed in is enough. Throws `approval-unknown`, `approval-over`. */
export async function deny(
  rooms: Rooms,
  person: Person,
  { ids, decision }: { ids: readonly string[]; decision: "deny" | "report" },
): Promise<Approval[]> {
  if (decision === "report") return await reportAgent(rooms, person, ids)
  const proven: Proven = { way: "session", evidence: {} }
  const changes = [...new Set(ids)].map((id) =>
    rooms.approvals.decide({ id, person, decision, proven, statement: null }),
  )
  return (await rooms.audit.commit(allOf(changes))).result
}

/**
 * Gives those of them more time that may have it: being signed in is enough, because it decides nothing. Throws `approval-over` where
 * none may, `approval-unknown`.
 */
export async function moreTime(rooms: Rooms, person: Person, ids: readonly string[]): Promise<void> {
  const given = await rooms.approvals.extendable(ids)
  const [first] = ids
  // Also where it is none: the room says why. Each by itself: one that is over by now takes no time from the others.
  const taken = await Promise.allSettled(
    (given.length > 0 ? given : [first!]).map((id) => rooms.audit.commit(rooms.approvals.extend(id, person))),
  )
  // A crash here leaves them with more time; the card says until when.
  const refused = taken.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []))
  const isNone = refused.length === taken.length
  const problem = refused.find((error) => isNone || refusalCode(error) !== "approval-over")
  if (problem !== undefined) throw problem
}

const nothing: Change<void> = { entries: () => [] }
