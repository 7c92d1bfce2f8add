import type { AgentPrincipal } from "#agents"
import type { Change } from "#audit"
import { together } from "#audit"
import { type Id, Refusal } from "#kernel"
import type { Beneath, Delegation, Tokened } from "#sessions"
import { isHandedOnStill, requireHandedOn } from "./handing.ts"
import { actor, type Rooms, refuseStopped, refuseStoppedAbove } from "./rooms.ts"
import { isUnrecordable } from "./unrecorded.ts"

/** What an agent asks when it opens a session; lifetimes only shorten what the purpose gives. Seconds. */
export type OpenRequest = { purpose: string; lifetimeSeconds?: number | undefined; hardEndSeconds?: number | undefined }

/** The same, with what a user handed to the agent where it opens the session for somebody. */
export type Opening = OpenRequest & {
  delegation?: Delegation | undefined
  /** The session's id, where `spending` names it. */
  id?: Id<"session"> | undefined
  /** The session that it is opened beneath, by an offer; delegate.ts asks whether it may be handed on still. */
  beneath?: Beneath | undefined
  /** What is used up by opening it, such as a code: in the same transaction, and first. Its work throws what is used up already. */
  spending?: Change<unknown> | undefined
}

/** A session and the token bound to the caller's certificate. */
export type Opened = Tokened

/**
 * Opens a session for a purpose that the agent may serve. The mandate is compiled from the purpose's template and the
 * agent's ceiling, and what a user delegated: nothing that the agent says is in it. A refusal is recorded. Throws
 * `purpose-unknown`, `purpose-not-allowed`, `consent-required`, `agent-suspended`, `agent-retired`, `epoch-changed`; beneath
 * another session also what requireHandedOn() and attenuation do.
 */
export async function openSession(rooms: Rooms, caller: AgentPrincipal, request: Opening): Promise<Opened> {
  const { sessions, audit, epoch } = rooms
  refuseStopped(rooms, caller)
  const seen = { epoch: epoch.current, basis: basisOf(rooms, caller, request) }
  const { beneath } = request
  refuseBarred(rooms, caller, request)
  const { spending = { entries: () => [] }, ...asked } = request
  const { purposes, ceiling } = rooms.agents.agent(caller.name) ?? { purposes: [], ceiling: [] }
  const opening = await recordingRefusal(rooms, caller, { purpose: request.purpose }, () => {
    if (beneath !== undefined) requireHandedOn(rooms, beneath)
    return sessions.open({ caller, purposes, ceiling, ...asked })
  })
  const opened = sessions.withToken(opening, caller)
  const committed = await audit.commit(second(spending, opened))
  // A crash here leaves an open session that nobody holds: it lapses.
  if (committed.epoch === seen.epoch) return committed.result
  await epoch.refresh()
  // What was taken away was mostly somebody else's. What is taken from this session later finds it, because it is committed.
  const isAllowed = beneath === undefined || (await isHandedOnStill(rooms, beneath))
  if (isAllowed && basisOf(rooms, caller, request) === seen.basis) return committed.result
  await audit.commit(sessions.end(committed.result.session.id, "ended", "server"))
  await epoch.refresh()
  const again = beneath === undefined ? "Try again." : "Ask for it to be handed on again."
  throw new Refusal("epoch-changed", `Rights changed while the session was opened. ${again}`)
}

/** Throws `agent-barred` for an agent that was reported: by the user whom it would act for, or by anybody. */
function refuseBarred({ approvals }: Rooms, { name }: AgentPrincipal, { delegation, beneath }: Opening): void {
  const user = (delegation?.user ?? beneath?.parent.session.user)?.id ?? null
  if (!approvals.reports.isBarred(name, user)) return
  throw new Refusal("agent-barred", `The agent ${name} was reported. It may act again when somebody else lifts that.`)
}

/** Both, for the result of the second. */
function second<T>(first: Change<unknown>, then: Change<T>): Change<T> {
  const both = together(first, then)
  let of: unknown
  return {
    async work(tx) {
      const [spent, result] = await both.work!(tx)
      of = spent
      return result
    },
    entries: (result) => both.entries([of, result]),
  }
}

/** All that a session's mandate and times are made of; who may not act any more has that in it. */
function basisOf(rooms: Rooms, caller: AgentPrincipal, { purpose, delegation, beneath }: Opening): string {
  const { agents, approvals, sessions, policy } = rooms
  const { application = null, user = null } = delegation ?? {}
  const basis = [
    agents.agent(caller.name),
    agents.isRevoked(caller.instance),
    approvals.reports.isBarred(caller.name, (user ?? beneath?.parent.session.user)?.id ?? null),
    sessions.purpose(purpose),
    application && sessions.application(application),
    user && sessions.providers.find(user.provider),
  ]
  if (beneath === undefined) return JSON.stringify(basis)
  const { session, ancestors } = beneath.parent
  const above = [...ancestors.map((each) => each.session), session].map(({ agent, instance, purpose: of }) => [
    agents.agent(agent),
    agents.isRevoked(instance),
    sessions.purpose(of),
  ])
  return JSON.stringify([...basis, ...above, policy.version()?.digest ?? null])
}

/**
 * Extends the caller's session, never past its hard end, and issues a token for its certificate. Throws what standing()
 * does, `session-idle`, `agent-suspended`, `agent-retired`.
 */
export async function renewSession(rooms: Rooms, caller: AgentPrincipal, sessionId: string): Promise<Opened> {
  const seen = rooms.epoch.current
  refuseStopped(rooms, caller)
  const { session } = await rooms.sessions.standing(sessionId, caller)
  refuseStoppedAbove(rooms, session.chain)
  const activeAt = await rooms.credentials.lastActive(session.id)
  const change = rooms.sessions.renew(session, caller, activeAt?.getTime() ?? null)
  const committed = await rooms.audit.commit(rooms.sessions.withToken(change, caller))
  // What is used beneath a session is used through it: those above do not lapse for being idle.
  for (const { session: above } of session.chain) rooms.sessions.touch(above)
  if (committed.epoch === seen) return committed.result
  // What was taken away meanwhile may have been this agent's: its sessions are being ended.
  await rooms.epoch.refresh()
  refuseStopped(rooms, caller)
  refuseStoppedAbove(rooms, session.chain)
  return committed.result
}

/** Does the work; what it is refused with is recorded. */
export async function recordingRefusal<T>(
  rooms: Rooms,
  caller: AgentPrincipal,
  about: { purpose: string } | { offer: string },
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal && !isUnrecordable(error)) {
      const data = { ...about, code: error.code }
      await rooms.audit.commit({ entries: () => [{ event: "gate.session-refused", ...actor(caller), data }] })
    }
    throw error
  }
}
