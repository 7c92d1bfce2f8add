import type { AgentPrincipal } from "#agents"
import { Refusal } from "#kernel"
import type { Application, Statement, SubjectToken } from "#sessions"
import type { Rooms } from "../rooms.ts"
import type { Claimed } from "./exchange.ts"

/** Through whom a user's token came to an agent, and whether their provider says that the agent may act for them. */
export type Invocation = {
  /** Null where the provider issued the token to the agent itself, and nobody is known to have invoked it. */
  application: Application | null
  /** The claim by which the provider delegated; null where the user has to have consented. */
  claim: string | null
  /** A token that was issued to this agent for this is good once. */
  isOnce: boolean
}

/**
 * Whose token it is: every client and audience that it names must be one registered application that may invoke this agent, or
 * the agent itself, by the provider's name for it. Somebody else's token in the hands of an agent gets nothing (RFC 9700 §2.3).
 * Throws `subject-token-invalid`, `statement-invalid`.
 */
export function invocationOf(
  { sessions }: Pick<Rooms, "sessions">,
  caller: AgentPrincipal,
  subject: SubjectToken,
  statement: Statement | null,
): Invocation {
  const { delegated, type } = subject
  // Who acts is the outermost actor and nobody else: inner ones give no right (RFC 8693 §4.1).
  if (delegated !== null && delegated.agent !== caller.name) {
    throw new Refusal("subject-token-invalid", "The subject token was issued to another agent than this one.")
  }
  const isIdJag = type === "urn:ietf:params:oauth:token-type:id-jag"
  const own = delegated?.actor ?? (isIdJag ? caller.spiffeId : null)
  const others = subject.clients.filter((client) => client !== own)
  // To this agent: by its `act`, or as the client of an assertion for us (draft-ietf-oauth-identity-assertion-authz-grant).
  const isForAgent = delegated !== null || (isIdJag && others.length === 0)
  if (isForAgent && others.length === 0) {
    const application = statement === null ? null : sessions.application(statement.application.name)
    return { application, claim: delegated === null ? "client_id" : "act", isOnce: true }
  }
  const application = applicationOf(sessions.applications(), caller, { ...subject, clients: others }, statement)
  const claim = delegated !== null ? "act" : (subject.mayAct.find(({ agent }) => agent === caller.name)?.claim ?? null)
  return { application, claim, isOnce: isForAgent || isIdJag }
}

function applicationOf(
  applications: readonly Application[],
  caller: AgentPrincipal,
  { provider, clients }: Pick<SubjectToken, "provider" | "clients">,
  statement: Statement | null,
): Application {
  const registered = applications.filter((application) => {
    const known = Object.hasOwn(application.providers, provider) ? application.providers[provider]! : []
    return (
      application.agents.includes(caller.name) && clients.length > 0 && clients.every((each) => known.includes(each))
    )
  })
  if (registered.length === 0) {
    const message = `The subject token was issued to no registered application that may invoke ${caller.name}.`
    throw new Refusal("subject-token-invalid", message)
  }
  const stated = registered.filter(({ name }) => statement === null || name === statement.application.name)
  if (stated.length === 0) {
    throw new Refusal("statement-invalid", "The statement is another application's than the subject token.")
  }
  if (stated.length === 1) return stated[0]!
  const message = "More than one application is registered for this subject token: one of them has to sign a statement."
  throw new Refusal("subject-token-invalid", message)
}

/** True when the user has ended a session of this agent for this purpose since then: what they gave before opens no other. */
export async function wasEndedSince(
  { sessions }: Pick<Rooms, "sessions">,
  { name: agent }: AgentPrincipal,
  { user, purpose }: Pick<Claimed, "user" | "purpose">,
  sinceMs: number,
): Promise<boolean> {
  const at = await sessions.logins.withdrawnAt({ user: user.id, agent, purpose: purpose.name })
  return at !== null && sinceMs <= at.getTime()
}
