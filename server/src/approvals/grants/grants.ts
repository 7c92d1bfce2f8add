import type { Change, Draft } from "#audit"
import { bumpEpoch, type Database, type Id, type Json, newId, Refusal, type Transaction } from "#kernel"
import type { ApprovalsPart } from "../part.ts"
import { type Approval, rungOf } from "../request.ts"
import type { Bounds } from "../statement.ts"
import { type Given, type GrantBounds, isWithin, parseBounds, suggest } from "./bounds.ts"
import * as store from "./store.ts"

/** Of the offered arguments: those that are amounts, and those that decide where the effect lands. */
export type Shape = { amounts: readonly string[]; sinks: readonly string[] }

/**
 * Leave for more of the same. A user gives it with the approval of one action, after they have approved one of the kind before;
 * it is good in that session, for that agent instance, under those policies, within the bounds that they signed. How often it
 * was used is counted where other limits are (sessions), under the grant's name.
 */
export interface Grants {
  /** What could be given with this approval, as small as it is of use. Null where nothing can. */
  offer(approval: Approval, shape: Shape): Promise<GrantBounds | null>
  /** Those that stand and include an action with these arguments, the oldest first. Whether any is left of one, counts say. */
  covering(of: store.GrantFor, given: Given): Promise<store.Grant[]>
  find(id: string): Promise<store.Grant | null>
  /** Those that stand first. */
  list(of: store.GrantsOf): Promise<store.Grant[]>
  /** Takes one back: a user their own, an operator any. Every decision made before is thrown away. The work throws `not-found`. */
  revoke(of: { id: string; user?: Id<"user"> }, by: string): Change<store.Grant>
}

/** Opens them. */
export function openGrants({ database, part }: { database: Database; part: () => ApprovalsPart }): Grants {
  return {
    async offer(approval, { amounts, sinks }) {
      const { grants } = part()
      if (!isGrantable(part(), approval)) return null
      const before = await store.approvedLike(database, approval)
      if (before === null) return null
      const until = new Date(approval.requestedAt.getTime() + grants.maxSeconds * 1000)
      const uses = Math.min(grants.offerUses, grants.maxUses)
      const offer = { uses, until, session: approval.session, amounts, sinks }
      return suggest(approval.action!.arguments, before, offer)
    },
    async covering(of, given) {
      const standing = await store.findStanding(database, of)
      return standing.filter(({ bounds }) => bounds !== null && isWithin(bounds, given))
    },
    find: (id) => store.findGrant(database, id),
    list: (of) => store.listGrants(database, of),
    revoke: (of, by) => ({
      async work(tx) {
        const ended = await store.endGrant(tx, { ...of, by })
        if (ended === null) throw new Refusal("not-found", "There is no such leave of yours that stands.")
        await bumpEpoch(tx)
        return ended
      },
      entries: (grant) => [grantDraft("approvals.grant-revoked", grant, by)],
    }),
  }
}

/**
 * Gives what was signed with an approval, in the transaction that takes it. Throws `bounds-invalid` for what cannot be given: of
 * what cannot be taken back, of what a group approves, before one of the kind was approved, or wider than the configuration lets.
 */
export async function giveGrant(
  tx: Transaction,
  part: ApprovalsPart,
  { approval, user, signed }: { approval: Approval; user: Id<"user">; signed: Bounds },
): Promise<store.Grant> {
  const bounds = parseBounds(signed)
  const { maxUses, maxSeconds } = part.grants
  const refuse = (words: string) => new Refusal("bounds-invalid", words)
  if (!isGrantable(part, approval) || approval.user !== user) {
    throw refuse("Of this, only the one action can be approved.")
  }
  const isOwn = bounds.session === approval.session && isWithin(bounds, approval.action!.arguments)
  if (!isOwn) throw refuse("The bounds do not fit what is approved with them.")
  if (bounds.uses > maxUses) throw refuse(`At most ${maxUses} more can be approved at once.`)
  if ((await store.approvedLike(tx, approval)) === null) throw refuse("Approve one of this kind by itself first.")
  const rung = rungOf(approval.requirements) === "tap" ? "tap" : "sign"
  const given = await store.insertGrant(tx, { id: newId("grant"), of: approval, user, rung, bounds }, maxSeconds)
  if (given === null) throw refuse(`It can last ${maxSeconds} seconds at the most.`)
  return given
}

/** What the log says of a grant that was given: its bounds may name people. */
export function grantedDraft(grant: store.Grant): Draft {
  const draft = grantDraft("approvals.granted", grant, grant.user)
  return { ...draft, personal: { bounds: grant.bounds as unknown as Json } }
}

/** Only the user's own say, about something that can be taken back, and one by one. */
function isGrantable({ grants }: ApprovalsPart, { requirements, user, action, facts }: Approval): boolean {
  if (grants.maxUses === 0 || user === null || action === null || facts === null || facts.irreversible) return false
  return requirements.length === 1 && requirements.every(({ members, rung }) => members === null && rung !== "quorum")
}

function grantDraft(event: string, grant: store.Grant, by: string): Draft {
  const { id, approval, agent, session, user, resource, operation, uses, until } = grant
  const data = { grant: id, approval, agent, resource, operation, uses, until: until.toISOString() }
  return { event, by, session, user, data }
}
