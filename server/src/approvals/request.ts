import type { Confirmation } from "#agents"
import type { Id, Json } from "#kernel"
import type { ActionType, AskRung } from "#policy"
import type { CardFacts } from "./card/facts.ts"

/**
 * requested → approved, by everybody whom it takes · denied, by any of them · reported: denied, and the agent is stopped ·
 * expired: nobody decided in time, which is a denial · withdrawn: what it was asked for is over. Each of them is final; an
 * approval is used once.
 */
export type ApprovalState = "requested" | "approved" | "denied" | "reported" | "expired" | "withdrawn"

/** The action that is asked about. Its digest is over type, resource, operation, arguments and the salt (RFC 8785, SHA-256). */
export type HeldAction = {
  id: string
  digest: string
  /** 128 random bits, base64url. */
  salt: string
  type: ActionType
  resource: string
  operation: string
  arguments: { [name: string]: Json }
}

/** Somebody who may approve: as who they are at a provider. */
export type Member = { provider: string; subject: string }

/** Whose approval it takes. `members` is null where it is the user's own; `required` of them have to. */
export type Requirement = { of: string; rung: AskRung; required: number; members: Member[] | null }

/** Who asks, as it was when they did: an approval is good for exactly that. */
export type AskedBy = {
  agent: string
  spiffeId: string
  instance: string
  /** What the agent proved its key with. */
  confirmation: Confirmation
  session: Id<"session">
  /** First session of the chain. */
  root: Id<"session">
  purpose: string
  /** Whom it is done for; null for nobody. */
  user: Id<"user"> | null
  application: string | null
  /** Sessions that it was handed on through, the first that was opened first. */
  chain: { session: Id<"session">; agent: string }[]
}

/** What is asked: by whom, for which action, under which policy, and of whom. */
export type NewRequest = AskedBy & {
  action: HeldAction
  policyVersion: string | null
  /** Ids of the policies that ask. */
  policies: string[]
  requirements: Requirement[]
  facts: CardFacts
  /** The gate's entry that says that it waits. */
  entry: Id<"entry">
  /** Seconds; never more than the configuration gives. */
  expirySeconds?: number | undefined
}

/** A request for approval, and what became of it. Times are the database's. */
export type Approval = Omit<NewRequest, "expirySeconds" | "action" | "facts"> & {
  id: Id<"approval">
  /** 128 random bits, base64url. */
  nonce: string
  /** Null once it is long over: the log keeps what was shown. */
  action: HeldAction | null
  facts: CardFacts | null
  /** Requests that one card shows together. */
  bundle: Id<"bundle">
  state: ApprovalState
  reason: string | null
  requestedAt: Date
  expiresAt: Date
  decidedAt: Date | null
  useBefore: Date | null
  usedAt: Date | null
  usedBy: Id<"entry"> | null
  /** Idempotency-Key of the request that used it. */
  usedKey: string | null
  /** True when it may still be decided, by the database's clock when it was read. */
  isOpen: boolean
  /** True for an approval that may still be used, by the same clock. */
  isUsable: boolean
  /** True for one that whoever used it may use again, under the same key: while it would be good, or the answer was just lost. */
  isRepeatable: boolean
  decisions: Decided[]
}

/** What somebody said. `countsFor` names the requirements that it counts for. */
export type Decided = {
  approver: string
  decision: "approve" | "deny" | "report"
  way: string
  countsFor: string[]
  /** In whose place, by requirement; empty for their own say. */
  standsFor: { [requirement: string]: string }
  decidedAt: Date
}

/** True for one that was refused together with many of its kind: nobody decides it, and whoever was asked may report the agent. */
export function wasRefusedTogether({ state, reason }: Pick<Approval, "state" | "reason">): boolean {
  return state === "withdrawn" && reason === REFUSED_TOGETHER
}

/** Why such a request was withdrawn. */
export const REFUSED_TOGETHER = "bulk"

/** The strongest of the rungs. */
export function rungOf(requirements: readonly Pick<Requirement, "rung">[]): AskRung {
  const order = ["quorum", "sign", "tap"] as const
  return order.find((rung) => requirements.some((each) => each.rung === rung)) ?? "sign"
}

/** A user with who they are at their provider. */
type Known = { id: Id<"user">; provider: string; sub: string }

/** Somebody who may decide; `inPlaceOf` are members of groups whom they stand in for, as it was when somebody looked. */
export type Person = Known & { inPlaceOf?: readonly { group: string; member: Known }[] }

/** A requirement that somebody's approval counts for; `standsFor` are those in whose place it may, null for their own say. */
export type Say = { requirement: Requirement; standsFor: Id<"user">[] | null }

/**
 * Requirements that this person's approval counts for; empty for somebody who has no say. Whoever the action is done for is
 * no approver of a group's, and nobody stands in for them: nobody is the second of two.
 */
export function sayOf(asked: Pick<Approval, "requirements" | "user">, person: Person): Requirement[] {
  return saysOf(asked, person).map(({ requirement }) => requirement)
}

/** The same, and by whose right. A member decides as themselves, whomever they stand in for besides. */
export function saysOf({ requirements, user }: Pick<Approval, "requirements" | "user">, person: Person): Say[] {
  return requirements.flatMap((requirement): Say[] => {
    const { of, members } = requirement
    if (members === null) return user === person.id ? [{ requirement, standsFor: null }] : []
    if (user === person.id) return []
    const isMember = ({ provider, sub }: Known) =>
      members.some((member) => member.provider === provider && member.subject === sub)
    if (isMember(person)) return [{ requirement, standsFor: null }]
    const { inPlaceOf = [] } = person
    const standsFor = inPlaceOf.flatMap(({ group, member }) => {
      return group === of && member.id !== user && isMember(member) ? [member.id] : []
    })
    return standsFor.length === 0 ? [] : [{ requirement, standsFor }]
  })
}
