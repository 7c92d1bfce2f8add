import { Refusal } from "#kernel"
import { type AccessQuestion, idsOf, nameOfAction, type PolicySet, typeNamed } from "#policy"
import type { Answered, Judge } from "./ask.ts"
import type { Rooms } from "./rooms.ts"

/** Where in a search to begin, and how much to return. */
export type Page = { token?: string | undefined; limit?: number | undefined }

/** One page of what was found. An empty token is the end. */
export type Found<Result> = { results: Result[]; page: { next_token: string; count: number } }

/** Somebody or something that may be found, and the question that decides whether it is. */
export type Candidate<Result> = { result: Result; question: AccessQuestion }

/** What one page looks at, and so the most that it returns. A longer search goes on with its token. */
export const MAX_EXAMINED = 1_000

/**
 * Asks about one candidate after another and returns those that are allowed. The token names the version that it was given
 * under: throws `invalid-request` when another one came in force meanwhile, because the places moved.
 */
export async function search<Result extends { type: string; id: string } | { name: string }>(
  judge: Judge,
  { version }: PolicySet,
  { candidates, page = {} }: { candidates: readonly Candidate<Result>[]; page?: Page | undefined },
): Promise<Answered<Found<Result>>> {
  const from = startOf(page.token, version)
  const limit = Math.min(page.limit ?? MAX_EXAMINED, MAX_EXAMINED)
  const results: Result[] = []
  let at = from
  for (; at < candidates.length && at - from < MAX_EXAMINED && results.length < limit; at++) {
    const { result, question } = candidates[at]!
    const { verdict } = await judge(question)
    if (verdict === "allow") results.push(result)
  }
  const next_token = at < candidates.length ? tokenOf(at, version) : ""
  return {
    answer: { results, page: { next_token, count: results.length } },
    data: { results: results.length, examined: at - from, policyVersion: version },
    personal: { results: results.map((result) => ("id" in result ? result.id : result.name)) },
  }
}

/** Ids of everything of a type that is known here: agents, resources, and the entities of the configuration. */
export function knownIds(rooms: Rooms, { vocabulary, entities }: PolicySet, type: string): string[] {
  if (type === "agents::Agent") return Object.keys(rooms.agents.current()).sort()
  if (type === "credentials::Resource") return Object.keys(rooms.policy.version()?.document.resources ?? {}).sort()
  const full = typeNamed(vocabulary, type)
  return full === null ? [] : idsOf(entities, full)
}

/** Names of the actions that the schema has for a subject and a resource of these types. */
export function knownActions({ vocabulary }: PolicySet, subject: string, resource: string): string[] {
  const [subjectType, resourceType] = [subject, resource].map((type) =>
    type === "agents::Agent" ? type : typeNamed(vocabulary, type),
  )
  if (subjectType == null || resourceType == null) return []
  const fitting = vocabulary.actions.filter(
    ({ principals, resources }) => principals.includes(subjectType) && resources.includes(resourceType),
  )
  return fitting.map((action) => nameOfAction(action, resourceType)).sort()
}

function tokenOf(at: number, version: string | null): string {
  return Buffer.from(`${at} ${version}`).toString("base64url")
}

function startOf(token: string | undefined, version: string | null): number {
  if (token === undefined || token === "") return 0
  const [at, under] = Buffer.from(token, "base64url").toString("utf8").split(" ")
  if (!/^\d{1,9}$/.test(at ?? "") || under !== String(version)) {
    throw new Refusal("invalid-request", "page.token is not one of the version in force. Begin the search again.")
  }
  return Number(at)
}
