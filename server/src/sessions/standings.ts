import type { AgentPrincipal, Principal } from "#agents"
import { type Database, isId, Refusal, refusalCode } from "#kernel"
import type { DatabaseClock } from "./database-clock.ts"
import { type Mandate, readMandate } from "./mandate.ts"
import { labelledSince, readLabels } from "./mandates/store.ts"
import { type EndReason, rootOf, type Session } from "./session.ts"
import { endedSince, find } from "./store.ts"
import type { TokenKeys } from "./token-keys.ts"

/**
 * An open session and what it may do. `session` is as it was when last read: a renewal elsewhere may have moved its expiry.
 * `ancestors` are those that it was handed on through, the first that was opened first; each bounds it.
 */
export type Standing = {
  session: Session
  mandate: Mandate
  ancestors: readonly Ancestor[]
  /** What the session, or any other of its chain, has seen. */
  labels: readonly string[]
}

/** A session that handed a part of its mandate on. */
export type Ancestor = { session: Session; mandate: Mandate }

/** Sessions in memory, so that no decision waits for a read. */
export interface Standings {
  /**
   * The open session of this instance. From memory; the database is read on a miss, and before anything is called expired.
   * Throws `session-unknown` (also for another instance's: that it exists is not told), `session-ended`,
   * `session-expired`, `outside-mandate`, `token-invalid` when the request came with another session's token.
   */
  standing(id: string, caller: AgentPrincipal): Promise<Standing>
  /** The same, read now. */
  fresh(id: string, caller: AgentPrincipal): Promise<Standing>
  /** An open session, whosever it is, read now: for whom a part of it was offered. Throws the same. */
  any(id: string): Promise<Standing>
  /** The same for who only looks: null for one that is over, was altered, or was never there. */
  look(id: string): Promise<Standing | null>
  /** Refuses a session, and all beneath it, as ended, on this server and from now on, until the returned is disposed of. */
  endHere(id: string): Disposable
  /** Forgets every session that ended, or that has seen something new, since the last call. Awaited before a new epoch counts. */
  forgetEnded(): Promise<void>
  /** Sessions held. */
  readonly size: number
}

/** What the memory stands on. */
export type StandingsParts = {
  database: Database
  keys: TokenKeys
  issuer: string
  databaseClock: DatabaseClock
  maxHeld?: number
}

