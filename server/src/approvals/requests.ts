import type { Change, Draft } from "#audit"
import { canonical, type Id, type Json, newId, Refusal, random, type Transaction } from "#kernel"
import { insertNotice } from "./notices/store.ts"
import { kindOf, noteDenied, paceCard, paceKind, type Refused } from "./pacing/pace.ts"
import { waitingOf } from "./pacing/store.ts"
import type { ApprovalsPart } from "./part.ts"
import { counts, type Proven } from "./proof.ts"
import { type Approval, type HeldAction, type NewRequest, type Person, rungOf, sayOf } from "./request.ts"
import type { Statement } from "./statement.ts"
import * as store from "./store.ts"

/**
 * A request that waits: this one, or the one that was made for the same action before. Or `refused`: nobody is asked, and
 * what waited of a burst is `withdrawn`.
 */
export type Held =
  | { approval: Approval; isNew: boolean; refused: null }
  | { approval: null; isNew: false; refused: Refused; withdrawn: Approval[] }

/**
 * Asks for approval of an action, once: the same action asked again meanwhile is the same request. Requests that are alike stand
 * on one card, too many of them are none (pacing/). `tells` are those who are told of it, users that are known.
 */
export function requesting(part: ApprovalsPart, asked: NewRequest, tells: readonly Id<"user">[]): Change<Held> {
  return {
    async work(tx) {
      const { type, resource, operation } = asked.action
      const of = { session: asked.session, instance: asked.instance, action: { type, resource, operation } }
      const same = (await store.pendingLike(tx, of)).find(
        ({ action }) => action !== null && isSame(action, asked.action),
      )
      if (same !== undefined) return { approval: same, isNew: false, refused: null }
      const refused = await paceKind(tx, part, asked)
      if (refused !== null) return await refusing(tx, asked, refused, tells)
      const card = await store.cardFor(tx, asked)
      const tooMany = card === null ? await paceCard(tx, part, asked) : null
      if (tooMany !== null) return await refusing(tx, asked, tooMany, tells)
      const { expirySeconds = part.expirySeconds, ...rest } = asked
      const approval = await store.insertRequest(tx, {
        ...rest,
        id: newId("approval"),
        bundle: card ?? newId("bundle"),
        nonce: random(16),
        expirySeconds: Math.min(expirySeconds, part.expirySeconds),
      })
      // Of one card people are told once.
      for (const user of card === null ? tells : []) {
        await insertNotice(tx, { user, kind: "asked", approval: approval.id, expiresAt: approval.expiresAt })
      }
      return { approval, isNew: true, refused: null }
    },
    entries(held) {
      if (held.refused !== null) return refusedDrafts(asked, held)
      return held.isNew ? [requestedDraft(held.approval)] : []
    },
  }
}

/** Of a burst what waits is withdrawn, and people are told once that it was refused. */
async function refusing(
  tx: Transaction,
  asked: NewRequest,
  refused: Refused,
  tells: readonly Id<"user">[],
): Promise<Held> {
  if (refused.code !== "bulk-refused") return { approval: null, isNew: false, refused, withdrawn: [] }
  const ids = await waitingOf(tx, kindOf(asked))
  const withdrawn = await store.withdrawRequests(tx, { ids }, "bulk")
  for (const { id } of withdrawn) await store.announce(tx, id)
  const about = withdrawn[0] === undefined ? {} : { approval: withdrawn[0].id }
  for (const user of tells) await insertNotice(tx, { user, kind: "refused", ...about })
  return { approval: null, isNew: false, refused, withdrawn }
}

/** One entry for a burst; of what is refused afterwards the gate's says so. */
function refusedDrafts(asked: NewRequest, { refused, withdrawn }: Held & { approval: null }): Draft[] {
  if (refused.code !== "bulk-refused") return []
  const { code, retryAfterSeconds } = refused
  const about = aboutApproval(asked, "approvals.refused", "server")
  return [
    { ...about, of: asked.entry, data: { code, retryAfterSeconds, withdrawn: withdrawn.map(({ id }) => id) } },
    ...withdrawn.map((approval) => withdrawnDraft(approval, "bulk", "server")),
  ]
}

/** The same in everything but the name that it was asked under. */
function isSame(a: HeldAction, b: HeldAction): boolean {
  return meaningOf(a) === meaningOf(b)
}

function meaningOf({ type, resource, operation, arguments: given }: HeldAction): string {
  return canonical({ type, resource, operation, arguments: given })
}

/** What somebody says, and how they are known to be who they are. */
export type Decision = {
  id: string
  person: Person
  decision: "approve" | "deny" | "report"
  /** To deny, being signed in is enough. */
  proven: Proven
  /** What was signed; null with what needs no signature, such as a denial. */
  statement: Statement | null
}

/**
 * Takes a decision, once: it stands from then on, whatever comes later. Its work throws `approval-unknown` for who has no say in
 * it, `approval-over` when it is decided, expired or withdrawn or they have decided, `proof-insufficient`.
 */
