import type { AgentPrincipal } from "#agents"
import type { Change } from "#audit"
import { base64url, equal, type Id, newId, Refusal, refusalCode, sha256 } from "#kernel"
import type { AuthorizationRequest, Delegation } from "#sessions"
import { endSession } from "../end.ts"
import { type Opened, openSession } from "../open.ts"
import type { Rooms } from "../rooms.ts"
import { requireApplication } from "./wanted.ts"

/** What the token endpoint's form has of a code (RFC 6749 §4.1.3, RFC 7636 §4.5). */
export type CodeForm = {
  code?: string | undefined
  code_verifier?: string | undefined
  redirect_uri?: string | undefined
}

/**
 * Opens the session that the user allowed, once. The code is good for the registration, the instance and the key that it was
 * made for, with the verifier of its challenge. One that comes again ends what was made of it, whoever brings it (RFC 6749
 * §4.1.2): it is in two hands. Throws `invalid-request`, `grant-invalid`, and what openSession() throws.
 */
export async function redeemCode(rooms: Rooms, caller: AgentPrincipal, form: CodeForm): Promise<Opened> {
  const { code, code_verifier: verifier } = form
  if (code === undefined) throw new Refusal("invalid-request", "Send the code that the user came back with.")
  if (verifier === undefined || !/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) {
    throw new Refusal("invalid-request", "Send code_verifier: 43 to 128 characters, whose S256 was code_challenge.")
  }
  const found = await rooms.sessions.consents.findByCode(code)
  if (found === null) throw unknown()
  if (found.request.state === "redeemed") return await refuseReplay(rooms, caller, found.request)
  const { request, isAlive } = found
  requireHolder(request, caller, form, verifier)
  if (!isAlive) throw unknown()
  requireApplication(rooms.sessions, request.asked)
  const session = newId("session")
  try {
    return await openSession(rooms, caller, {
      id: session,
      purpose: request.asked.purpose,
      delegation: delegationOf(request),
      hardEndSeconds: request.granted!.hardEndSeconds,
      spending: spendingOf(rooms, request, code, session),
    })
  } catch (thrown) {
    const error = refusalCode(thrown) === "subject-token-invalid" ? loggedOut(thrown) : thrown
    // Of two at once the later one is a replay too.
    const again = refusalCode(error) === "grant-invalid" ? await rooms.sessions.consents.findByCode(code) : null
    const isReplay = again?.request.state === "redeemed" && again.request.session !== session
    if (isReplay) return await refuseReplay(rooms, caller, again.request)
    throw error
  }
}

function requireHolder(
  { asked }: AuthorizationRequest,
  caller: AgentPrincipal,
  { redirect_uri: redirectUri }: CodeForm,
  verifier: string,
): void {
  const { agent, instance, jkt, challenge } = asked
  const isTheirs =
    agent.id === caller.agentId &&
    (instance === null || instance === caller.instance) &&
    // RFC 9449 §10: bound to a key, it is good with a proof by that key only.
    (jkt === null || ("jkt" in caller.confirmation && caller.confirmation.jkt === jkt))
  // OAuth 2.1 leaves redirect_uri out here, because PKCE does what it was for; said, it has to be the same.
  const isSamePlace = redirectUri === undefined || redirectUri === asked.redirectUri
  const own = Buffer.from(base64url(sha256(verifier)))
  if (isTheirs && isSamePlace && challenge !== null && equal(own, Buffer.from(challenge))) return
  throw unknown()
}

/**
 * Uses the code up; a login that ended after its user had come back, and before they were entered, is over too. The login first,
 * as whoever ends it does, so that the two do not wait for each other.
 */
function spendingOf(
  { sessions, clock }: Rooms,
  { user, providerSession: sid }: AuthorizationRequest,
  code: string,
  session: Id<"session">,
): Change<unknown> {
  const { iss, sub } = user!
  const login = sessions.logins.holding({ iss, sub, sid, issuedAtMs: clock.nowMs() })
  return {
    async work(tx) {
      await login.work!(tx)
      await sessions.consents.redeeming(code, session).work!(tx)
    },
    entries: () => [],
  }
}

function delegationOf({ asked, user, providerSession, granted }: AuthorizationRequest): Delegation {
  const { consent, textDigest, details } = granted!
  return {
    user: user!,
    application: asked.application,
    details,
    requestText: asked.requestText,
    parameters: asked.parameters,
    by: { kind: "consent", consent, textDigest },
    providerSession,
  }
}

async function refuseReplay(rooms: Rooms, caller: AgentPrincipal, request: AuthorizationRequest): Promise<never> {
  await rooms.audit.commit(rooms.sessions.consents.replayed(request, caller.spiffeId))
  await endSession(rooms, request.session!, "withdrawn", "server")
  throw new Refusal("grant-invalid", "The code was used before. What was opened with it is ended; send the user again.")
}

/** RFC 6749 §5.2: here it is the code that is not good any more. */
function loggedOut(cause: unknown): Refusal {
  return new Refusal("grant-invalid", "The user has signed out at their provider. Send them again.", { cause })
}

/** Whoever tries codes is not told which of them were ever good. */
function unknown(): Refusal {
  return new Refusal(
    "grant-invalid",
    "This is no code for this client, key, redirect_uri and code_verifier, or none any more.",
  )
}
