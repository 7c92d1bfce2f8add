import type { Agent } from "#agents"
import { describeResource } from "#credentials"
import { Refusal } from "#kernel"
import {
  type ActionDetail,
  type Asked,
  type AuthorizationRequest,
  type Consent,
  type ConsentText,
  type Described,
  intersect,
  inWords,
  isRegistered,
  narrower,
  type Purpose,
  requireOwnStatement,
  type Sessions,
} from "#sessions"
import type { Rooms } from "../rooms.ts"

/** What a signed-in user is asked for, as purposes and ceilings stand now. */
export type Wanted = {
  /** All that is asked for; what the user grants is a part of it. */
  details: ActionDetail[]
  /** The same in the pieces that can be taken out. */
  pieces: readonly Piece[]
  hardEndSeconds: number
  text: ConsentText
  /** What the user allowed before, where it covers this: then nobody is asked. */
  covered: { consent: Consent; details: ActionDetail[] } | null
}

/** One action of one detail; what is left of a detail keeps its limits for all of it together. */
export type Piece = { key: string; at: number; action: string; detail: ActionDetail }

/** All that a request may be granted at the most, as purposes and ceilings stand now. Throws as wantedOf() does. */
export function mostOf(rooms: Rooms, { asked }: Pick<AuthorizationRequest, "asked">): ActionDetail[] {
  const { agent, purpose } = parties(rooms, asked)
  const most = intersect(purpose.actions, agent.ceiling)
  const details = asked.details === null ? most : intersect(most, asked.details)
  if (details.length === 0) throw new Refusal("purpose-not-allowed", "Nothing is left of what was asked for.")
  return details
}

/**
 * What a request comes to now. Throws `agent-suspended`, `agent-retired`, `purpose-unknown` or `purpose-not-allowed` when it can
 * be granted no more.
 */
export async function wantedOf(rooms: Rooms, request: AuthorizationRequest): Promise<Wanted> {
  const { asked, user } = request
  const { agent, purpose } = parties(rooms, asked)
  requireOwnStatement(asked.statedUser, user!)
  const details = mostOf(rooms, request)
  const pieces = details.flatMap((detail, at) =>
    detail.actions.map((action, nth) => ({
      key: `${at}-${nth}`,
      at,
      action,
      detail: { ...detail, actions: [action] },
    })),
  )
  const of = { user: user!.id, agentId: asked.agent.id, purpose: purpose.name, application: asked.application }
  const earlier = await rooms.sessions.consents.remembered(of)
  const { name } = asked.agent
  const endedAt = await rooms.sessions.logins.withdrawnAt({ user: of.user, agent: name, purpose: of.purpose })
  const parts = { rooms, request, agent, purpose, pieces, earlier }
  return {
    details,
    pieces,
    hardEndSeconds: purpose.session.hardEndSeconds,
    text: textOf(parts),
    // Who ended what the agent did for them is asked again: a link alone begins nothing anew.
    covered:
      earlier === null || (endedAt !== null && earlier.givenAt <= endedAt) ? null : coveredBy(earlier, asked, details),
  }
}

/**
 * True for words or values that nobody but the agent says are the user's: only the answer to our page, which shows them as that,
 * makes them so.
 */
export function hasUnsigned({ requestText, parameters, hasSignedParameters }: Asked): boolean {
  return requestText?.kind === "consent" || (Object.keys(parameters).length > 0 && !hasSignedParameters)
}

/** What is left when the user takes pieces out. */
export function grantedOf({ details, pieces }: Wanted, taken: ReadonlySet<string>): ActionDetail[] {
  return details.flatMap((detail, at) => {
    const actions = pieces.filter((piece) => piece.at === at && taken.has(piece.key)).map(({ action }) => action)
    return actions.length === 0 ? [] : [{ ...detail, actions }]
  })
}

/**
 * What an earlier yes covers: never words or values of the agent's. What an application signed is covered where it said for whom:
 * a link with another user's words can be sent to this one (pitfall 3). Whoever asks for no details gets again what was granted, unless more could be granted now than
 * could then.
 */