export function deciding(part: ApprovalsPart, { id, person, decision, proven, statement }: Decision): Change<Approval> {
  return {
    async work(tx) {
      const found = await store.lockRequest(tx, id)
      const say = found === null ? [] : sayOf(found, person)
      if (found === null || say.length === 0) throw unknownApproval()
      if (!found.isOpen) throw approvalOver(found)
      const counting = decision === "approve" ? say.filter(({ rung }) => counts(part, rung, proven.way)) : say
      if (counting.length === 0) throw insufficient()
      const said = {
        request: id,
        approver: person.id,
        decision,
        way: proven.way,
        countsFor: counting.map(({ of }) => of),
      }
      if (!(await store.insertDecision(tx, said))) throw approvalOver(found)
      if (decision !== "approve") {
        await store.endRequest(tx, id, { state: decision === "deny" ? "denied" : "reported" })
        await noteDenied(tx, part, found)
      } else if (await isMet(tx, id)) {
        await store.endRequest(tx, id, { state: "approved", useWithinSeconds: part.useWithinSeconds })
      }
      await store.announce(tx, id)
      return (await store.findRequest(tx, id))!
    },
    entries: (approval) => [
      {
        ...aboutApproval(
          approval,
          `approvals.${approval.state === "requested" ? "decided" : approval.state}`,
          person.id,
        ),
        data: {
          approval: approval.id,
          decision,
          way: proven.way,
          countsFor: approval.decisions.find(({ approver }) => approver === person.id)?.countsFor ?? [],
        },
        personal: {
          evidence: proven.evidence,
          ...(statement === null ? {} : { statement: statement as unknown as Json }),
        },
      },
    ],
  }
}

async function isMet(tx: Parameters<typeof store.findRequest>[0], id: string): Promise<boolean> {
  const { requirements, decisions } = (await store.findRequest(tx, id))!
  return requirements.every(({ of, required }) => {
    return decisions.filter((each) => each.decision === "approve" && each.countsFor.includes(of)).length >= required
  })
}

/** What an approval is used for; `key` is the Idempotency-Key of the request. */
export type Use = { id: Id<"approval">; entry: Id<"entry">; key: string | null }

/**
 * Uses an approval up, in the transaction of the decision that it lets pass. With the key that used it before it may be
 * repeated: `again`. Its work throws `approval-used`, `approval-over`.
 */
export function using(use: Use): Change<"used" | "again"> {
  return {
    async work(tx) {
      if (await store.useRequest(tx, use)) return "used"
      const found = await store.findRequest(tx, use.id)
      if (found === null) throw unknownApproval()
      if (found.usedAt === null) throw approvalOver(found)
      if (use.key !== null && found.usedKey === use.key) return "again"
      throw new Refusal("approval-used", "This approval was used. Ask for the action anew.")
    },
    entries: () => [],
  }
}

/** Withdraws what waits, and what was approved and not used: what it was asked for is over. */
export function withdrawing(of: store.WithdrawnOf, reason: string, by: string): Change<Approval[]> {
  return {
    async work(tx) {
      const withdrawn = await store.withdrawRequests(tx, of, reason)
      for (const { id } of withdrawn) await store.announce(tx, id)
      return withdrawn
    },
    entries: (withdrawn) => withdrawn.map((approval) => withdrawnDraft(approval, reason, by)),
  }
}

function withdrawnDraft(approval: Approval, reason: string, by: string): Draft {
  return { ...aboutApproval(approval, "approvals.withdrawn", by), data: { approval: approval.id, reason } }
}

/** Expires what nobody decided in time, at most that many. */
export function expiring(part: ApprovalsPart, limit: number): Change<Approval[]> {
  return {
    async work(tx) {
      const expired = await store.expireRequests(tx, limit)
      for (const approval of expired) {
        await noteDenied(tx, part, approval)
        await store.announce(tx, approval.id)
      }
      return expired
    },
    entries: (expired) =>
      expired.map((approval) => ({
        ...aboutApproval(approval, "approvals.expired", "server"),
        data: { approval: approval.id },
      })),
  }
}

function requestedDraft(approval: Approval): Draft {
  const { id, requirements, policies, policyVersion, expiresAt, facts, action } = approval
  return {
    ...aboutApproval(approval, "approvals.requested", approval.spiffeId),
    of: approval.entry,
    data: {
      approval: id,
      rung: rungOf(requirements),
      requirements: requirements.map(({ of, rung, required }) => ({ of, rung, required })),
      policies,
      policyVersion,
      expiresAt: expiresAt.toISOString(),
    },
    personal: { facts: facts as unknown as Json, action: action as unknown as Json },
  }
}

/** What an entry says of a request: whose it is, and which action. */
export function aboutApproval(approval: Approval | NewRequest, event: string, by: string): Draft {
  const { session, purpose, user, application, chain, action } = approval
  return {
    event,
    by,
    session,
    purpose,
    ...(user === null ? {} : { user }),
    ...(application === null ? {} : { application }),
    ...(chain.length === 0 ? {} : { chain }),
    ...(action === null ? {} : { action: referenceOf(action) }),
  }
}

function referenceOf({ id, digest, type, resource, operation }: HeldAction) {
  return { id, digest, type, resource, operation }
}

/** The same for one that there is not, and for somebody else's. */
export function unknownApproval(): Refusal {
  return new Refusal("approval-unknown", "There is no such request for your approval.")
}

/** For a decision that comes too late. */
export function approvalOver({ state, usedAt }: Pick<Approval, "state" | "usedAt">): Refusal {
  const words = {
    requested: "Its time is over, or you decided it before",
    approved: usedAt === null ? "It was approved" : "It was approved and used",
    denied: "It was denied",
    reported: "It was denied and reported",
    expired: "Nobody decided in time",
    withdrawn: "It was withdrawn",
  }[state]
  return new Refusal("approval-over", `${words}: nothing waits for a decision here any more.`)
}

function insufficient(): Refusal {
  const what = "Being signed in is not enough to approve this."
  return new Refusal("proof-insufficient", `${what} Sign it with your passkey, or in another way that is asked for.`)
}
