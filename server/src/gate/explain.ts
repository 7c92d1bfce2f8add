import type { Principal } from "#agents"
import type { Id } from "#kernel"
import { type ActionType, type Asking, type Decision, question } from "#policy"
import {
  type ActionDetail,
  chargesOfNothing,
  covering,
  inWords,
  rootOf,
  type Session,
  type Standing,
  type Taking,
} from "#sessions"
import { describing } from "./consent/wanted.ts"
import { type Bound, boundsOf } from "./known.ts"
import { askedByResource, notDescribed, operationFacts } from "./operation.ts"
import type { Rooms } from "./rooms.ts"

/** How much of a limit is left: of the whole session, or over the last `perSeconds`. */
export type Left = { measure: string; perSeconds: number | null; atMost: number; left: number }

/** One thing that a session may do now, and what policies would say of it if everything about it were verified. */
export type Possible = {
  action: string
  location: string
  /** `read your orders in the shop database, at most 5 times`. */
  words: string
  verdict: Decision["verdict"]
  reasons: string[]
  limits: Left[]
}

/** What a session is about, what it may do now, and what it has used up and seen. */
export type Explanation = {
  session: Session
  /** Null for a purpose that is not in force any more. */
  description: string | null
  requestText: "none" | "consent" | "application" | "passkey"
  /** Empty for a session that is over. */
  may: Possible[]
  used: { measure: string; spent: number }[]
  labels: { label: string; since: Date }[]
}

/**
 * Says what a session may do now. Its own agent is shown values of its parameters; others the parameters' names. Records and
 * releases nothing. Throws `session-unknown`.
 */
export async function explainSession(rooms: Rooms, caller: Principal, id: string): Promise<Explanation> {
  const session = await rooms.sessions.find(id, caller)
  const standing = await rooms.sessions.look(id)
  const { usage } = rooms.sessions
  const [spent, labels] = await Promise.all([usage.spent(session.id), usage.labels(rootOf(session))])
  const used = new Map<string, number>()
  // Budgets of one action each counted it; what was used at the most is what the session knows of it.
  for (const each of spent) used.set(each.measure, Math.max(used.get(each.measure) ?? 0, each.spent))
  return {
    session,
    description: rooms.sessions.purpose(session.purpose)?.description ?? null,
    requestText: standing?.mandate.requestText?.kind ?? "none",
    may: standing === null ? [] : await possible(rooms, standing, caller.kind === "agent"),
    used: [...used].sort().map(([measure, count]) => ({ measure, spent: count })),
    labels,
  }
}

async function possible(rooms: Rooms, standing: Standing, isOwn: boolean): Promise<Possible[]> {
  const { session, mandate } = standing
  const bounds = boundsOf(rooms, { name: session.agent }, standing)
  const purpose = rooms.sessions.purpose(session.purpose)
  const described = { ...describing(rooms, purpose), ...(isOwn ? { parameters: mandate.parameters } : {}) }
  const single = mandate.details.flatMap((detail) =>
    detail.actions.flatMap((action) => detail.locations.map((location) => ({ detail, action, location }))),
  )
  const within = single.filter(({ action, location }) =>
    bounds.every(({ details }) => covering(details, actionAt(action, location)).length > 0),
  )
  return await Promise.all(
    within.map(async ({ detail, action, location }) => {
      const [words] = inWords([{ ...detail, actions: [action], locations: [location] }], described)
      const { verdict, reasons } = decideAt(rooms, standing, action, location)
      const limits = await leftOf(rooms, takingsOf(bounds, detail, session.id, action, location))
      return { action, location, words: words!, verdict, reasons, limits }
    }),
  )
}

/** The question without sinks, as if all of them were verified. */
function decideAt(rooms: Rooms, { session, mandate, ancestors, labels }: Standing, action: string, location: string) {
  const stopped = [...ancestors.map((each) => each.session), session].some(({ agent, purpose }) => {
    const known = rooms.agents.agent(agent)
    return known?.state !== "active" || !known.purposes.includes(purpose)
  })
  if (stopped) return { verdict: "deny" as const, reasons: ["An agent of the chain may not act for this purpose now."] }
  const agents = [...ancestors.map((each) => each.session.agent), session.agent]
  const requestText = mandate.requestText?.kind ?? "none"
  const { purpose } = session
  const asked = actionAt(action, location)
  const part = rooms.credentials.current()[location]
  const missing = notDescribed(part, asked)
  if (missing !== null) return { verdict: "deny" as const, reasons: [missing] }
  const about = { agents, user: mandate.user, purpose, action: asked, labels, requestText } satisfies Asking
  const decision = rooms.policy.decide(question({ ...about, ...operationFacts(part, asked) }))
  return askedByResource(decision, part, asked, false)
}

/** Limits of this very detail, and of whatever covers it above: whichever is reached first ends it. */
function takingsOf(
  bounds: readonly Bound[],
  detail: ActionDetail,
  own: Id<"session">,
  action: string,
  location: string,
): Taking[] {
  const above = bounds.filter(({ session }) => session !== own)
  return [
    ...chargesOfNothing(detail).map((charge) => ({ ...charge, session: own })),
    ...above.flatMap(({ session, details }) =>
      covering(details, actionAt(action, location)).flatMap((each) =>
        chargesOfNothing(each).map((charge) => ({ ...charge, session })),
      ),
    ),
  ]
}

/** Of limits that count the same over the same time, the one with the least left. */
async function leftOf(rooms: Rooms, takings: Taking[]): Promise<Left[]> {
  if (takings.length === 0) return []
  const rows = await rooms.sessions.usage.room("", takings)
  const least = new Map<string, Left>()
  takings.forEach(({ measure, perSeconds, atMost }, at) => {
    const key = JSON.stringify([measure, perSeconds])
    const left = Math.max(0, rows[at]!.room)
    if (left <= (least.get(key)?.left ?? Infinity)) least.set(key, { measure, perSeconds, atMost, left })
  })
  return [...least.values()]
}

function actionAt(action: string, resource: string) {
  const at = action.indexOf(":")
  return { type: action.slice(0, at) as ActionType, operation: action.slice(at + 1), resource }
}
