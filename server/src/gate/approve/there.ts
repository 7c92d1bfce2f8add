import {
  type Approval,
  approvalOver,
  challengeOf,
  checkCode,
  renderCard,
  type Shown,
  type Statement,
  shownOf,
  statementOf,
} from "#approvals"
import type { Json } from "#kernel"
import type { Rooms } from "../rooms.ts"

/** What a provider may show of a request (RFC 9396): validated facts, and not a word of the agent's own. */
export function detailsFor({ id, facts, purpose, agent }: Approval): { [name: string]: Json } | null {
  if (facts === null) return null
  return {
    approval: id,
    actions: [`${facts.operation.type}:${facts.operation.name}`],
    locations: [facts.resource.name],
    agent,
    purpose,
    arguments: Object.fromEntries(facts.arguments.map(({ name, value }) => [name, value])),
  }
}

/**
 * The card that the code at the provider stands for, as our own page draws it under the same code. Whether somebody who agreed
 * there looked at it is not known: what they signed by is their provider's word. Throws `approval-over` once it is not kept.
 */
export function shownThere(approval: Approval): Shown {
  if (approval.facts === null) throw approvalOver(approval)
  return shownOf(renderCard(approval.facts, "en"))
}

/** What approving signs, and the code that both screens show of it. Null when it is not kept any more. */
export function signedThere(
  { approvals: { issuer } }: Rooms,
  approval: Approval,
  approver: string,
): { statement: Statement; challenge: Buffer; code: string } | null {
  if (approval.facts === null) return null
  const statement = statementOf(approval, { issuer, approver, card: shownThere(approval) })
  if (statement === null) return null
  return { statement, challenge: challengeOf([statement]), code: checkCode(statement.action.digest) }
}
