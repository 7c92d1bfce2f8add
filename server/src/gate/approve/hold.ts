import type { AgentPrincipal } from "#agents"
import type { NewRequest, Requirement } from "#approvals"
import { canonical, type Id } from "#kernel"
import { rootOf, type Standing } from "#sessions"
import type { NamedAction } from "../action.ts"
import type { Judged } from "../judge.ts"
import type { Rooms } from "../rooms.ts"
import { cardFacts } from "./facts.ts"

/** A request for approval that is to be made, wanting only the entry that says so; and who is told of it. */
export type Asking = { request: Omit<NewRequest, "entry">; tells: Id<"user">[] }

/**
 * What has to be asked, and of whom, before the action may happen. Null when nobody could approve it, or read it: then it is denied.
 * `justification` is what the agent says.
 */
export async function askingFor(
  rooms: Rooms,
  caller: AgentPrincipal,
  standing: Standing,
  { action, judged, justification, expirySeconds }: ToAsk,
): Promise<Asking | null> {
  if (unreadable(action, justification) !== null) return null
  const { session } = standing
  const { id, agent, instance, purpose, user, application, chain } = session
  const requirements = requirementsOf(rooms, judged, standing)
  if (requirements === null) return null
  const tells = await tellingOf(rooms, requirements, standing)
  const { digest, salt, type, resource, operation, arguments: given } = action
  const request = {
    ...{ agent, instance, spiffeId: caller.spiffeId, confirmation: caller.confirmation },
    ...{ session: id, root: rootOf(session), purpose, application, user: user?.id ?? null },
    chain: chain.map((hop) => ({ session: hop.session, agent: hop.agent })),
    action: { id: action.id, digest, salt, type, resource, operation, arguments: given },
    policyVersion: judged.version,
    policies: judged.policies.map((policy) => policy.id),
    requirements,
    facts: await cardFacts(rooms, standing, { action, judged, justification }),
    expirySeconds,
  }
  return { request, tells }
}

/** What is asked; `expirySeconds` bounds how long, no further than is configured. */
export type ToAsk = {
  action: NamedAction
  judged: Judged
  justification: string | null
  expirySeconds?: number | undefined
}

/** Arguments of one action that somebody may be shown. */
const MOST_ARGUMENTS = 100

/** Why nobody is asked whether it may happen: what cannot be read, or kept, cannot be agreed to. Null when it can. */
export function unreadable({ arguments: given }: Pick<NamedAction, "arguments">, said: string | null): string | null {
  const count = Object.keys(given).length
  if (count > MOST_ARGUMENTS) {
    return `This needs an approval, and nobody reads ${count} arguments: ${MOST_ARGUMENTS} are the most.`
  }
  // PostgreSQL has no such text. An even number of backslashes stands for themselves.
  if (!/(?<!\\)(?:\\\\)*\\u0000/.test(canonical([given, said]))) return null
  return "This needs an approval, and a character U+0000 in it can neither be shown nor kept."
}

/** Each that has to approve. Null where one of them cannot: no user, no such group, or too few in it beside the user. */
function requirementsOf(rooms: Rooms, { asks }: Judged, { session: { user } }: Standing): Requirement[] | null {
  const { groups } = rooms.approvals.part()
  const found = asks.map(({ of, rung }): Requirement | null => {
    if (of === "user") return user === null ? null : { of, rung, required: 1, members: null }
    const group = Object.hasOwn(groups, of) ? groups[of]! : null
    // Whoever it is done for is none of those who approve it beside them.
    const members = group?.members.filter(
      ({ provider, subject }) => provider !== user?.provider || subject !== user.sub,
    )
    if (group === null || members!.length < group.required) return null
    return { of, rung, required: group.required, members: members! }
  })
  return found.length > 0 && found.every((each) => each !== null) ? found : null
}

/** Who is told: somebody who was never here cannot be, and may be looking all the same. */
async function tellingOf(
  rooms: Rooms,
  requirements: readonly Requirement[],
  { session: { user } }: Standing,
): Promise<Id<"user">[]> {
  const found = requirements.flatMap(({ members }) => {
    if (members === null) return [Promise.resolve(user)]
    return members.map(async ({ provider, subject: sub }) => {
      const iss = rooms.sessions.providers.find(provider)?.issuer
      return iss === undefined ? null : await rooms.sessions.findUser({ iss, sub })
    })
  })
  return [...new Set((await Promise.all(found)).flatMap((each) => (each === null ? [] : [each.id])))]
}
