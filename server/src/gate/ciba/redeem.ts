import type { AgentPrincipal, OneActionDetail } from "#agents"
import type { Approval, Polled } from "#approvals"
import { type Id, Refusal, refusalCode } from "#kernel"
import type { Session } from "#sessions"
import { type Rooms, refuseStopped } from "../rooms.ts"
import type { TokenForm } from "../tokens/form.ts"
import { registrationOf } from "./authorize.ts"
import { detailOf } from "./one-action.ts"

/** CIBA Core §10.1.1, with what was granted (RFC 9396 §7). There is no refresh token: an approval is used once. */
export type BackchannelAnswer = {
  access_token: string
  token_type: "Bearer" | "DPoP"
  expires_in: number
  id_token: string
  scope: "openid"
  authorization_details: OneActionDetail[]
}

/** Refusals of a poll (CIBA Core §11). */
const NOT_YET = {
  unknown: ["grant-invalid", "There is no such auth_req_id of yours, or it was redeemed."],
  pending: ["authorization-pending", "Nobody has decided yet. Poll again after the interval."],
  "too-soon": ["slow-down", "That was too soon. Wait five seconds longer between polls from now on."],
  denied: ["approval-denied", "Approval was denied, or what it was asked for is over."],
  expired: ["approval-expired", "Nobody approved it in time, or the approval was not fetched in time. Ask anew."],
} as const satisfies Record<Exclude<Polled["is"], "approved">, readonly [string, string]>

/**
 * The grant of CIBA: what was approved becomes an access token, once, for the agent instance that asked. The token is the approval:
 * it is presented with the action that it is for. Throws `authorization-pending`, `slow-down`, `approval-denied`,
 * `approval-expired`, `grant-invalid`, `grant-not-allowed`.
 */
export async function redeemBackchannel(
  rooms: Rooms,
  caller: AgentPrincipal,
  { auth_req_id: authReqId, scope, authorization_details: details }: TokenForm,
): Promise<BackchannelAnswer> {
  refuseStopped(rooms, caller)
  registrationOf(rooms, caller)
  if (authReqId === undefined) throw new Refusal("invalid-request", "Send what you were answered as auth_req_id.")
  if (scope !== undefined || details !== undefined) {
    throw new Refusal(
      "invalid-request",
      "What was approved is what is granted; leave scope and authorization_details out.",
    )
  }
  const { backchannel } = rooms.approvals
  const asker = { agent: caller.name, instance: caller.instance }
  const polled = await backchannel.poll(authReqId, asker)
  if (polled.is !== "approved") {
    const [code, words] = NOT_YET[polled.is]
    throw new Refusal(code, words)
  }
  const { approval, session, useBefore } = await approvedNow(rooms, caller, polled.request)
  const granted = [detailOf(approval.action!)]
  const user = session.user!.id
  const subject = await backchannel.subject({ agentId: caller.agentId, user })
  const tokens = await rooms.sessions.signApproval(
    {
      approval: approval.id,
      session,
      details: granted,
      useBefore,
      subject,
      authReqId,
      authenticatedAt: seenAt(approval),
    },
    caller,
  )
  // Again: who asks may have been stopped, and the session ended, while the database was waited for.
  refuseStopped(rooms, caller)
  await standingOf(rooms, caller, approval)
  const { jti } = tokens
  await rooms.audit.commit(backchannel.redeem(authReqId, asker, { approval, jti, by: caller.spiffeId }))
  // A crash here leaves an entry of a token that nobody holds. The approval is not used: by its own id it still can be.
  return {
    access_token: tokens.accessToken,
    token_type: tokens.tokenType,
    expires_in: tokens.expiresIn,
    id_token: tokens.idToken,
    scope: "openid",
    authorization_details: granted,
  }
}

async function approvedNow(
  rooms: Rooms,
  caller: AgentPrincipal,
  id: Id<"approval">,
): Promise<{ approval: Approval; session: Session; useBefore: Date }> {
  const approval = await rooms.approvals.find(id)
  if (approval === null || !approval.isUsable || approval.action === null || approval.useBefore === null) {
    throw new Refusal("approval-denied", "What was approved is over.")
  }
  return { approval, session: await standingOf(rooms, caller, approval), useBefore: approval.useBefore }
}

/** Pitfall 10: an ended session, a suspended agent and a user who took it back get nothing for what was approved before. */
async function standingOf(rooms: Rooms, caller: AgentPrincipal, { session, user }: Approval): Promise<Session> {
  try {
    const standing = await rooms.sessions.standing(session, caller)
    if (standing.session.user?.id === user && user !== null) return standing.session
  } catch (error) {
    if (!OVER.includes(refusalCode(error) ?? "")) throw error
  }
  throw new Refusal("approval-denied", "The session that it was asked in is over.")
}

const OVER = ["session-unknown", "session-ended", "session-expired"]

/** When the user proved who they are for this very approval; null where somebody else approved, or a browser that was signed in. */
function seenAt({ decisions, user }: Approval): Date | null {
  const own = decisions.find(({ approver, decision, way }) => {
    return decision === "approve" && approver === user && way !== "session"
  })
  return own?.decidedAt ?? null
}
