import type { Change, Draft } from "#audit"
import { canonical, type Id, type Json, newId, Refusal, random, type Transaction } from "#kernel"
import { endGrants } from "./grants/store.ts"
import { insertNotice } from "./notices/store.ts"
import { kindOf, noteDenied, paceCard, paceKind, type Refused } from "./pacing/pace.ts"
import { waitingOf } from "./pacing/store.ts"
import type { ApprovalsPart } from "./part.ts"
import { type Approval, type HeldAction, type NewRequest, REFUSED_TOGETHER, rungOf } from "./request.ts"
import * as store from "./store.ts"

/**
 * A request that waits: this one, or the one that was made for the same action before. Or `refused`: nobody is asked, and
 * what waited of a burst is `withdrawn`.
 */
export type Held =
  | { approval: Approval; isNew: boolean; refused: null; withdrawn: Approval[] }
  | { approval: null; isNew: false; refused: Refused; withdrawn: Approval[] }

/** Why a request was withdrawn: policy asks others by now, or more strongly, or another policy does. */
const ASKED_ANEW = "asked-anew"

/**
 * Asks for approval of an action, once: the same action asked again meanwhile is the same request. Requests that are alike stand
 * on one card, too many of them are none (pacing/). `tells` are those who are told of it, users that are known.
 */
export function requesting(part: ApprovalsPart, asked: NewRequest, tells: readonly Id<"user">[]): Change<Held> {
  return {
    async work(tx) {
      const { type, resource, operation } = asked.action
      const of = { session: asked.session, instance: asked.instance, action: { type, resource, operation } }
      const like = (await store.pendingLike(tx, of)).filter(
        ({ action }) => action !== null && isSame(action, asked.action),
      )
      const same = like.find((each) => asksTheSame(each, asked))
      if (same !== undefined) return { approval: same, isNew: false, refused: null, withdrawn: [] }
      // An approval of those would be good for nothing.
      const ids = like.map(({ id }) => id)
      const withdrawn = ids.length === 0 ? [] : await store.withdrawRequests(tx, { ids }, ASKED_ANEW)
      for (const { id } of withdrawn) await store.announce(tx, id)
      const refused = await paceKind(tx, part, asked)
      if (refused !== null) return await refusing(tx, asked, { refused, tells, withdrawn })
      const card = await store.cardFor(tx, asked)
      const tooMany = card === null ? await paceCard(tx, part, asked) : null
      if (tooMany !== null) return await refusing(tx, asked, { refused: tooMany, tells, withdrawn })
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
      return { approval, isNew: true, refused: null, withdrawn }
    },
    entries(held) {
      if (held.refused !== null) return refusedDrafts(asked, held)
      return held.isNew ? [...anewDrafts(held.withdrawn), requestedDraft(held.approval)] : []
    },
  }
}

/** Of a burst what waits is withdrawn, and people are told once that it was refused. */
async function refusing(
  tx: Transaction,
  asked: NewRequest,
  { refused, tells, withdrawn: before }: { refused: Refused; tells: readonly Id<"user">[]; withdrawn: Approval[] },
): Promise<Held> {
  if (refused.code !== "bulk-refused") return { approval: null, isNew: false, refused, withdrawn: before }
  const ids = await waitingOf(tx, kindOf(asked))
  const withdrawn = await store.withdrawRequests(tx, { ids }, REFUSED_TOGETHER)
  for (const { id } of withdrawn) await store.announce(tx, id)
  const about = withdrawn[0] === undefined ? {} : { approval: withdrawn[0].id }
  for (const user of tells) await insertNotice(tx, { user, kind: "refused", ...about })
  return { approval: null, isNew: false, refused, withdrawn: [...before, ...withdrawn] }
}

/** One entry for a burst; of what is refused afterwards the gate's says so. */
function refusedDrafts(asked: NewRequest, { refused, withdrawn }: Held & { approval: null }): Draft[] {
  const anew = anewDrafts(withdrawn)
  if (refused.code !== "bulk-refused") return anew
  const { code, retryAfterSeconds } = refused
  const about = aboutApproval(asked, "approvals.refused", "server")
  const together = withdrawn.filter(({ reason }) => reason === REFUSED_TOGETHER)
  return [
    ...anew,
    { ...about, of: asked.entry, data: { code, retryAfterSeconds, withdrawn: together.map(({ id }) => id) } },
    ...together.map((approval) => withdrawnDraft(approval, REFUSED_TOGETHER, "server")),
  ]
}

function anewDrafts(withdrawn: readonly Approval[]): Draft[] {
  const anew = withdrawn.filter(({ reason }) => reason === ASKED_ANEW)
  return anew.map((approval) => withdrawnDraft(approval, ASKED_ANEW, "server"))
}

/** Under the same policies, of the same people: an approval of the one would be good for the other. */
function asksTheSame(a: Approval, b: NewRequest): boolean {
  const asks = ({ policyVersion, requirements }: Approval | NewRequest) => {
    return canonical([policyVersion, requirements] as unknown as Json)
  }
  return asks(a) === asks(b)
}

/** The same in everything but the name that it was asked under. */
function isSame(a: HeldAction, b: HeldAction): boolean {
  return meaningOf(a) === meaningOf(b)
}

function meaningOf({ type, resource, operation, arguments: given }: HeldAction): string {
  return canonical({ type, resource, operation, arguments: given })
}

/**
 * What an approval is used for; `key` is the Idempotency-Key of the request. `isRepeatable` where what it leads to is itself known
 * by that key: then the key that used it may use it again, for a while.
 */
export type Use = { id: Id<"approval">; entry: Id<"entry">; key: string | null; isRepeatable: boolean }

/**
 * Uses an approval up, in the transaction of the decision that it lets pass. Repeated by the key that did: `again`. Its work
 * throws `approval-used`, `approval-over`.
 */
export function using(use: Use): Change<"used" | "again"> {
  return {
    async work(tx) {
      if (await store.useRequest(tx, use)) return "used"
      const found = await store.findRequest(tx, use.id)
      if (found === null) throw unknownApproval()
      if (found.usedAt === null) throw approvalOver(found)
      const isKnown = use.isRepeatable && use.key !== null && found.usedKey === use.key
      if (isKnown && found.isRepeatable) return "again"
      throw new Refusal("approval-used", "This approval was used. Ask for the action anew.")
    },
    entries: () => [],
  }
}

/** The approval as it was before a decision that was thrown away, by the entry of that: it may be used by the next one. */
export function givingBack(id: string, entry: string): Change<void> {
  return { work: (tx) => store.giveBackUse(tx, { id, entry }), entries: () => [] }
}

/** Withdraws what waits, what was approved and not used, and leave for more: what it was asked for is over. */
export function withdrawing(of: store.WithdrawnOf, reason: string, by: string): Change<Approval[]> {
  return {
    async work(tx) {
      const withdrawn = await store.withdrawRequests(tx, of, reason)
      for (const { id } of withdrawn) await store.announce(tx, id)
      await endGrants(tx, of, by)
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
