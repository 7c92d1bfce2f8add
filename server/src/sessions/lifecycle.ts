import { type AgentPrincipal, proofOf } from "#agents"
import type { Change, Draft } from "#audit"
import { base64url, bumpEpoch, type Id, type Json, newId, Refusal, sha256, type Transaction } from "#kernel"
import { rootPurposeOf } from "./chain.ts"
import type { Delegation } from "./delegation.ts"
import { over } from "./delegations/refused.ts"
import { spendOffer } from "./delegations/store.ts"
import { signMandate } from "./mandate.ts"
import { type Beneath, handedOrigin, ownOrigin } from "./origin.ts"
import type { Purpose } from "./purposes.ts"
import { aboutSession, type EndReason, type Session } from "./session.ts"
import { ended, expired, unknown } from "./standings.ts"
import { close, closeBeneath, extend, find, holdOpen, insertSession, transactionTime } from "./store.ts"
import type { TokenKeys } from "./token-keys.ts"

/** What opening needs; everything of it is trusted: the purpose in force, the agent's registration, the caller's identity. */
export type Opening = {
  caller: AgentPrincipal
  /** Its id, where something else has to name it in the same transaction; made here otherwise. */
  id?: Id<"session"> | undefined
  /** Name of the purpose. */
  purpose: string
  /** Purposes that the agent may serve. */
  purposes: readonly string[]
  /** The agent's ceiling: RFC 9396 details. */
  ceiling: unknown
  /** What a user handed to the agent; absent where it opens the session with its own key alone. */
  delegation?: Delegation | undefined
  /** The session that it is opened beneath; absent for one of its own. */
  beneath?: Beneath | undefined
  /** Shorter than the purpose's, never longer. */
  lifetimeSeconds?: number | undefined
  hardEndSeconds?: number | undefined
}

type Parts = { keys: TokenKeys; issuer: string; purpose: (name: string) => Purpose | null }

/**
 * Opens a session, beneath another one where it was offered. Throws `purpose-unknown`; `purpose-not-allowed` also when the agent's
 * ceiling or what the user granted leaves nothing of it; `consent-required` without a user where the purpose demands one; and
 * what attenuate() does. Its work throws `delegation-over` for an offer that was taken up, or whose session is over.
 */
export function open(parts: Parts, opening: Opening): Change<Session> {
  const { caller, beneath } = opening
  const purpose = parts.purpose(opening.purpose)
  if (purpose === null) throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force.")
  if (!opening.purposes.includes(purpose.name)) {
    throw new Refusal("purpose-not-allowed", `Agent ${caller.name} may not serve purpose ${purpose.name}.`)
  }
  const maxDepthNow = beneath && (parts.purpose(rootPurposeOf(beneath.parent))?.chain.maxDepth ?? 0)
  const { compiled, of: from } =
    beneath === undefined ? ownOrigin(purpose, opening) : handedOrigin(purpose, opening, beneath, maxDepthNow!)
  const { details, requestText, parameters } = compiled
  const of = {
    ...{ id: opening.id ?? newId("session"), agent: caller.name, instance: caller.instance, purpose: purpose.name },
    ...from,
  }
  const { idleSeconds, leaseSeconds } = purpose.session
  const shortest = (name: "lifetimeSeconds" | "hardEndSeconds") =>
    Math.min(opening[name] ?? Infinity, beneath?.offer[name] ?? Infinity, purpose.session[name])
  const [lifetimeSeconds, hardEndSeconds] = [shortest("lifetimeSeconds"), shortest("hardEndSeconds")]
  return {
    async work(tx) {
      const nowMs = await transactionTime(tx)
      const lastMs = beneath === undefined ? Infinity : await takeUp(tx, beneath, nowMs)
      const times = { issuedAtMs: nowMs, hardEndMs: Math.min(nowMs + hardEndSeconds * 1000, lastMs) }
      const mandate = await signMandate(parts, of, compiled, times)
      const row = { ...of, svid: caller.serial, mandate }
      return await insertSession(tx, { ...row, lifetimeSeconds, hardEndSeconds, idleSeconds, leaseSeconds })
    },
    entries: (session) => [
      {
        ...draftOf(session, "sessions.opened", {
          by: caller.spiffeId,
          caller,
          data: {
            mandate: base64url(sha256(session.mandate)),
            requestText: requestText?.kind ?? "none",
            // What an agent asked for may hold somebody's words, and is part of what a user allowed; a configuration has none.
            ...(opening.delegation === undefined && beneath === undefined && { authorizationDetails: details as Json }),
            ...(beneath !== undefined && { offer: beneath.offer.id }),
            ...(session.delegation === null ? {} : { delegation: session.delegation }),
            expiresAt: session.expiresAt.toISOString(),
            hardEndAt: session.hardEndAt.toISOString(),
          },
          // Free text, and names of things in somebody's life; those of a chain stand with its first session.
          personal:
            beneath === undefined
              ? {
                  ...(requestText === null ? {} : { request: requestText.text }),
                  ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
                  ...(opening.delegation === undefined ? {} : { authorizationDetails: details as Json }),
                }
              : { authorizationDetails: details as Json },
        }),
        // What became of the decision to hand it on.
        ...(beneath === undefined ? {} : { of: beneath.offer.entry }),
      },
    ],
  }
}

