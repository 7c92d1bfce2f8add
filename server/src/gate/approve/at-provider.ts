import type { Approval, Person, ProviderAsking } from "#approvals"
import { equal, type Json, Refusal, refusalCode, type Secret } from "#kernel"
import { type Polled, providerEvidence } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { approve } from "./decide.ts"
import { detailsFor, signedThere } from "./there.ts"

/** A user who is asked at their provider, and for what. */
export type There = { approval: Approval; asking: ProviderAsking; person: Person }

/** Times that a provider is asked to ask, where it does not answer; each may ring. */
const MAX_ATTEMPTS = 3
const RETRY_SECONDS = 5

/** Has the provider ask its user, over the statement that approving would sign. */
export async function askThere(rooms: Rooms, of: There): Promise<void> {
  const { approval, asking } = of
  const { ways } = rooms.approvals
  const { providers } = rooms.sessions
  const signed = signedThere(rooms, of.approval, of.person.id)
  const leftSeconds = Math.floor((approval.expiresAt.getTime() - rooms.clock.nowMs()) / 1000)
  if (signed === null || leftSeconds < 1) return await fail(rooms, of, "expired", "too-late")
  if (asking.attempts >= MAX_ATTEMPTS) return await fail(rooms, of, "failed", "unavailable")
  const { result: pingToken } = await rooms.audit.commit(ways.begin(of, signed))
  if (pingToken === null) return
  // A crash here leaves one that was to be asked: it is asked again, and perhaps rung twice, at the most three times.
  const details = detailsFor(approval)
  try {
    const asked = await providers.ask({
      provider: asking.provider,
      user: { iss: asking.issuer, sub: asking.subject, claims: await claimsOf(rooms, of) },
      code: signed.code,
      expirySeconds: leftSeconds,
      ...(details === null ? {} : { details }),
      ...(providers.find(asking.provider)?.ciba?.mode === "ping" ? { pingToken } : {}),
    })
    if (asked.state === "refused") return await fail(rooms, of, "failed", asked.error)
    // A crash here leaves a person who is asked and whose answer nobody can fetch; they are asked again.
    await ways.asked(asking.id, asked)
  } catch (error) {
    if (refusalCode(error) !== "provider-unavailable") {
      if (error instanceof Refusal) return await fail(rooms, of, "failed", error.code)
      throw error
    }
    await ways.putOff(asking.id, RETRY_SECONDS)
  }
}

/** Fetches what the person said; first tells the provider, where it had us ask them. */
export async function pollThere(rooms: Rooms, of: There): Promise<void> {
  const { asking } = of
  const { ways } = rooms.approvals
  const { bearer = null, decision = null } = asking.channel ?? {}
  if (bearer !== null && decision === "approve") return await tellProvider(rooms, asking, bearer)
  if (asking.authReqId === null || asking.askedAt === null) return
  const polled = await rooms.sessions.providers
    .poll({
      provider: asking.provider,
      issuer: asking.issuer,
      authReqId: asking.authReqId,
      user: { iss: asking.issuer, sub: asking.subject },
      askedAtMs: asking.askedAt.getTime(),
    })
    .catch((error: unknown): Polled => {
      // The provider is another one by now, or not to be asked any more.
      if (error instanceof Refusal) return { state: "failed", error: error.code }
      throw error
    })
  switch (polled.state) {
    case "pending":
      return await ways.putOff(
        asking.id,
        Math.max(asking.intervalSeconds, polled.retryAfterSeconds ?? 0),
        polled.isTooFast ? 5 : 0,
      )
    case "unavailable":
      return await ways.putOff(asking.id, Math.max(asking.intervalSeconds, polled.retryAfterSeconds ?? 0))
    case "expired":
      return await fail(rooms, of, "expired", "nobody-answered")
    case "failed":
      return await fail(rooms, of, "failed", polled.error)
    case "denied":
      return await decided(rooms, of, "denied", denyingThere(rooms, of))
    case "approved": {
      const signed = signedThere(rooms, of.approval, of.person.id)
      // What they would sign by now is not what they were asked: a card, an issuer or a statement of another make.
      if (signed === null || asking.challenge === null || !equal(signed.challenge, asking.challenge)) {
        return await fail(rooms, of, "failed", "changed")
      }
      const evidence = { ...providerEvidence(polled.proof), code: signed.code }
      const about = { approvals: [of.approval], statements: [signed.statement] }
      // A crash here loses the provider's one answer: the person may still say it in another way, or it expires.
      return await decided(rooms, of, "approved", approve(rooms, of.person, about, { way: "provider", evidence }))
    }
  }
}

/** By what names the provider knows the user: as it said when they delegated. Of others only who they are there is known. */
async function claimsOf({ sessions }: Rooms, { approval, person }: There): Promise<{ [name: string]: string[] }> {
  const user = (await sessions.look(approval.session))?.session.user
  return user?.id === person.id ? user.claims : {}
}

async function denyingThere({ audit, approvals }: Rooms, { approval: { id }, asking, person }: There): Promise<void> {
  const evidence: { [name: string]: Json } = {
    provider: asking.provider,
    code: asking.checkCode,
    error: "access_denied",
  }
  const proven = { way: "provider", evidence } as const
  await audit.commit(approvals.decide({ id, person, decision: "deny", proven, statement: null }))
}

async function decided(
  rooms: Rooms,
  of: There,
  state: "approved" | "denied",
  deciding: Promise<unknown>,
): Promise<void> {
  const { ways } = rooms.approvals
  try {
    await deciding
  } catch (error) {
    if (isOver(error)) {
      await rooms.audit.commit(ways.end(of.asking.id, "over"))
      return
    }
    // The configuration does not take a provider's word for it any more.
    if (refusalCode(error) === "proof-insufficient") return await fail(rooms, of, "failed", "proof-insufficient")
    throw error
  }
  // A crash here leaves one that is asked for something decided: it is closed when it is due again.
  await rooms.audit.commit(ways.end(of.asking.id, state))
}

/** True when nothing waits for that person any more. */
export function isOver(error: unknown): boolean {
  return ["approval-over", "approval-unknown"].includes(refusalCode(error) ?? "")
}

async function fail(rooms: Rooms, of: There, state: "expired" | "failed", error: string): Promise<void> {
  await rooms.audit.commit(rooms.approvals.ways.fail(of, state, error))
}

async function tellProvider(
  rooms: Rooms,
  { id, provider, intervalSeconds }: ProviderAsking,
  bearer: Secret,
): Promise<void> {
  const { ways } = rooms.approvals
  try {
    await rooms.sessions.providers.answerChannel(provider, bearer, "SUCCEED")
    // A crash here tells it twice; the second time it says that it knows.
    await ways.told(id)
  } catch (error) {
    if (refusalCode(error) !== "provider-unavailable") throw error
    await ways.putOff(id, intervalSeconds)
  }
}
