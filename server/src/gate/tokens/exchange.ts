import type { AgentPrincipal } from "#agents"
import type { Change } from "#audit"
import { Refusal, refusalCode } from "#kernel"
import {
  type Delegation,
  intersect,
  type Parameters,
  type Purpose,
  requireOwnStatement,
  requireParameters,
  type Statement,
  type SubjectToken,
  type User,
  usingUp,
} from "#sessions"
import { type Opened, openSession, recordingRefusal } from "../open.ts"
import { type Rooms, refuseStopped } from "../rooms.ts"
import { consentFor } from "./consented.ts"
import type { ExchangeRequest } from "./exchange-request.ts"
import { useStatement } from "./statement.ts"
import { invocationOf, wasEndedSince } from "./subject.ts"

/** A provider's tokens are good so much longer by its clock (sessions/providers). */
const SKEW_MS = 60_000

/**
 * Opens a session for the user whose token an agent shows (RFC 8693): the client is the actor, and the user is who the token
 * says. It takes a consent of theirs that covers what is asked for, or their provider's word that the agent may act for them.
 * Throws `consent-required` with the page that the user is asked on, `subject-token-invalid`, `statement-invalid`, and what
 * openSession() throws. What was refused is recorded.
 */
export async function exchange(rooms: Rooms, caller: AgentPrincipal, request: ExchangeRequest): Promise<Opened> {
  const about = { purpose: request.purpose }
  const { lifetimeSeconds } = request
  const prepared = await recordingRefusal(rooms, caller, about, async () => await prepare(rooms, caller, request))
  const { delegation, spending, hardEndSeconds } = prepared
  try {
    return await openSession(rooms, caller, { ...about, lifetimeSeconds, hardEndSeconds, delegation, spending })
  } catch (error) {
    // What was used up by somebody else meanwhile; all else is recorded where it is refused.
    const isSpent = SPENT.includes(refusalCode(error) ?? "")
    return isSpent ? await recordingRefusal(rooms, caller, about, () => Promise.reject(error)) : Promise.reject(error)
  }
}

const SPENT = ["statement-invalid", "subject-token-invalid"]

type Prepared = { delegation: Delegation; spending: Change<unknown>; hardEndSeconds: number }

/** Everything that a session is made of, judged. */
async function prepare(rooms: Rooms, caller: AgentPrincipal, request: ExchangeRequest): Promise<Prepared> {
  const { sessions } = rooms
  refuseStopped(rooms, caller)
  const purpose = sessions.purpose(request.purpose)
  if (purpose === null) throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force.")
  await requireActor(rooms, caller, request)
  const subject = await sessions.providers.verifySubjectToken(request.presented)
  if (subject.purpose !== null && subject.purpose !== purpose.name) {
    throw new Refusal("subject-token-invalid", "The subject token is for another purpose than is asked for.")
  }
  const used =
    request.statement === null ? null : await useStatement(rooms, request.statement, { agent: caller.name, purpose })
  const statement = used?.statement ?? null
  requireOwnStatement(statement?.user, subject)
  const parameters = statement?.parameters ?? {}
  requireParameters(purpose, parameters)
  const { isOnce } = invocationOf(rooms, caller, subject, statement)
  const user = await knownUser(rooms, caller, subject)
  const granted = await grantOf(rooms, caller, { request, purpose, subject, statement, user, parameters })
  // Again: providers and the database were waited for, and who is registered may have changed meanwhile.
  const { application, claim } = invocationOf(rooms, caller, subject, statement)
  if (claim !== granted.claim) throw new Refusal("epoch-changed", "Rights changed meanwhile. Try again.")
  const login = sessions.logins.holding(subject)
  const spending = [login, used?.using, granted.holding, isOnce ? usingSubject(subject) : undefined]
  return {
    delegation: {
      user,
      application: application?.name ?? null,
      details: granted.details,
      requestText: statement?.requestText ?? null,
      parameters,
      by: granted.by,
      providerSession: subject.sid,
    },
    spending: all(spending.filter((each) => each !== undefined)),
    hardEndSeconds: Math.min(granted.hardEndSeconds, request.hardEndSeconds ?? Infinity),
  }
}

