import type { AgentPrincipal } from "#agents"
import type { Id, Json } from "#kernel"
import { type Evidence, needsOf, noEvidence, type Standing, type Taking, verify } from "#sessions"
import type { Action, NamedAction } from "./action.ts"
import { lookUpAll } from "./look-up.ts"
import type { Rooms } from "./rooms.ts"

/** One list of details that an action has to be within, and the session that counts what it takes of them. */
export type Bound = { session: Id<"session">; kind: "ceiling" | "mandate"; details: unknown; words: string }

/** What an action is held against, beside the lists that bound it. */
export type Known = {
  evidence: Evidence
  /** Whether as much as that is left of a limit. */
  fits: (taking: Taking) => boolean
  /** What the chain has seen. */
  labels: readonly string[]
  /** An approval for exactly this action is at hand. */
  approved: boolean
}

/**
 * Everything that bounds a session: for each of those that it was handed on through, and for itself, the ceiling of the agent
 * as it stands now, and the mandate as it was compiled.
 */
export function boundsOf(rooms: Rooms, { name }: Pick<AgentPrincipal, "name">, standing: Standing): Bound[] {
  const { session, mandate, ancestors } = standing
  const ceiling = (agent: string) => rooms.agents.agent(agent)?.ceiling ?? []
  const above = ancestors.flatMap(({ session: { id, agent }, mandate: { details } }): Bound[] => [
    {
      ...{ session: id, kind: "ceiling", details: ceiling(agent) },
      words: `The ceiling of agent ${agent}, which handed this session on,`,
    },
    { session: id, kind: "mandate", details, words: "The mandate that this session was handed on from" },
  ])
  const { id, purpose } = session
  return [
    ...above,
    { session: id, kind: "ceiling", details: ceiling(name), words: `The ceiling of agent ${name}` },
    { session: id, kind: "mandate", details: mandate.details, words: `The mandate of this session, for ${purpose},` },
  ]
}

/** What is known without asking anybody: limits are not looked at, and nothing was made or looked up. */
export function knownOf({ mandate, labels }: Standing): Known {
  const { requestText, user, parameters } = mandate
  return { evidence: { ...noEvidence, requestText, user, parameters }, fits: () => true, labels, approved: false }
}

/**
 * Finds out what an action has to be held against. Reads nothing unless a rule or a limit of it calls for that. `request` is
 * the name that limits are taken under: what it took before is left to it. With null nobody asks how much is left of limits,
 * and each is held to fit alone: whoever takes of them finds out, in the transaction that it is taken in.
 */
export async function learn(
  rooms: Rooms,
  caller: AgentPrincipal,
  standing: Standing,
  action: Action,
  request: string | null,
): Promise<Known> {
  const known = knownOf(standing)
  const bounds = boundsOf(rooms, caller, standing)
  const needs = bounds.map(({ session, details }) => ({
    session,
    ...needsOf(details, action),
  }))
  const takings = needs.flatMap(({ session, charges }) => charges.map((charge) => ({ ...charge, session })))
  const fits = request === null || takings.length === 0 ? fitsAlone : await fitsNow(rooms, request, takings)
  const kinds = [...new Set(needs.flatMap((each) => each.kinds))]
  const lookups = [...new Set(needs.flatMap((each) => each.lookups))]
  if (kinds.length + lookups.length === 0) return { ...known, fits }
  const chain = [...standing.session.chain.map(({ session }) => session), standing.session.id]
  const made = kinds.length === 0 ? {} : await rooms.sessions.usage.made(chain, kinds)
  const evidence = { ...known.evidence, made }
  // What fails without a look-up fails with it, and so it is with what is verified: only what is neither costs one.
  const findings = bounds.map(({ details }) => verify(details, action, evidence).finding)
  const isOpen = findings.includes("unverifiable") && !findings.includes("failed")
  const found = isOpen ? await lookUpAll(rooms, caller, standing, lookups) : {}
  return { ...known, evidence: { ...evidence, lookups: found }, fits }
}

/** True when a limit of which nothing was taken has room for it. */
export function fitsAlone({ amount, atMost }: Pick<Taking, "amount" | "atMost">): boolean {
  return amount <= atMost
}

async function fitsNow({ sessions }: Rooms, request: string, takings: readonly Taking[]): Promise<Known["fits"]> {
  const left = await sessions.usage.room(request, takings)
  const fitting = new Set(takings.filter((_, at) => left[at]!.fits).map(keyOf))
  // What was not asked for is not known to fit, and nothing is taken of it.
  return (taking) => fitting.has(keyOf(taking))
}

/** The name that a request's limits are taken under. Only a credential's key is: the same key is the same credential. */
export function requestName(action: NamedAction, session: string, idempotencyKey: string | null): string {
  return action.type === "credential" && idempotencyKey !== null ? `${session} ${idempotencyKey}` : action.id
}

function keyOf({ session, budget, measure, perSeconds, atMost, amount }: Taking): string {
  return JSON.stringify([session, budget, measure, perSeconds, atMost, amount] satisfies Json)
}