/** Uses the offer up, and holds the session that made it open until the commit. Returns that one's hard end. */
async function takeUp(tx: Transaction, { offer, parent }: Beneath, nowMs: number): Promise<number> {
  if (!(await spendOffer(tx, offer.id))) throw over()
  const held = await holdOpen(tx, parent.session.id)
  if (held === null || held.expiresAt.getTime() <= nowMs) throw over()
  return held.hardEndAt.getTime()
}

/**
 * Lets an open session live for another lifetime, never past its hard end. `unusedSeconds()` is how long ago this
 * server last saw it used. The work throws `session-idle`, `session-expired`, `session-ended`, `session-unknown`.
 */
export function renew(id: string, caller: AgentPrincipal, unusedSeconds: () => number): Change<Session> {
  return {
    async work(tx) {
      const renewed = await extend(tx, id, unusedSeconds())
      if (renewed !== null) return renewed
      const found = await find(tx, id)
      if (found === null) throw unknown()
      if (found.session.state === "ended") throw ended(found.session.endReason!)
      if (found.isDue) throw expired()
      throw new Refusal(
        "session-idle",
        "The session was not used for too long to be renewed. Open another when you need one.",
      )
    },
    entries: (session) => [
      draftOf(session, "sessions.renewed", {
        by: caller.spiffeId,
        caller,
        data: { expiresAt: session.expiresAt.toISOString() },
      }),
    ],
  }
}

/** A session that is over, and those that ended with it because it had handed them on. */
export type EndedSession = Session & { beneath: readonly Session[] }

/**
 * Ends a session and all beneath it, and makes every server forget them. Idempotent: what ended stays as it ended, and is not recorded twice.
 * With the reasons `lapsed` and `expired` only a session that is past its expiry ends: it may have been renewed since.
 * The work throws `session-unknown`.
 */
export function end(id: string, reason: EndReason, by: string): Change<EndedSession> {
  const onlyDue = reason === "lapsed" || reason === "expired"
  let isEnding = false
  return {
    async work(tx) {
      const closed = await close(tx, id, reason, onlyDue)
      isEnding = closed !== null
      if (closed !== null) {
        const beneath = await closeBeneath(tx, [id])
        await bumpEpoch(tx)
        return { ...closed, beneath }
      }
      const found = await find(tx, id)
      if (found === null) throw unknown()
      return { ...found.session, beneath: [] }
    },
    entries: (session) =>
      isEnding
        ? [
            draftOf(session, events[reason], { by, data: { reason } }),
            ...session.beneath.map((each) =>
              draftOf(each, events["parent-ended"], { by, data: { reason: "parent-ended", with: id } }),
            ),
          ]
        : [],
  }
}

const events: Record<EndReason, string> = {
  ended: "sessions.ended",
  suspended: "sessions.ended",
  lapsed: "sessions.lapsed",
  expired: "sessions.expired",
  withdrawn: "sessions.ended",
  "logged-out": "sessions.ended",
  "parent-ended": "sessions.ended",
}

/** An entry about a session: whose it is, and what for; where its agent asked for it, also how it proved its key. */
export function draftOf(
  session: Session,
  event: string,
  more: {
    by: string
    caller?: AgentPrincipal
    data?: { [name: string]: Json }
    personal?: { [name: string]: Json }
  },
): Draft {
  const { by, caller, personal = {} } = more
  const { agent: name, instance } = session
  return {
    event,
    by,
    agent: {
      name,
      instance,
      ...(caller === undefined ? { svid: session.svid } : { svid: caller.serial, proof: proofOf(caller) }),
    },
    ...aboutSession(session),
    ...(more.data === undefined ? {} : { data: more.data }),
    ...(Object.keys(personal).length === 0 ? {} : { personal }),
  }
}
