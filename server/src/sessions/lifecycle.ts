import { type AgentPrincipal, proofOf } from "#agents"
import type { Change, Draft } from "#audit"
import { base64url, bumpEpoch, type Id, type Json, newId, Refusal, sha256 } from "#kernel"
import type { Delegation } from "./delegation.ts"
import { compile, signMandate } from "./mandate.ts"
import type { Purpose } from "./purposes.ts"
import { aboutSession, type EndReason, type Session } from "./session.ts"
import { ended, expired, unknown } from "./standings.ts"
import { close, closeBeneath, extend, find, insertSession, transactionTime } from "./store.ts"
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
  /** Shorter than the purpose's, never longer. */
  lifetimeSeconds?: number | undefined
  hardEndSeconds?: number | undefined
}

type Parts = { keys: TokenKeys; issuer: string }

/**
 * Opens a session. Throws `purpose-unknown`; `purpose-not-allowed` also when the agent's ceiling or what the user granted
 * leaves nothing of it; `consent-required` without a user where the purpose demands one.
 */
export function open(parts: Parts, purpose: Purpose | null, opening: Opening): Change<Session> {
  const { caller } = opening
  if (purpose === null) throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force.")
  if (!opening.purposes.includes(purpose.name)) {
    throw new Refusal("purpose-not-allowed", `Agent ${caller.name} may not serve purpose ${purpose.name}.`)
  }
  const { delegation = null } = opening
  if (delegation === null && purpose.consent === "required") {
    throw new Refusal("consent-required", `A session for ${purpose.name} needs a user who delegates it.`)
  }
  const details = compile(purpose, [
    { name: `The ceiling of agent ${caller.name}`, details: opening.ceiling },
    ...(delegation === null ? [] : [{ name: "What the user granted", details: delegation.details }]),
  ])
  const { user = null, application = null, requestText = null, parameters = {} } = delegation ?? {}
  const compiled = { details, requestText, parameters }
  const of = {
    ...{ id: opening.id ?? newId("session"), agent: caller.name, instance: caller.instance, purpose: purpose.name },
    ...{ user, application, chain: [] },
  }
  const { idleSeconds, leaseSeconds } = purpose.session
  const lifetimeSeconds = Math.min(opening.lifetimeSeconds ?? Infinity, purpose.session.lifetimeSeconds)
  const hardEndSeconds = Math.min(opening.hardEndSeconds ?? Infinity, purpose.session.hardEndSeconds)
  return {
    async work(tx) {
      const nowMs = await transactionTime(tx)
      const times = { issuedAtMs: nowMs, hardEndMs: nowMs + hardEndSeconds * 1000 }
      const mandate = await signMandate(parts, of, compiled, times)
      const by = { delegation: delegation?.by ?? null, providerSession: delegation?.providerSession ?? null }
      const row = { ...of, ...by, svid: caller.serial, mandate, parent: null }
      return await insertSession(tx, { ...row, lifetimeSeconds, hardEndSeconds, idleSeconds, leaseSeconds })
    },
    entries: (session) => [
      draftOf(session, "sessions.opened", {
        by: caller.spiffeId,
        caller,
        data: {
          mandate: base64url(sha256(session.mandate)),
          authorizationDetails: details as Json,
          requestText: requestText?.kind ?? "none",
          ...(session.delegation === null ? {} : { delegation: session.delegation }),
          expiresAt: session.expiresAt.toISOString(),
          hardEndAt: session.hardEndAt.toISOString(),
        },
        // Free text, and names of things in somebody's life.
        personal: {
          ...(requestText === null ? {} : { request: requestText.text }),
          ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
        },
      }),
    ],
  }
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
