import type { AgentPrincipal } from "#agents"
import { type Approval, type ArgumentFact, type Grant, type GrantBounds, takingsOf } from "#approvals"
import { operationOf, requiresApproval } from "#credentials"
import type { Id } from "#kernel"
import { isAtLeast } from "#policy"
import { covering, type Standing, type Taking } from "#sessions"
import type { Action } from "../action.ts"
import type { Judged } from "../judge.ts"
import type { Rooms } from "../rooms.ts"

/** Leave that an action is taken under, and the decision with it: what it takes of the leave is among its takings. */
export type Leave = { grant: Grant; judged: Judged }

/** What a decision that asks was made of. */
export type AskedAbout = {
  action: Action
  judged: Judged
  /** The name that limits are taken under. */
  name: string
  /** The same question with an approval at hand. */
  approvedly: () => Judged
}

/**
 * Leave that the user gave for more of the same, where it includes this action and as much is left of it. Null where somebody has
 * to be asked. Nothing is taken yet: that happens in the decision's transaction, and one that finds no room left is made anew.
 */
export async function leaveFor(
  rooms: Rooms,
  caller: AgentPrincipal,
  { session }: Standing,
  { action, judged, name, approvedly }: AskedAbout,
): Promise<Leave | null> {
  const { user } = session
  if (user === null || !isLeft(rooms, action, judged)) return null
  const { type, resource, operation } = action
  const grants = await rooms.approvals.grants.covering(
    {
      ...{ user: user.id, agent: caller.name, instance: caller.instance, session: session.id },
      ...{ type, resource, operation, policyVersion: judged.version },
    },
    action.arguments,
  )
  const able = grants.filter((grant) => isStrongEnough(grant, judged) && bindsSinks(grant, judged))
  if (able.length === 0) return null
  const allowed = approvedly()
  if (allowed.verdict !== "allow") return null
  for (const grant of able) {
    const takings = takingsUnder(grant, session.id, action)
    const room = await rooms.sessions.usage.room(name, takings)
    if (room.every(({ fits }) => fits)) {
      return { grant, judged: { ...allowed, takings: [...allowed.takings, ...takings] } }
    }
  }
  return null
}

/** What is left to users: their own approval of what can be taken back, where the resource itself does not ask for one of each. */
function isLeft({ credentials }: Rooms, { type, resource, operation }: Action, { asks }: Judged): boolean {
  if (!asks.every(({ of }) => of === "user")) return false
  const part = credentials.current()[resource]
  if (operationOf(part, operation)?.irreversible === true) return false
  return type !== "credential" || part === undefined || !requiresApproval(part, operation)
}

function isStrongEnough({ rung }: Grant, { asks }: Judged): boolean {
  return asks.every((ask) => isAtLeast(rung, ask.rung))
}

/** False where an argument may be anything that decides where the effect lands, or that nobody can verify. */
function bindsSinks({ bounds }: Grant, { found }: Judged): boolean {
  return bounds!.free.every((name) => {
    const sink = Object.hasOwn(found, name) ? found[name]! : null
    return sink === null || (!sink.isSink && sink.finding === "verified")
  })
}

function takingsUnder({ id, bounds }: Grant, session: Standing["session"]["id"], action: Action): Taking[] {
  return takingsOf(bounds!, action.arguments).map((each) => ({
    ...each,
    session,
    budget: budgetOf(id),
    perSeconds: null,
  }))
}

/** What the uses of a grant are counted under. No configuration can name it: a colon stands in no budget of theirs. */
function budgetOf(grant: string): string {
  return `grant:${grant}`
}

/** Takes leave back: `user` where it is the user's own doing. Throws `not-found`. */
export async function revokeLeave(rooms: Rooms, of: { id: string; user?: Id<"user"> }, by: string): Promise<Grant> {
  const { result } = await rooms.audit.commit(rooms.approvals.grants.revoke(of, by))
  // A crash here leaves it revoked: every server takes that in with the epoch, and no decision of before stands.
  await rooms.epoch.refresh()
  return result
}

/** What an agent is told of leave that it used: how many uses are left, and of how many. */
export type LeaveView = { id: Grant["id"]; left: number; of: number; until: string }

/** As it stands now; others may be using it. */
export async function leaveView(
  { sessions }: Rooms,
  { id, session, uses, until }: Pick<Grant, "id" | "session" | "uses" | "until">,
): Promise<LeaveView> {
  const spent = await sessions.usage.spent(session)
  const used = spent.find(({ budget, measure }) => budget === budgetOf(id) && measure === "uses")?.spent ?? 0
  return { id, left: Math.max(0, uses - used), of: uses, until: until.toISOString() }
}

/** What the person could give leave for with this approval; null where they can approve the one action alone. */
export async function leaveToOffer(rooms: Rooms, approval: Approval): Promise<GrantBounds | null> {
  const { action, facts, session } = approval
  if (action === null || facts === null) return null
  const part = rooms.credentials.current()[action.resource]
  if (action.type === "credential" && part !== undefined && requiresApproval(part, action.operation)) return null
  const standing = await rooms.sessions.look(session)
  if (standing === null) return null
  const details = covering(standing.mandate.details, action)
  const amounts = details.flatMap(({ arguments: rules = {}, limits = [] }) => [
    ...Object.entries(rules).flatMap(([name, all]) =>
      all.some((rule) => "atMost" in rule || "atMostLookedUp" in rule) ? [name] : [],
    ),
    ...limits.flatMap((limit) => ("sum" in limit ? [limit.sum] : [])),
  ])
  // Of what moves money, people, rights or publication, only what was seen is offered: "anything" would be everybody's salary.
  const isBound = ({ isSink, finding }: ArgumentFact) => isSink || finding !== "free" || facts.elevated !== null
  const sinks = facts.arguments.flatMap((each) => (isBound(each) ? [each.name] : []))
  return await rooms.approvals.grants.offer(approval, { amounts, sinks })
}