/** Opens the memory, empty. */
export async function openStandings(parts: StandingsParts): Promise<Standings> {
  const { database, databaseClock, maxHeld = 20_000 } = parts
  const held = new Map<string, Standing>()
  const endedHere = new Set<string>()
  let snapshot = (await endedSince(database, null)).snapshot
  let generation = 0

  /** Ended with any of them, it outlives none; the sweep says so a moment after one has run out. */
  const ancestorsOf = async ({ chain }: Session): Promise<Ancestor[]> =>
    await Promise.all(
      chain.map(async ({ session: id }) => {
        const found = await find(database, id)
        if (found === null || found.session.state === "ended") throw ended("parent-ended")
        if (found.isDue) throw expired()
        return { session: found.session, mandate: await readMandate(parts, found.session) }
      }),
    )

  const standingOf = async (session: Session): Promise<Standing> => {
    const [mandate, ancestors, labels] = await Promise.all([
      readMandate(parts, session),
      ancestorsOf(session),
      readLabels(database, rootOf(session)),
    ])
    return { session, mandate, ancestors, labels }
  }

  const refuseEndedHere = ({ id, chain }: Session) => {
    if (endedHere.has(id)) throw ended("ended")
    if (chain.some(({ session }) => endedHere.has(session))) throw ended("parent-ended")
  }

  /** With null: whosever it is. */
  const load = async (id: string, caller: AgentPrincipal | null): Promise<Standing> => {
    const before = generation
    const found = isId("session", id) ? await find(database, id) : null
    if (found === null || (caller !== null && !isOf(found.session, caller))) throw unknown()
    refuseEndedHere(found.session)
    databaseClock.learn(found.nowMs)
    if (found.session.state === "ended") throw ended(found.session.endReason!)
    if (found.isDue) throw expired()
    const standing = await standingOf(found.session)
    // An end that was taken in while this was read would not be taken in again: such a reading serves this call only.
    if (before === generation) {
      if (held.size >= maxHeld) held.delete(held.keys().next().value!)
      held.set(id, standing)
    }
    return standing
  }

  return {
    async fresh(id, caller) {
      refuseOtherSession(caller, id)
      return await load(id, caller)
    },
    async standing(id, caller) {
      refuseOtherSession(caller, id)
      const known = held.get(id)
      if (known === undefined || isDue(known, databaseClock.nowMs())) {
        held.delete(id)
        return await load(id, caller)
      }
      if (!isOf(known.session, caller)) throw unknown()
      refuseEndedHere(known.session)
      return known
    },
    any: (id) => load(id, null),
    look: (id) =>
      load(id, null).catch((error: unknown) => {
        if (OVER.includes(refusalCode(error) ?? "")) return null
        throw error
      }),
    endHere(id) {
      endedHere.add(id)
      return { [Symbol.dispose]: () => void endedHere.delete(id) }
    },
    async forgetEnded() {
      generation += 1
      const since = await endedSince(database, snapshot)
      databaseClock.learn(since.nowMs)
      for (const id of since.ids) held.delete(id)
      const labelled = new Set<string>(await labelledSince(database, snapshot))
      for (const [id, { session }] of labelled.size === 0 ? [] : held)
        if (labelled.has(rootOf(session))) held.delete(id)
      snapshot = since.snapshot
      generation += 1
    },
    get size() {
      return held.size
    },
  }
}

const OVER = ["session-unknown", "session-ended", "session-expired", "outside-mandate"]

/** It, or one that it was handed on through, is past the expiry that was read last. */
function isDue({ session, ancestors }: Standing, nowMs: number): boolean {
  return [session, ...ancestors.map((each) => each.session)].some(({ expiresAt }) => expiresAt.getTime() <= nowMs)
}

/** The same for every session that is not the caller's, there or not. */
export function unknown(): Refusal {
  return new Refusal("session-unknown", "There is no such session of yours. Open one.")
}

/** True when the session is this very instance's. */
export function isOf(session: Session, caller: AgentPrincipal): boolean {
  return session.instance === caller.instance && session.agent === caller.name
}

/** True when this very instance handed the session on, whoever was in between. */
export function isBeneath({ chain }: Session, caller: AgentPrincipal): boolean {
  return chain.some(({ agent, instance }) => instance === caller.instance && agent === caller.name)
}

/**
 * Refuses with `token-invalid` what belongs to another session than the access token that came with the request: a token
 * of one session is good for nothing of another, also for the agent that holds both.
 */
export function refuseOtherSession(caller: Principal, session: string): void {
  if (caller.kind !== "agent" || (caller.onlySession ?? session) === session) return
  throw new Refusal("token-invalid", "The access token is of another session than the request is about.")
}

/** For an open session that is past its time. */
export function expired(): Refusal {
  return new Refusal("session-expired", "The session's time is over. Open another.")
}

const words: Record<EndReason, string> = {
  ended: "The session was ended. Open another.",
  lapsed: "The session was not renewed in time and ended. Open another.",
  expired: "The session reached its hard end. Open another.",
  suspended: "The session was ended because its agent was suspended. Ask an operator.",
  withdrawn: "The user ended the session. Ask them before you open another.",
  "logged-out": "The user signed out at their provider, which ended the session.",
  "parent-ended": "The session that handed this one on is over, and this one with it.",
}

/** For a session that is over, by how it ended. */
export function ended(reason: EndReason): Refusal {
  return new Refusal("session-ended", words[reason])
}
