import type { Agent } from "#agents"
import type { Change } from "#audit"
import { Refusal } from "#kernel"
import { type ActionDetail, type Asked, intersect, isRegistered, type Parameters, type Purpose } from "#sessions"
import type { Rooms } from "../rooms.ts"
import { useStatement } from "../tokens/statement.ts"
import * as read from "./parameters.ts"
import { type AskedBy, bad } from "./parameters.ts"

/** Who asks, as far as it is known before a user is: a browser brings it, or a client that proved its key pushed it. */
export type Asker = { agent: Agent; instance: string | null; jkt: string | null }

/** What is asked, and the use of the statement that came with it. */
export type Asking = { asked: Asked; using: Change<void> | null }

/** The registration that a client_id names. Throws `invalid-request`: then nobody is sent anywhere. */
export function clientOf({ agents }: Pick<Rooms, "agents">, clientId: string | undefined): Agent {
  const prefix = `spiffe://${agents.trustDomain}/agent/`
  const agent = clientId?.startsWith(prefix) ? agents.agent(clientId.slice(prefix.length)) : null
  if (agent !== null && agent !== undefined) return agent
  throw new Refusal("invalid-request", "client_id is the SPIFFE ID of a registered agent.")
}

/** Where the user comes back to: one of the registered places (RFC 9700 §2.1). Throws `invalid-request`. */
export function redirectUriOf({ name, redirectUris }: Agent, asked: AskedBy): string {
  const uri = asked["redirect_uri"] ?? (redirectUris.length === 1 ? redirectUris[0]! : undefined)
  if (uri !== undefined && isRegistered(uri, redirectUris)) return uri
  throw new Refusal("invalid-request", `redirect_uri is none of those that are registered for agent ${name}.`)
}

/**
 * Checks everything that can be checked without the user. Throws `invalid-request`, `response-type-unsupported`,
 * `scope-invalid`, `target-invalid`, `details-invalid`, `statement-invalid`, `purpose-unknown`, `purpose-not-allowed`,
 * `agent-suspended`.
 */
export async function readAsking(rooms: Rooms, { agent, ...bound }: Asker, given: AskedBy): Promise<Asking> {
  read.requireCodeFlow(given)
  read.refuseUnmeant(given, rooms.sessions.issuer)
  if (agent.state !== "active") throw new Refusal("agent-suspended", `The agent ${agent.name} is suspended.`)
  const purpose = purposeOf(rooms, agent, given["safeconduct_purpose"])
  const details = read.detailsOf(given["authorization_details"])
  refuseNothing(purpose, agent, details)
  const stated = given["safeconduct_statement"]
  const { statement, using } =
    stated === undefined
      ? { statement: null, using: null }
      : await useStatement(rooms, stated, { agent: agent.name, purpose })
  const own = read.parametersOf(purpose, given["safeconduct_parameters"])
  refuseTwoTellers(statement, given)
  const requestText = statement?.requestText ?? read.requestTextOf(given["safeconduct_request"])
  const hasSignedParameters = statement !== null && Object.keys(statement.parameters).length > 0
  const parameters = hasSignedParameters ? statement.parameters : own
  requireAll(purpose, parameters)
  return {
    using,
    asked: {
      ...bound,
      agent: { id: agent.id, name: agent.name, spiffeId: given["client_id"]! },
      jkt: bound.jkt ?? read.jktOf(given["dpop_jkt"]),
      redirectUri: redirectUriOf(agent, given),
      state: read.stateOf(given["state"]),
      challenge: given["code_challenge"]!,
      purpose: purpose.name,
      application: statement?.application.name ?? null,
      statedUser: statement?.user ?? null,
      details,
      requestText,
      parameters,
      hasSignedParameters,
      provider: providerOf(rooms, given["safeconduct_provider"]),
      prompt: read.promptOf(given["prompt"]),
      maxAgeSeconds: read.maxAgeOf(given["max_age"]),
    },
  }
}

function purposeOf({ sessions }: Rooms, agent: Agent, name: string | undefined): Purpose {
  const purpose = name === undefined ? null : sessions.purpose(name)
  if (name === undefined) throw bad("Say in safeconduct_purpose what the session is for.")
  if (purpose === null) throw new Refusal("purpose-unknown", "There is no such purpose in the policy in force.")
  if (agent.purposes.includes(purpose.name)) return purpose
  throw new Refusal("purpose-not-allowed", `Agent ${agent.name} may not serve purpose ${purpose.name}.`)
}

function refuseNothing(purpose: Purpose, agent: Agent, details: ActionDetail[] | null): void {
  const most = intersect(purpose.actions, agent.ceiling)
  if (most.length === 0) {
    throw new Refusal("purpose-not-allowed", `The ceiling of agent ${agent.name} allows nothing of ${purpose.name}.`)
  }
  if (details === null || intersect(most, details).length > 0) return
  throw new Refusal("details-invalid", `authorization_details ask for nothing that ${purpose.name} is for.`)
}

/** Of one thing said twice, by the application and by the agent, nobody could say which one the user was shown. */
function refuseTwoTellers(statement: { requestText: unknown; parameters: Parameters } | null, given: AskedBy): void {
  if (statement === null) return
  const isTwice =
    (statement.requestText !== null && given["safeconduct_request"] !== undefined) ||
    (Object.keys(statement.parameters).length > 0 && given["safeconduct_parameters"] !== undefined)
  if (isTwice)
    throw bad("The application's statement says this already; leave safeconduct_request and _parameters out.")
}

function requireAll(purpose: Purpose, parameters: Parameters): void {
  for (const [name, { isRequired }] of Object.entries(purpose.parameters)) {
    if (isRequired && !Object.hasOwn(parameters, name))
      throw bad(`Purpose ${purpose.name} needs the parameter ${name}.`)
  }
}

function providerOf({ sessions }: Rooms, name: string | undefined): string | null {
  const names = sessions.providers.names()
  if (name === undefined) return names.length === 1 ? names[0]! : null
  if (names.includes(name)) return name
  throw bad("safeconduct_provider is no provider that users sign in at.")
}
