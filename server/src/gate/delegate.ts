import type { AgentPrincipal } from "#agents"
import { Refusal, type Transaction } from "#kernel"
import { aboutSession, type HandOn, OFFER_SECONDS, type Offer, type Standing } from "#sessions"
import { actionReference } from "./action.ts"
import { admit } from "./admit.ts"
import { handingOn, requireAllowed } from "./handing.ts"
import type { Effect } from "./intent.ts"
import { type Opened, openSession, recordingRefusal } from "./open.ts"
import { actor, type Rooms } from "./rooms.ts"
import { isUnrecordable } from "./unrecorded.ts"

/** An offer that is taken up in its last moment is recorded within these. */
const TAKING_SECONDS = 60

/** What an agent hands on of its session: to which agent, for what, and which part of it. Seconds. */
export type HandOnRequest = Omit<HandOn, "to"> & { session: string; agent: string }

/**
 * Offers a part of the caller's session to another agent, whose sub-session it becomes when one of its instances takes it up.
 * Decided as the action that it is, and recorded with that decision before anybody is told. Throws `denied-by-policy` with the
 * reasons, `approval-required`, and what attenuation refuses: `delegation-too-wide`, `chain-too-deep`, `chain-cycle`, …
 */
export async function handOn(rooms: Rooms, caller: AgentPrincipal, request: HandOnRequest): Promise<Offer> {
  const { session, agent, ...wanted } = request
  let of: Standing | undefined
  let offer: Offer | undefined
  const effect: Effect = {
    // Its outcome is the session that somebody opens with it.
    deadlineSeconds: OFFER_SECONDS + TAKING_SECONDS,
    change(standing, action, entry) {
      of = standing
      const to = rooms.agents.agent(agent)
      if (to?.state !== "active") {
        throw new Refusal("agent-suspended", `The agent ${agent} is not active; nothing is handed on to it.`)
      }
      const decided = { action: actionReference(action), entry }
      const change = rooms.sessions.delegations.offer(caller, standing, { ...wanted, to }, decided)
      const work = async (tx: Transaction) => (offer = await change.work!(tx))
      return { work, entries: () => change.entries(offer!) }
    },
  }
  const asked = { session, action: handingOn(request), idempotencyKey: null }
  const { decision } = await admit(rooms, caller, asked, effect).catch(async (error: unknown) => {
    if (of !== undefined && error instanceof Refusal && !isUnrecordable(error)) {
      const data = { to: agent, for: wanted.purpose, code: error.code }
      const draft = { event: "gate.delegation-refused", ...actor(caller), ...aboutSession(of.session), data }
      await rooms.audit.commit({ entries: () => [draft] })
    }
    throw error
  })
  // A crash here leaves an offer that nobody was told of: it runs out, and audit's sweep says that nothing came of it.
  requireAllowed(decision)
  return offer!
}

/** What an agent asks that was offered a part of another's session; times only shorten. Seconds. */
export type TakeUpRequest = {
  delegation: string
  lifetimeSeconds?: number | undefined
  hardEndSeconds?: number | undefined
}

/**
 * Opens the sub-session that was offered to the caller's agent, once. Whether it may be handed on is asked again, of what holds
 * now; a refusal is recorded. Throws `delegation-unknown`, `delegation-over`, `denied-by-policy`, and what openSession() does.
 */
export async function takeUp(rooms: Rooms, caller: AgentPrincipal, request: TakeUpRequest): Promise<Opened> {
  const { delegation: id, ...times } = request
  const beneath = await recordingRefusal(rooms, caller, { offer: id }, () =>
    rooms.sessions.delegations.find(id, caller),
  )
  return await openSession(rooms, caller, { purpose: beneath.offer.purpose, beneath, ...times })
}
