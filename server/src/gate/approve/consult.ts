import type { AgentPrincipal } from "#agents"
import type { Approval } from "#approvals"
import type { Id } from "#kernel"
import { type Action, type NamedAction, nameAction } from "../action.ts"
import type { Rooms } from "../rooms.ts"

/** What a request for an action says of approval. */
export type AboutApproval = {
  session: string
  action: Action
  idempotencyKey: string | null
  /** The approval that it names; null or absent for none. */
  approval?: string | null | undefined
}

/**
 * What came of the approval that a request names. `approval` may be used; `problem` says why it may not; `answered` is the entry
 * that it was used for by the same request before. None of them: no approval is named, or nobody has decided yet.
 */
export type Consulted = {
  /** Under the name that the approval has for it. */
  action: NamedAction
  approval: Approval | null
  problem: string | null
  answered: { approval: Approval; entry: Id<"entry"> } | null
  waiting: Approval | null
}

/**
 * Holds the named approval against what is asked now. It is good for exactly the action that was shown: by the same agent
 * instance, in the same session, under the same policies, once. What it is not good for is denied, not asked again.
 */
export async function consult(rooms: Rooms, caller: AgentPrincipal, about: AboutApproval): Promise<Consulted> {
  const nothing = { approval: null, problem: null, answered: null, waiting: null }
  const { approval: id = null } = about
  if (id === null) return { ...nothing, action: nameAction(about.action) }
  const found = await rooms.approvals.find(id)
  const isOwn = found?.instance === caller.instance && found.agent === caller.name && found.session === about.session
  // The same words for one that there is not: nobody learns of others' requests.
  if (found === null || !isOwn) {
    return {
      ...nothing,
      action: nameAction(about.action),
      problem: "There is no such approval for this session of yours.",
    }
  }
  const action = nameAction(about.action, found.action ?? undefined)
  const problem = problemOf(rooms, found, action)
  if (problem !== null) return { ...nothing, action, problem }
  if (found.state === "requested") return { ...nothing, action, waiting: found }
  if (found.usedAt === null) return { ...nothing, action, approval: found }
  const isSame = about.idempotencyKey !== null && found.usedKey === about.idempotencyKey
  if (!isSame) return { ...nothing, action, problem: "This approval was used. Ask for the action anew." }
  // A credential has a lease under the same key, which says for itself whether it may be handed out again.
  return about.action.type === "credential"
    ? { ...nothing, action, approval: found }
    : { ...nothing, action, answered: { approval: found, entry: found.usedBy! } }
}

/** Why an approval is good for nothing under other policies than it was asked under. */
export const OTHER_POLICIES = "Policies changed since approval was asked for. Ask for the action anew."

/** True when other policies are in force than those that asked for it. */
export function isOfOtherPolicies(rooms: Rooms, { policyVersion }: Pick<Approval, "policyVersion">): boolean {
  return policyVersion !== (rooms.policy.version()?.digest ?? null)
}

function problemOf(rooms: Rooms, approval: Approval, action: NamedAction): string | null {
  const { state, isOpen, isUsable, usedAt } = approval
  if (action.digest !== approval.action?.digest) return "This is not the action that approval was asked for."
  if (state === "denied" || state === "reported") return "Approval was denied."
  if (state === "withdrawn") return "The request for approval was withdrawn."
  if (state === "expired" || (state === "requested" && !isOpen)) return "Nobody approved it in time."
  if (isOfOtherPolicies(rooms, approval)) return OTHER_POLICIES
  if (state === "approved" && usedAt === null && !isUsable) return "The approval was not used in time. Ask anew."
  return null
}