function coveredBy(consent: Consent, asked: Asked, details: ActionDetail[]): Wanted["covered"] {
  const isSaid = asked.requestText !== null || Object.keys(asked.parameters).length > 0
  if (hasUnsigned(asked) || (isSaid && asked.statedUser == null) || asked.prompt === "consent") return null
  if (narrower(details, consent.details)) return { consent, details }
  if (asked.details !== null || !narrower(details, consent.asked)) return null
  const again = intersect(details, consent.details)
  return again.length === 0 ? null : { consent, details: again }
}

function parties({ agents, sessions }: Rooms, asked: Asked): { agent: Agent; purpose: Purpose } {
  const agent = agents.agent(asked.agent.name)
  if (agent?.id !== asked.agent.id) throw new Refusal("agent-retired", `The agent ${asked.agent.name} is retired.`)
  if (agent.state !== "active") throw new Refusal("agent-suspended", `The agent ${agent.name} is suspended.`)
  requireApplication(sessions, asked)
  const purpose = sessions.purpose(asked.purpose)
  if (purpose === null)
    throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force any more.")
  if (agent.purposes.includes(purpose.name)) return { agent, purpose }
  throw new Refusal("purpose-not-allowed", `Agent ${agent.name} may not serve purpose ${purpose.name} any more.`)
}

/** Judged again whenever something is made of what it said. Throws `statement-invalid`. */
export function requireApplication({ application: find }: Pick<Sessions, "application">, asked: Asked): void {
  if (asked.application === null || find(asked.application)?.agents.includes(asked.agent.name)) return
  const message = `The application ${asked.application} may not invoke agent ${asked.agent.name} any more.`
  throw new Refusal("statement-invalid", message)
}

/** A place that was registered when the request was made, and is not any more, is led to no more. Throws `invalid-request`. */
export function requirePlace({ agents }: Pick<Rooms, "agents">, { agent, redirectUri }: Asked): void {
  const registered = agents.agent(agent.name)?.redirectUris ?? []
  if (redirectUri === null || isRegistered(redirectUri, registered)) return
  throw new Refusal("invalid-request", "Where this leads back to is not registered any more. Go back and begin again.")
}

type TextParts = {
  rooms: Rooms
  request: AuthorizationRequest
  agent: Agent
  purpose: Purpose
  pieces: readonly Piece[]
  earlier: Consent | null
}

function textOf({ rooms, request, agent, purpose, pieces, earlier }: TextParts): ConsentText {
  const { asked } = request
  const application = asked.application === null ? null : rooms.sessions.application(asked.application)
  const described = { ...describing(rooms, purpose), parameters: asked.parameters }
  return {
    version: 1,
    language: "en",
    agent: { name: agent.name, spiffeId: asked.agent.spiffeId, owner: agent.owner, description: agent.description },
    application: application && { name: application.name, description: application.description },
    purpose: { name: purpose.name, description: purpose.description },
    actions: pieces.map(({ key, detail }) => ({
      key,
      phrases: inWords([detail], described),
      isNew: earlier !== null && !narrower([detail], earlier.details),
    })),
    request: asked.requestText && {
      text: asked.requestText.text,
      from: asked.requestText.kind === "consent" ? "agent" : "application",
    },
    parameters: Object.entries(asked.parameters).map(([name, value]) => ({
      description: Object.hasOwn(purpose.parameters, name) ? purpose.parameters[name]!.description : name,
      value,
      from: asked.hasSignedParameters ? "application" : "agent",
    })),
    longestSeconds: purpose.session.hardEndSeconds,
    collectedBy: null,
    earlier: earlier?.givenAt.toISOString() ?? null,
  }
}

/** What names of resources, and of a purpose's look-ups, stand for, in the words of the configuration. */
export function describing(
  { credentials }: Pick<Rooms, "credentials">,
  purpose: Pick<Purpose, "lookups"> | null = null,
): Pick<Described, "resource" | "lookup"> {
  const parts = credentials.current()
  const lookups = purpose?.lookups ?? {}
  return {
    resource: (name) => (Object.hasOwn(parts, name) ? describeResource(parts[name]!) : null),
    lookup: (name) => (Object.hasOwn(lookups, name) ? lookups[name]!.description : null),
  }
}
