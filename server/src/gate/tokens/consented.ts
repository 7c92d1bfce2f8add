import type { AgentPrincipal } from "#agents"
import { Refusal } from "#kernel"
import { type Application, type Consent, intersect, narrower } from "#sessions"
import type { Rooms } from "../rooms.ts"
import type { Claimed, Grant } from "./exchange.ts"
import { wasEndedSince } from "./subject.ts"

/** How long the page that a refusal names can be brought to a browser, seconds; then the agent asks again. */
const PAGE_SECONDS = 600

/**
 * What the user allowed this agent for this purpose through this application, when it covers what is asked for now. Throws
 * `consent-required`, with a page where they are asked exactly that; nothing comes back from it but their consent.
 */
export async function consentFor(
  rooms: Rooms,
  caller: AgentPrincipal,
  claimed: Claimed & { application: Application },
): Promise<Grant> {
  const { sessions } = rooms
  const { user, purpose, application, request, subject } = claimed
  const of = { user: user.id, agentId: caller.agentId, purpose: purpose.name, application: application.name }
  const consent = await sessions.consents.remembered(of)
  if (consent === null || !covers(rooms, caller, consent, claimed)) return await askFor(rooms, caller, claimed)
  // Who ended what an agent did for them is asked again, unless they have signed in at the application since.
  const lastMs = Math.max(consent.givenAt.getTime(), subject.issuedAtMs)
  if (await wasEndedSince(rooms, caller, claimed, lastMs)) return await askFor(rooms, caller, claimed)
  const bounds = [request.details, subject.details].filter((each) => each !== null)
  return {
    details: bounds.reduce((details, bound) => intersect(details, bound), consent.details),
    by: { kind: "consent", consent: consent.id, textDigest: consent.textDigest },
    claim: null,
    hardEndSeconds: consent.hardEndSeconds,
    holding: sessions.consents.holding(consent.id),
  }
}

/** Whoever asks for no more than was allowed, or for whatever was, needs nothing new; more is never allowed silently. */
function covers({ agents }: Rooms, caller: AgentPrincipal, consent: Consent, { request, purpose }: Claimed): boolean {
  if (request.details === null) return true
  const possible = intersect(purpose.actions, agents.agent(caller.name)?.ceiling ?? [])
  return narrower(intersect(possible, request.details), consent.details)
}

async function askFor(
  { sessions }: Rooms,
  caller: AgentPrincipal,
  { request, purpose, application, statement, parameters, subject }: Claimed & { application: Application },
): Promise<never> {
  const { agentId: id, name, spiffeId } = caller
  const { requestUri } = await sessions.consents.push(
    {
      agent: { id, name, spiffeId },
      instance: caller.instance,
      // No code comes of it, and so nothing that a key or a verifier would have to hold.
      ...{ jkt: null, redirectUri: null, state: null, challenge: null, prompt: null, maxAgeSeconds: null },
      purpose: purpose.name,
      application: application.name,
      statedUser: statement?.user ?? null,
      details: request.details,
      requestText: statement?.requestText ?? null,
      parameters,
      hasSignedParameters: Object.keys(parameters).length > 0,
      provider: subject.provider,
    },
    PAGE_SECONDS,
  )
  const page = new URL(`${sessions.issuer.replace(/\/$/, "")}/oauth2/authorize`)
  page.searchParams.set("client_id", spiffeId)
  page.searchParams.set("request_uri", requestUri)
  throw new Refusal(
    "consent-required",
    "The user has not allowed this. Send them to safeconduct_consent_uri, then ask again.",
    {
      detail: { safeconduct_consent_uri: page.href },
    },
  )
}