/** A session's token can widen nothing, because nothing is made of it here; an actor can be nobody but the client. */
async function requireActor(
  { sessions }: Rooms,
  caller: AgentPrincipal,
  { presented, actorToken }: ExchangeRequest,
): Promise<void> {
  if (sessions.tokenClaims(presented.token) !== null) {
    const what =
      "A token of ours is not exchanged for another. To hand a part of a session on, POST /v1/sessions/{id}/delegations."
    throw new Refusal("subject-token-invalid", what)
  }
  if (actorToken === null) return
  const claims = await sessions.verifyToken(actorToken, caller.confirmation).catch(() => null)
  if (claims?.client_id === caller.spiffeId && claims.safeconduct_session === undefined) return
  const what =
    "The actor_token is not the client's own: it takes an access token of no session, bound to the key in use."
  throw new Refusal("invalid-request", what)
}

/** Known by issuer and subject; the claims are those of this token. */
async function knownUser({ sessions, audit }: Rooms, caller: AgentPrincipal, subject: SubjectToken): Promise<User> {
  const { provider, iss, sub, claims } = subject
  const known = await sessions.findUser({ iss, sub })
  if (known !== null) return { id: known.id, provider, iss, sub, claims }
  // A crash here leaves somebody known whom nothing was done for.
  return (await audit.commit(sessions.rememberUser({ provider, iss, sub, claims }, caller.spiffeId))).result
}

/** What an exchange is about, once it is known whose token it is. */
export type Claimed = {
  request: ExchangeRequest
  purpose: Purpose
  subject: SubjectToken
  statement: Statement | null
  user: User
  parameters: Parameters
}

/** What the user granted, and what says so; `holding` keeps that as it is while the session is opened. */
export type Grant = Pick<Delegation, "details" | "by"> & {
  claim: string | null
  hardEndSeconds: number
  holding: Change<void> | undefined
}

async function grantOf(rooms: Rooms, caller: AgentPrincipal, claimed: Claimed): Promise<Grant> {
  const { subject, statement, purpose, request } = claimed
  const { application, claim } = invocationOf(rooms, caller, subject, statement)
  if (claim === null) return await consentFor(rooms, caller, { ...claimed, application: application! })
  const leftSeconds = Math.floor((subject.expiresAtMs - rooms.clock.nowMs()) / 1000)
  if (leftSeconds < 1) throw new Refusal("subject-token-invalid", "The subject token has expired.")
  if (await wasEndedSince(rooms, caller, claimed, subject.issuedAtMs)) {
    const message = "The user ended this agent's session after the token was issued. Have them sign in again."
    throw new Refusal("subject-token-invalid", message)
  }
  // Where the provider does not say what may be done, it is what the purpose is for.
  const said = subject.details ?? purpose.actions
  return {
    details: request.details === null ? said : intersect(said, request.details),
    by: { kind: "provider", claim, tokenDigest: subject.digest },
    claim,
    // What a provider delegated for a time is not longer here.
    hardEndSeconds: leftSeconds,
    holding: undefined,
  }
}

/** What was issued to an agent for one session is good for one, at whatever server. */
function usingSubject({ iss, jti, expiresAtMs }: SubjectToken): Change<void> {
  if (jti === null) {
    throw new Refusal("subject-token-invalid", "A token that delegates has to have a jti: it is good once.")
  }
  return usingUp({ kind: "subject-token", maker: iss, jti, expiresAtMs: expiresAtMs + SKEW_MS }, () => {
    return new Refusal(
      "subject-token-invalid",
      "This subject token was used before. Get another one from its provider.",
    )
  })
}

function all(changes: readonly Change<void>[]): Change<unknown> {
  return {
    async work(tx) {
      for (const each of changes) await each.work?.(tx)
    },
    entries: () => changes.flatMap((each) => each.entries()),
  }
}
