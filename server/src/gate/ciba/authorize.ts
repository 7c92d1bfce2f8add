import type { AgentPrincipal, Backchannel } from "#agents"
import { Refusal, refusalCode } from "#kernel"
import { requireClient, usingUp } from "#sessions"
import { admit } from "../admit.ts"
import { actor, type Rooms, refuseStopped } from "../rooms.ts"
import { sessionOf } from "./hint.ts"
import { type BackchannelForm, type BackchannelRequest, type Given, readParameters } from "./parameters.ts"

/** CIBA Core §7.3 */
export type Acknowledgement = { auth_req_id: string; expires_in: number; interval: number }

/**
 * The backchannel authentication endpoint (CIBA Core §7): asks for the approval of one action, decided as the action itself would
 * be. What is denied is denied here, and what needs nobody's approval is not asked for; neither begins anything. Throws
 * `grant-not-allowed`, `invalid-request` and the like (parameters.ts), `hint-unknown`, `hint-expired`, `approval-refused`,
 * `approval-needless`.
 */
export async function authorizeBackchannel(
  rooms: Rooms,
  caller: AgentPrincipal,
  form: BackchannelForm,
): Promise<Acknowledgement> {
  refuseStopped(rooms, caller)
  const registered = registrationOf(rooms, caller)
  requireClient(form, caller)
  const request = await readRequest(rooms, caller, form, registered)
  const session = await sessionOf(rooms, caller, request.hint)
  const approval = await hold(rooms, caller, session, request)
  const { instance } = caller
  const { authReqId, expiresIn, interval } = await rooms.approvals.backchannel.ask(
    { agent: caller.name, instance },
    approval,
    request.notificationToken,
  )
  return { auth_req_id: authReqId, expires_in: expiresIn, interval }
}

/** How the agent may ask. Throws `grant-not-allowed` for one that may not. */
export function registrationOf({ agents }: Rooms, { name }: AgentPrincipal): Backchannel {
  const registered = agents.agent(name)?.backchannel
  if (registered !== undefined) return registered
  throw new Refusal("grant-not-allowed", "This agent is not registered for CIBA: its configuration has no backchannel.")
}

/** Signed or not, as it is registered; what is signed is good once, at whatever server. */
async function readRequest(
  rooms: Rooms,
  caller: AgentPrincipal,
  form: BackchannelForm,
  { delivery, signed, defaultAuthorizationDetails: standard }: Backchannel,
): Promise<BackchannelRequest> {
  const expected = { issuer: rooms.sessions.issuer, delivery, standard }
  if (form.request === undefined) {
    if (signed === "required")
      throw new Refusal("invalid-request", "This agent has to sign its requests: send request.")
    return readParameters(form, expected)
  }
  const { request: text, client_id: _, client_assertion: __, client_assertion_type: ___, ...outside } = form
  if (Object.values(outside).some((each) => each !== undefined)) {
    throw new Refusal("invalid-request", "All parameters of a signed request stand in it, and none beside it.")
  }
  const given = await readSigned(rooms, caller, text)
  return readParameters(given, expected)
}

async function readSigned(rooms: Rooms, caller: AgentPrincipal, text: string): Promise<Given> {
  const key = await rooms.agents.keyOf(caller.instance)
  if (key === null) {
    throw new Refusal(
      "invalid-request",
      "The public key of this instance is not noted yet. Renew its SVID, and ask again.",
    )
  }
  const { parameters, jti, expiresAtMs } = rooms.sessions.readRequestObject(text, { client: caller.spiffeId, key })
  const use = { kind: "backchannel-request", maker: caller.instance, jti, expiresAtMs } as const
  // A crash after this leaves a request that is spent for nothing; the client signs another.
  await rooms.audit.commit(
    usingUp(
      use,
      () => new Refusal("invalid-request", "This signed request was used before. Sign one for each request."),
    ),
  )
  return parameters
}

/** The request for approval that the action waits for. */
async function hold(
  rooms: Rooms,
  caller: AgentPrincipal,
  session: string,
  { action, bindingMessage, requestedExpiry }: BackchannelRequest,
) {
  const about = { justification: bindingMessage, expirySeconds: requestedExpiry ?? undefined, isOnlyAsked: true }
  const ask = () => admit(rooms, caller, { session, action, idempotencyKey: null, ...about })
  try {
    const first = await ask()
    const isSpent = first.held !== null && (await rooms.approvals.backchannel.isRedeemed(first.held.id))
    // Its token was fetched, and may be lost: a person is asked anew, and no two approvals of the same are good at once. A crash
    // after the withdrawal leaves an action that nobody approved; asked again, it is a new request.
    if (isSpent) await rooms.audit.commit(rooms.approvals.withdraw({ ids: [first.held!.id] }, "asked-anew", "server"))
    const { held, decision, paced } = isSpent ? await ask() : first
    if (held !== null) return held.id
    const again = paced === null ? {} : { detail: { safeconduct_retry_after_seconds: paced.retryAfterSeconds } }
    throw new Refusal("approval-refused", decision.reasons.join(" ") || "Policy does not allow this action.", again)
  } catch (error) {
    if (refusalCode(error) !== "approval-needless") throw error
    // Who only finds out what would be allowed leaves a trace too.
    const { type, resource, operation } = action
    const data = { code: "approval-needless", type, resource, operation }
    await rooms.audit.commit({
      entries: () => [{ event: "gate.approval-not-asked", ...actor(caller), session, data }],
    })
    throw error
  }
}
